// May a new server be started here? Asked before anything is written.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, fail, isCode } from '../../base/errors.ts';
import { outputOf, startProgram } from '../../base/program.ts';
import { findUser, type User } from '../../base/users.ts';

/** A server at least as new as the one that the backup is of. Throws TOOL_MISSING, TOOL_VERSION. */
export async function checkProgram(backup: string): Promise<void> {
  const said = await outputOf(['redis-server', '--version'], { package: 'redis-server' });
  const have = /v=(\d+\.\d+\.\d+)/.exec(said)?.[1] ?? '0.0.0';
  if (isOlder(have, backup)) fail('TOOL_VERSION', { tool: 'redis-server', have, server: backup, package: 'redis-server' });
}

/** By the first two numbers: within them the format of the copy stays. */
export function isOlder(have: string, than: string): boolean {
  const [major = 0, minor = 0] = have.split('.').map(Number);
  const [thanMajor = 0, thanMinor = 0] = than.split('.').map(Number);
  return major < thanMajor || (major === thanMajor && minor < thanMinor);
}

/** Undefined: whoever runs the task. Root lets the user of the package run the server, where there is one. */
export const userOfServer = (): User | undefined => (process.geteuid?.() === 0 ? findUser('redis') : undefined);

/** A server of another user must come to its directory. Throws FILE_UNREADABLE. */
export async function checkWay(directory: string, user: User | undefined): Promise<void> {
  if (!user) return;
  const path = dirname(directory);
  const way = startProgram(['test', '-x', path], { package: 'coreutils', uid: user.uid, gid: user.gid });
  try {
    await way.ended;
  } catch (error) {
    if (!isCode(error, 'TOOL_FAILED')) throw error;
    const detail = `the user ${user.name}, as whom the server runs, may not go through it`;
    fail('FILE_UNREADABLE', { path, detail }, { cause: error });
  }
}

/** New, or as it is. Throws FILE_UNREADABLE. */
export function makeFolder(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') fail('FILE_UNREADABLE', { path: directory, detail: (error as Error).message }, { cause: error });
  }
}
