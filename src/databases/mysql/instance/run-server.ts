// A server process that is nobody's child for long: it has a session and a log of its own and lives on when the task has ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fail } from '../../../base/errors.ts';
import type { Layout } from './layout.ts';
import type { ServerProgram } from './program.ts';

export interface RunningServer {
  readonly pid: number;
  /** In its own order; resolves when it is gone. */
  stop(): Promise<void>;
  /** At once. */
  kill(): Promise<void>;
}

const logFlags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
/** Characters of the log's end for a message. */
const logEnd = 600;

/** `more`: options besides those of its file. Recovery takes what it takes. Throws INSTANCE_FAILED, and the signal's reason. */
export async function runServer(
  program: ServerProgram,
  layout: Layout,
  more: readonly string[],
  signal: AbortSignal,
): Promise<RunningServer> {
  const { configuration, log, owner, socket } = layout;
  const output = openSync(log, logFlags, 0o640);
  const child = spawn(program.path, [`--defaults-file=${configuration}`, ...more], {
    cwd: '/',
    detached: true,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: layout.directory, LC_ALL: 'C.UTF-8' },
    stdio: ['ignore', output, output],
    ...(process.geteuid!() === 0 && { uid: owner.uid, gid: owner.gid }),
  });
  closeSync(output);
  const closed = once(child, 'exit').catch(() => undefined);
  child.unref();
  const end = async (kind: NodeJS.Signals) => {
    if (isGone(child)) return;
    child.ref();
    child.kill(kind);
    await closed;
  };
  try {
    while (!(await greets(socket))) {
      signal.throwIfAborted();
      if (isGone(child)) failStarting(layout);
      await pause(100);
    }
    if (isGone(child)) failStarting(layout);
  } catch (error) {
    await end('SIGKILL');
    throw error;
  }
  return { pid: child.pid!, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}

const isGone = (child: ChildProcess): boolean => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

function failStarting({ directory, log }: Layout): never {
  return fail('INSTANCE_FAILED', { directory, detail: troubleOf(readFileSync(log, 'utf8')), log });
}

/** What the server itself calls an error, else what it said last. */
function troubleOf(text: string): string {
  const lines = text.trim().split('\n');
  const errors = lines.filter((line) => /\[ERROR\]|\bERROR\b/.test(line));
  return (errors.length > 0 ? errors : lines).slice(-4).join(' | ').slice(-logEnd) || 'it wrote nothing into its log';
}

/** A server that takes clients speaks first: the fifth byte is the version of the protocol, or 0xff for a refusal. */
function greets(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path: socket });
    const answer = (yes: boolean) => {
      probe.destroy();
      resolve(yes);
    };
    probe.setTimeout(5000, () => answer(false));
    probe.on('error', () => answer(false));
    probe.on('close', () => answer(false));
    probe.on('data', (bytes: Buffer) => answer(bytes[4] === 10));
  });
}
