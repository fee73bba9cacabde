// A process that rdmonitor starts and watches.
import { spawn } from 'node:child_process';
import { exitOf, signalTo } from '../host/programs.ts';

export interface Child {
  /** 0 if it could not be started. */
  readonly pid: number;
  /** Never rejects: `exit code 0`, `signal SIGKILL`, or why it could not be started. */
  readonly exited: Promise<string>;
  /** Asks it to end; nothing happens once it has. */
  end(): void;
  /** SIGKILL, to it and what is left in its group. */
  kill(): void;
}

/**
 * It says what it says on our own output and error output. A group of its own: Ctrl-C on the terminal is ours to handle, in order, and a
 * kill reaches what a launcher started.
 */
export function startChild(command: readonly string[], env: Readonly<Record<string, string>>): Child {
  const [program = '', ...words] = command;
  const child = spawn(program, words, { env, detached: true, stdio: ['ignore', 'inherit', 'inherit'] });
  const pid = child.pid ?? 0;
  const isOver = () => pid === 0 || child.exitCode !== null || child.signalCode !== null;
  return {
    pid,
    exited: exitOf(child),
    end: () => void (isOver() || signalTo(pid, 'SIGTERM', 'process')),
    // The number is its own until its end has been noticed.
    kill: () => void (isOver() || signalTo(pid, 'SIGKILL', 'group')),
  };
}
