// A process that was started, as whoever asked for it sees it; and how one is started here, with the rights of the caller.
import type { Readable, Writable } from 'node:stream';
import { exitOf, type Program, signalTo, spawnProgram } from './programs.ts';

export interface Started {
  /** 0 until it is known. */
  readonly pid: number;
  /** Its descriptor 3. What is written once it is gone goes nowhere. */
  readonly orders: Writable;
  /** Its descriptor 4. */
  readonly events: Readable;
  /** Its standard output, if that was wanted. */
  readonly output: Readable | undefined;
  /** Its standard error. */
  readonly text: Readable;
  /** Never rejects: `exit code 0`, `signal SIGKILL`, or why it could not be started. */
  readonly ended: Promise<string>;
  kill(signal: 'SIGTERM' | 'SIGKILL', whom: 'process' | 'group'): void;
}

export function startHere(program: Program, { niceness, output }: { readonly niceness: number; readonly output: boolean }): Started {
  const child = spawnProgram(program, ['ignore', output ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe'], niceness);
  const orders = child.stdio[3] as Writable;
  // A pipe that breaks because the process is gone is told by its end.
  orders.on('error', () => undefined);
  const pid = child.pid ?? 0;
  return {
    pid,
    orders,
    events: child.stdio[4] as Readable,
    output: child.stdout ?? undefined,
    text: child.stderr as Readable,
    ended: exitOf(child),
    kill: (signal, whom) => signalTo(pid, signal, whom),
  };
}
