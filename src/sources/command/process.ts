// Starting the commands that plans name: an argument list as it is, or a line for bash in which any failing part fails the whole.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

export interface CommandLine {
  readonly argv?: readonly string[];
  readonly shell?: string;
}

/** For messages: the program's name, never its arguments (they may hold what nobody should read). */
export function commandName({ argv, shell }: CommandLine): string {
  return argv?.[0] ?? (shell !== undefined ? 'bash' : '');
}

/** Starts it as the leader of a process group of its own, so that all of it can be ended. */
export function startCommand({ argv, shell }: CommandLine, stdio: SpawnOptions['stdio'] & {}): ChildProcess {
  const [program, ...rest] = shell !== undefined ? ['bash', '-o', 'pipefail', '-c', shell] : [...argv!];
  return spawn(program!, rest, { stdio, detached: true });
}

/** Ends a command with all that it started. */
export function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {
    // it ended by itself
  }
}
