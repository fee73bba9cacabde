// What lies where in the directory of a new server. The directory is ours, with what names its process; what the server writes belongs to it.
import { chmodSync, closeSync, existsSync, fchownSync, lchownSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Owner } from './program.ts';

export interface Layout {
  readonly directory: string;
  readonly data: string;
  readonly run: string;
  readonly tmp: string;
  readonly log: string;
  readonly configuration: string;
  readonly socket: string;
  readonly owner: Owner;
}

/** The kernel's limit for the path of a socket is 107 bytes; servers take less. */
const longestSocket = 100;

export function makeLayout(directory: string, owner: Owner): Layout {
  const at = (name: string) => join(directory, name);
  makeOpenFolder(directory);
  for (const name of ['data', 'run', 'tmp']) makeFolder(at(name), owner);
  return {
    directory,
    owner,
    data: at('data'),
    run: at('run'),
    tmp: at('tmp'),
    log: at('server.log'),
    configuration: at('my.cnf'),
    socket: Buffer.byteLength(at('run/mysql.sock')) <= longestSocket ? at('run/mysql.sock') : shortSocket(owner),
  };
}

/** The server has to get through it, whatever our umask is. */
function makeOpenFolder(path: string): void {
  if (existsSync(path)) return;
  makeOpenFolder(dirname(path));
  mkdirSync(path);
  chmodSync(path, 0o755);
}

/** With those above it that are not there yet. */
export function makeFolder(path: string, owner: Owner): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path), owner);
  mkdirSync(path, { mode: 0o750 });
  lchownSync(path, owner.uid, owner.gid);
}

/** From now on all users of this host get to the socket. */
export const openDoor = ({ socket }: Layout): void => chmodSync(dirname(socket), 0o755);

/** A new file in a folder that is the owner's already: through no link, and of nobody else's file. */
export function giveFile(path: string, text: string, { uid, gid }: Owner): void {
  rmSync(path, { force: true });
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(fd, text);
    fchownSync(fd, uid, gid);
  } finally {
    closeSync(fd);
  }
}

function shortSocket({ uid, gid }: Owner): string {
  const folder = mkdtempSync(join(Buffer.byteLength(tmpdir()) < 60 ? tmpdir() : '/tmp', 'stillpoint-mysql-'));
  lchownSync(folder, uid, gid);
  return join(folder, 'mysql.sock');
}
