// The server of a new instance: started in a session of its own, so that it goes on when the task has ended, and waited for.
import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { failure, isCode } from '../../../base/errors.ts';
import { accessTo, openSession } from '../address.ts';
import { ids } from './owner.ts';
import type { InstancePlace } from './place.ts';

export interface Running {
  readonly pid: number;
  stop(): Promise<void>;
}

/** Resolves once it takes connections, after all recovery. Throws INSTANCE_FAILED with the end of its log; it does not run then. */
export async function startServer(
  { directory, data, log, owner, socket, port }: InstancePlace,
  { bin, superuser }: { readonly bin: string; readonly superuser: string },
  signal: AbortSignal,
): Promise<Running> {
  signal.throwIfAborted();
  const output = openSync(log, 'a', 0o600);
  if (process.getuid!() === 0) chownSync(log, owner.uid, owner.gid);
  const server = spawn(join(bin, 'postgres'), ['-D', data, '-c', `config_file=${join(directory, 'postgresql.conf')}`], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', output, output],
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' },
    ...ids(owner),
  });
  closeSync(output);
  let broken: Error | undefined;
  server.on('error', (error) => {
    broken = error;
  });
  const access = accessTo({ socket, port, user: superuser });
  try {
    for (;;) {
      signal.throwIfAborted();
      if (broken || server.exitCode !== null || server.signalCode !== null) {
        throw failure('INSTANCE_FAILED', { directory, detail: broken?.message ?? complaint(log), log }, { cause: broken });
      }
      if (await takesConnections(access, signal)) break;
      await pause(100);
    }
  } catch (error) {
    await stop(server);
    throw error;
  }
  server.unref();
  return { pid: server.pid!, stop: () => stop(server) };
}

async function takesConnections(access: ReturnType<typeof accessTo>, signal: AbortSignal): Promise<boolean> {
  try {
    const session = await openSession(access, signal);
    try {
      const [row] = await session.ask('be asked whether it is up', 'SELECT pg_is_in_recovery() AS recovers');
      return row!['recovers'] === false;
    } finally {
      session.close();
    }
  } catch (error) {
    if (isCode(error, 'DATABASE_DOWN', 'DATABASE_BUSY')) return false;
    throw error;
  }
}

/** ms that an immediate shutdown is waited for. */
const patience = 10_000;

async function stop(server: ChildProcess): Promise<void> {
  if (server.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise<true>((resolve) => server.once('exit', () => resolve(true)));
  server.kill('SIGQUIT');
  if (await Promise.race([gone, pause(patience, false, { ref: false })])) return;
  process.kill(-server.pid, 'SIGKILL');
  await gone;
}

const tail = (log: string): readonly string[] => readFileSync(log, 'utf8').slice(-8192).trim().split('\n');

/** What the server said it stopped for. */
function complaint(log: string): string {
  const lines = tail(log);
  return (lines.findLast((line) => /(FATAL|PANIC|ERROR):/.test(line)) ?? lines.at(-1) ?? 'it said nothing').slice(0, 500);
}

/** Whether it stopped because its log ended before the moment that was asked for. */
export const ranOut = (log: string): boolean =>
  tail(log).some((line) => line.includes('recovery ended before configured recovery target was reached'));
