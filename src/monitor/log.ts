// What rdmonitor says: one line of JSON an event, to standard error and to log/monitor.log, without a package.
import { constants } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

export interface MonitorLog {
  info(text: string, about?: object): void;
  warn(text: string, about?: object): void;
  error(text: string, about?: object): void;
  /** Waits a moment for what is not written yet. */
  close(): Promise<void>;
}

/** As pino has them, so that all logs read alike. */
const levels = { info: 30, warn: 40, error: 50 } as const;
/** Renamed to <name>.1 beyond this when it is opened. */
const maxBytes = 10 * 1024 * 1024;
/** Lines that wait for a disk that does not answer; more are not kept. */
const maxWaiting = 1000;
const goodbyeMs = 2000;

/** A file that cannot be written ends nothing: standard error is left, which tells why. */
export async function openMonitorLog(path: string): Promise<MonitorLog> {
  // A terminal that went away ends nothing, either.
  process.stderr.on('error', () => undefined);
  let file: FileHandle | undefined;
  let waiting = 0;
  let written = Promise.resolve();

  const say = (level: keyof typeof levels, msg: string, about: object) => {
    const line = `${JSON.stringify({ level: levels[level], time: new Date().toISOString(), ...about, msg })}\n`;
    process.stderr.write(line);
    if (!file || waiting >= maxWaiting) return;
    waiting++;
    // Never waited for: the disk may be frozen, and what thaws it starts here.
    const write = () => file?.appendFile(line).catch(() => undefined);
    written = written.then(write).finally(() => waiting--);
  };
  const log: MonitorLog = {
    info: (text, about = {}) => say('info', text, about),
    warn: (text, about = {}) => say('warn', text, about),
    error: (text, about = {}) => say('error', text, about),
    async close() {
      await Promise.race([written, pause(goodbyeMs, undefined, { ref: false })]);
      await Promise.race([file?.close().catch(() => undefined), pause(goodbyeMs, undefined, { ref: false })]);
    },
  };
  try {
    file = await openFile(path);
  } catch (error) {
    log.warn('there is no log file', { path, reason: (error as Error).message });
  }
  return log;
}

async function openFile(path: string): Promise<FileHandle> {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags, 0o640);
  const about = await file.stat();
  // Others than root may write this directory: what they put there is not written to.
  if (!about.isFile() || about.nlink !== 1 || about.uid !== process.geteuid?.()) {
    await file.close();
    throw new Error('it is not a file of its own');
  }
  if (about.size < maxBytes) return file;
  await file.close();
  await rename(path, `${path}.1`);
  return openFile(path);
}
