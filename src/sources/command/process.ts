// Starting the commands that plans name: an argument list as it is, or a line for bash in which any failing part fails the whole.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { fail } from '../../base/errors.ts';
import { findUser } from '../../base/users.ts';

export interface CommandLine {
  readonly argv?: readonly string[];
  readonly shell?: string;
  /** As whom it runs (passwd(5)); as we do if left out. */
  readonly user?: string;
}

/** For messages: the program's name, never its arguments (they may hold what nobody should read). */
export function commandName({ argv, shell }: CommandLine): string {
  return argv?.[0] ?? (shell !== undefined ? 'bash' : '');
}

/** Starts it as the leader of a process group of its own, so that all of it can be ended. */
export function startCommand({ argv, shell, user }: CommandLine, stdio: SpawnOptions['stdio'] & {}): ChildProcess {
  const words = shell !== undefined ? ['bash', '-o', 'pipefail', '-c', shell] : [...argv!];
  const [program, ...rest] = user === undefined ? words : [...asUser(user), ...words];
  return spawn(program!, rest, { stdio, detached: true });
}

/** With the user's own groups, and nothing of ours (util-linux's setpriv(1)). Throws NOT_ALLOWED for nobody. */
function asUser(name: string): readonly string[] {
  const { uid, gid } = findUser(name) ?? fail('NOT_ALLOWED', { what: `a command of ${name}`, reason: 'there is no such user' });
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--reset-env', '--'];
}

/** Ends a command with all that it started. */
export function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {
    // it ended by itself
  }
}
