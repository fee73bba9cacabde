// What becomes of one entry, given what is in its place: shared by a dry run and the real one, so that they cannot disagree.
import { errnoOf } from '../../base/errors.ts';
import { readlinkAt } from '../../base/libc.ts';
import { type FileStat, fileType } from '../../base/libc-stat.ts';
import type { Node } from '../../model/node.ts';
import type { Overwrite } from '../../ports/target.ts';

export type Decision =
  /** Nothing is there. */
  | 'create'
  /** Something is there that is not changed into it but gives way. */
  | 'replace'
  /** The same kind of thing is there and gets the content and metadata of the backup. */
  | 'update'
  /** It is equal as far as size, time or link tell; its metadata is made equal too. */
  | 'keep'
  /** It stays whatever it is. */
  | 'leave';

const typeBits: Readonly<Record<Node['type'], number>> = {
  file: fileType.file,
  dir: fileType.dir,
  symlink: fileType.symlink,
  dev: fileType.block,
  chardev: fileType.char,
  fifo: fileType.fifo,
  socket: fileType.socket,
};

/** `dirfd`: the directory in which `existing` was found. */
export function decide(node: Node, existing: FileStat | undefined, overwrite: Overwrite, dirfd: number | undefined): Decision {
  if (existing === undefined) return 'create';
  const sameType = (existing.mode & fileType.mask) === typeBits[node.type];
  if (overwrite === 'never') return 'leave';
  if (!sameType) return 'replace';
  switch (node.type) {
    case 'dir':
      return 'update';
    case 'file':
      if (overwrite === 'if-changed' && existing.size === node.size && sameTime(existing, node)) return 'keep';
      // Writing into a file with more names would change what is found under the others.
      return existing.links > 1n ? 'replace' : 'update';
    case 'symlink':
      return dirfd !== undefined && linksTo(dirfd, node) ? 'keep' : 'replace';
    case 'dev':
    case 'chardev':
      return existing.rdev === node.device ? 'keep' : 'replace';
    default:
      return 'keep';
  }
}

function sameTime(existing: FileStat, node: Node): boolean {
  return existing.mtime.seconds === node.mtime.seconds && existing.mtime.nanos === node.mtime.nanos;
}

function linksTo(dirfd: number, node: Node): boolean {
  try {
    return node.linkTarget !== undefined && readlinkAt(dirfd, node.name).equals(node.linkTarget);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

/** A name that can be a directory entry; anything else in a tree is damage or an attack. */
export function validName(name: Buffer): boolean {
  return name.length > 0 && name.length <= 255 && !name.includes(0) && !name.includes(0x2f) && !(name[0] === 0x2e && isDots(name));
}

function isDots(name: Buffer): boolean {
  return name.length === 1 || (name.length === 2 && name[1] === 0x2e);
}
