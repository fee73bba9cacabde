// Starting the commands that plans name: an argument list as it is, or a line for bash in which any failing part fails the whole.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { fail } from '../../base/errors.ts';
import { findUser, homeOf, type User } from '../../base/users.ts';

export interface CommandLine {
  readonly argv?: readonly string[];
  readonly shell?: string;
  /** As whom it runs (passwd(5)); as we do if left out. */
  readonly user?: string;
  /** All of its environment besides what its user has anyway; ours as it is if left out. Nothing that nobody may read. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** For messages: the program's name, never its arguments (they may hold what nobody should read). */
export function commandName({ argv, shell }: CommandLine): string {
  return argv?.[0] ?? (shell !== undefined ? 'bash' : '');
}

/** Starts it as the leader of a process group of its own, so that all of it can be ended. Throws NOT_ALLOWED for a user that does not exist. */
export function startCommand({ argv, shell, user, environment }: CommandLine, stdio: SpawnOptions['stdio'] & {}): ChildProcess {
  const words = shell !== undefined ? ['bash', '-o', 'pipefail', '-c', shell] : [...argv!];
  const who = user === undefined ? undefined : userNamed(user);
  const [program, ...rest] = who ? [...asUser(who, environment === undefined), ...words] : words;
  const env = environment && { ...(who ? environmentOf(who) : process.env), ...environment };
  return spawn(program!, rest, { stdio, detached: true, ...(env && { env }) });
}

const userNamed = (name: string): User =>
  findUser(name) ?? fail('NOT_ALLOWED', { what: `a command of ${name}`, reason: 'there is no such user' });

/** With the user's own groups, and nothing of ours (util-linux's setpriv(1)); `reset`: nothing of our environment either. */
function asUser({ uid, gid }: User, reset: boolean): readonly string[] {
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', ...(reset ? ['--reset-env'] : []), '--'];
}

/** What setpriv --reset-env leaves a user. */
function environmentOf(user: User): Record<string, string> {
  const { name } = user;
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  return { PATH: path, HOME: homeOf(user), SHELL: '/bin/sh', USER: name, LOGNAME: name };
}

/** Ends a command with all that it started. */
export function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {
    // it ended by itself
  }
}
