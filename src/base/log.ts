// One line of JSON an event, to standard output and to a bounded file. Secrets do not belong into a log; the redaction is the second net.
import { chmodSync, openSync, renameSync, statSync } from 'node:fs';
import pino, { type Logger } from 'pino';

export type { Logger } from 'pino';

/** Size in bytes at which a log file is renamed to <name>.1 at the next start of the agent or of a task. */
export const maxLogBytes = 10 * 1024 * 1024;

const maxWaitingBytes = 256 * 1024;

const secretKeys = [
  'password',
  'newPassword',
  'recoveryKey',
  'secretKey',
  'sessionToken',
  'accessKey',
  'credentials',
  'sealed',
  'authorization',
];

/** Keys that pino censors at the top and up to two levels below. */
const redactedPaths = secretKeys.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

export interface LogSettings {
  readonly level: string;
  /** Path of the file, created 0640; none for standard output alone. */
  readonly file?: string;
  readonly quiet?: boolean;
}

export function createLog(settings: LogSettings): Logger {
  const streams: { level: string; stream: pino.DestinationStream }[] = [];
  if (!settings.quiet) streams.push({ level: settings.level, stream: destination(1) });
  if (settings.file) {
    rotateLog(settings.file);
    streams.push({ level: settings.level, stream: destination(openLogFile(settings.file)) });
  }
  return pino(
    { level: settings.level, base: null, timestamp: pino.stdTimeFunctions.isoTime, redact: { paths: redactedPaths, censor: '(secret)' } },
    pino.multistream(streams as pino.StreamEntry[]),
  );
}

/** A log that cannot be written (a full disk, a terminal that went away) ends nothing; some lines wait in memory for better times. */
function destination(dest: number): pino.DestinationStream {
  const stream = pino.destination({ dest, sync: true, maxLength: maxWaitingBytes });
  stream.on('error', () => undefined);
  return stream;
}

/** Opens a log file for appending, 0640; the caller closes it. */
export function openLogFile(path: string): number {
  const fd = openSync(path, 'a', 0o640);
  chmodSync(path, 0o640);
  return fd;
}

/** Keeps one older file, so that a log never takes more than twice `maxLogBytes`. */
export function rotateLog(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > maxLogBytes) renameSync(path, `${path}.1`);
}
