// Starts the server apart from the task, waits until all of the copy is in it, and notes how it can be found again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fchownSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fail, isCode } from '../../base/errors.ts';
import type { User } from '../../base/users.ts';
import type { Instance, InstanceTarget } from '../../model/service.ts';
import { keepInstance } from '../instance.ts';
import { readInfo } from './facts.ts';
import type { InstanceFiles } from './instance-files.ts';
import { openSession } from './session.ts';

/** Throws INSTANCE_FAILED with the end of the server's log; it is ended then, and the directory left as it is. */
export async function startInstance(
  { directory, port }: InstanceTarget,
  files: InstanceFiles,
  user: User | undefined,
  signal: AbortSignal,
): Promise<Instance> {
  const server = start(directory, files, user);
  try {
    await loaded(server, port, files, signal);
    const connect = `REDISCLI_AUTH=$(cat ${shellWord(files.passwordFile)}) redis-cli -h 127.0.0.1 -p ${port}`;
    const { socket } = files;
    const instance: Instance = { engine: 'redis', directory, port, ...(socket !== undefined && { socket }), pid: server.pid!, connect };
    keepInstance(instance);
    server.unref();
    return instance;
  } catch (error) {
    await kill(server);
    signal.throwIfAborted();
    const detail = `${(error as Error).message}: ${endOf(files.log)}`;
    return fail('INSTANCE_FAILED', { directory, detail, log: files.log }, { cause: error });
  }
}

function start(directory: string, { configuration, log }: InstanceFiles, user: User | undefined): ChildProcess {
  const output = openSync(log, 'ax', 0o600);
  if (user) fchownSync(output, user.uid, user.gid);
  const server = spawn('redis-server', [configuration], {
    cwd: '/',
    detached: true,
    env: { PATH: process.env['PATH'] ?? '', HOME: directory, LC_ALL: 'C.UTF-8' },
    stdio: ['ignore', output, output],
    ...(user && { uid: user.uid, gid: user.gid }),
  });
  server.on('error', () => undefined);
  closeSync(output);
  return server;
}

/** However long it takes: as long as the server lives, it works on it. */
async function loaded(server: ChildProcess, port: number, { password }: InstanceFiles, signal: AbortSignal): Promise<void> {
  const access = { address: { host: '127.0.0.1', port }, user: '', password, ca: '' };
  for (;;) {
    signal.throwIfAborted();
    if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) throw new Error('redis-server ended');
    try {
      const session = await openSession(access, { what: 'be asked', rights: [] }, signal);
      try {
        const info = await readInfo(session);
        if (info['loading'] === '0' && info['process_id'] === String(server.pid)) return;
      } finally {
        session.close();
      }
    } catch (error) {
      if (!isCode(error, 'DATABASE_DOWN', 'DATABASE_BUSY')) throw error;
    }
    await pause(50);
  }
}

async function kill(server: ChildProcess): Promise<void> {
  if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const gone = once(server, 'exit');
  server.kill('SIGKILL');
  await gone;
}

function endOf(log: string): string {
  try {
    return readFileSync(log, 'utf8').trim().split('\n').slice(-4).join(' | ').slice(-1000);
  } catch {
    return 'it wrote no log';
  }
}

/** For people who paste it into a shell. */
const shellWord = (text: string): string => (/^[\w/.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
