// What lies in the directory of a new server: the copy, a configuration of its own, and a password that only its user can read.
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, closeSync, constants, fchownSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, failure } from '../../base/errors.ts';
import { startProgram } from '../../base/program.ts';
import type { User } from '../../base/users.ts';
import type { Node } from '../../model/node.ts';
import type { InstanceTarget } from '../../model/service.ts';
import type { ContentReader } from '../../ports/target.ts';
import { type About, copyName } from './backup-files.ts';
import { makeFolder } from './instance-place.ts';

export interface InstanceFiles {
  readonly configuration: string;
  readonly socket?: string;
  readonly password: string;
  readonly passwordFile: string;
  readonly log: string;
}

/** The kernel takes paths of sockets up to here. */
const longestSocket = 107;

export function prepareFolder({ directory, port }: InstanceTarget, about: About, user: User | undefined): InstanceFiles {
  makeFolder(directory);
  // Ours until all is in it: nobody can put a link in the place of a file that is given away.
  if (user) chownSync(directory, process.geteuid!(), process.getegid!());
  chmodSync(directory, 0o700);
  const password = randomBytes(24).toString('hex');
  const socket = join(directory, 'redis.sock');
  const files: InstanceFiles = {
    configuration: join(directory, 'redis.conf'),
    ...(Buffer.byteLength(socket) <= longestSocket && { socket }),
    password,
    passwordFile: join(directory, 'password'),
    log: join(directory, 'redis.log'),
  };
  const highest = Math.max(-1, ...Object.keys(about.keys ?? {}).map(Number));
  const lines = [
    '# Made by Stillpoint for a server started from a backup. What is written to it is not kept when it ends.',
    'bind 127.0.0.1',
    `port ${port}`,
    'protected-mode yes',
    `requirepass ${password}`,
    ...(files.socket === undefined ? [] : [`unixsocket ${quoted(files.socket)}`, 'unixsocketperm 700']),
    `dir ${quoted(directory)}`,
    `dbfilename ${copyName}`,
    'save ""',
    'appendonly no',
    `databases ${Math.max(16, about.databases ?? 0, highest + 1)}`,
    ...(about.cluster ? ['cluster-enabled no'] : []),
  ];
  writePrivate(files.configuration, `${lines.join('\n')}\n`, user);
  writePrivate(files.passwordFile, `${password}\n`, user);
  return files;
}

/** Never over what is there. Throws TARGET_FULL, TARGET_FAILED. */
export function writePrivate(path: string, text: string, user: User | undefined): void {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'wx', 0o600);
    writeSync(fd, text);
    if (user) fchownSync(fd, user.uid, user.gid);
  } catch (error) {
    throw notWritten(path, error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function notWritten(path: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return failure('TARGET_FULL', { path }, { cause: error });
  return failure('TARGET_FAILED', { path, detail: (error as Error).message }, { cause: error });
}

/** As redis.conf takes any text. */
const quoted = (text: string): string =>
  `"${[...Buffer.from(text)].map((byte) => (byte < 32 || byte > 126 || byte === 34 || byte === 92 ? `\\x${byte.toString(16).padStart(2, '0')}` : String.fromCharCode(byte))).join('')}"`;

/** Bytes written. Throws TARGET_FULL, TARGET_FAILED, REPO_… */
export async function writeCopy(directory: string, node: Node, reader: ContentReader, user: User | undefined): Promise<number> {
  const dirfd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  let written = 0;
  let failed: Error | undefined;
  try {
    const open = { kind: 'create', dirfd, name: Buffer.from(copyName) } as const;
    await reader.writeFiles([{ tag: undefined, content: node.content!, size: node.size, open, mode: 'new' }], (result) => {
      written += result.written;
      failed ??= result.error;
    });
  } finally {
    closeSync(dirfd);
  }
  if (failed) throw notWritten(join(directory, copyName), failed);
  if (user) chownSync(join(directory, copyName), user.uid, user.gid);
  return written;
}

/** From here on the directory is the server's. */
export function handOver(directory: string, user: User | undefined): void {
  if (user) chownSync(directory, user.uid, user.gid);
}

/** By the engine's own tool. Throws TOOL_MISSING, or TOOL_FAILED for a copy that a server would not load. */
export async function checkCopy(directory: string, user: User | undefined, signal: AbortSignal): Promise<void> {
  let said = '';
  const program = startProgram(['redis-check-rdb', join(directory, copyName)], {
    package: 'redis-tools',
    explain: (errors) => (said + errors).trim().split('\n').slice(-3).join(' | '),
    ...(user && { uid: user.uid, gid: user.gid }),
  });
  const kill = () => void program.kill();
  signal.addEventListener('abort', kill, { once: true });
  try {
    for await (const piece of program.output) said = (said + piece.toString('latin1')).slice(-2000);
    await program.ended;
  } finally {
    signal.removeEventListener('abort', kill);
    signal.throwIfAborted();
  }
}
