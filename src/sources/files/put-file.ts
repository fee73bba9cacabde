// Handing one regular file to the writer and finishing what the writer leaves to us.
import { ftruncateSync } from 'node:fs';
import { errnoOf, failure } from '../../base/errors.ts';
import { close, open, openAt, renameAt, unlinkAt } from '../../base/libc.ts';
import { applyMeta } from '../../base/libc-meta.ts';
import { type FileStat, fileType, statAtIfAny, statFd } from '../../base/libc-stat.ts';
import type { Node } from '../../model/node.ts';
import type { FileToWrite } from '../../ports/target.ts';
import type { Directory, WholeTrees } from './directory.ts';
import { partName } from './part-name.ts';
import { clearTheWay } from './removal.ts';

/** A file that the writer has; comes back as its tag. */
export interface PendingFile {
  readonly directory: Directory;
  readonly node: Node;
  /** Its number in the order of the walk. */
  readonly index: number;
  readonly size: number;
  readonly way:
    | { readonly kind: 'new' }
    /** Written under another name that then takes the place. */
    | { readonly kind: 'part'; readonly name: Buffer }
    /** Written in the open file that was there. */
    | { readonly kind: 'inside'; readonly fd: number };
}

/** Up to this size (bytes) a file of another size is written anew beside the old one: a kill leaves the one or the other, at little cost. */
const anewBelow = 1024 * 1024;

/**
 * Prepares writing `node` where `existing` is. A file is compared with what is there and only the difference written; a small one that has
 * another size, one with several names, and a running program are written anew. Throws TARGET_FAILED or a system error.
 */
export function putFile(
  directory: Directory,
  node: Node,
  size: number,
  index: number,
  existing: FileStat | undefined,
  wholeTrees: WholeTrees,
): FileToWrite {
  const content = node.content ?? [];
  const created = (name: Buffer, way: PendingFile['way']): FileToWrite => ({
    tag: { directory, node, index, size, way } satisfies PendingFile,
    content,
    size,
    open: { kind: 'create', dirfd: directory.fd, name },
    mode: 'new',
    meta: node,
  });
  if (existing === undefined) return created(node.name, { kind: 'new' });
  if ((existing.mode & fileType.mask) !== fileType.file) {
    clearTheWay(directory.fd, node.name, existing, wholeTrees(directory, node.name));
    return created(node.name, { kind: 'new' });
  }
  const small = size <= anewBelow && existing.size <= anewBelow;
  const fd = existing.links > 1n || (small && existing.size !== size) ? undefined : openInside(directory, node.name);
  if (fd === undefined) {
    const name = partName(node.name);
    if (statAtIfAny(directory.fd, name) !== undefined) unlinkAt(directory.fd, name);
    return created(name, { kind: 'part', name });
  }
  const tag: PendingFile = { directory, node, index, size, way: { kind: 'inside', fd } };
  return { tag, content, size, open: { kind: 'fd', fd, base: 0 }, mode: 'compare' };
}

/** Undefined where it cannot be written in place because it runs. */
function openInside(directory: Directory, name: Buffer): number | undefined {
  let fd: number;
  try {
    fd = openAt(directory.fd, name, open.readWrite | open.noFollow | open.nonBlock);
  } catch (error) {
    if (errnoOf(error) === 'ETXTBSY') return undefined;
    throw error;
  }
  const stat = statFd(fd);
  if ((stat.mode & fileType.mask) === fileType.file && stat.links === 1n) return fd;
  close(fd);
  throw failure('TARGET_FAILED', { path: name.toString(), detail: 'it was changed meanwhile' });
}

/** After the last byte: returns metadata that could not be applied. Throws system errors. */
export function finishFile(file: PendingFile): readonly string[] {
  const { directory, node, way, size } = file;
  if (way.kind === 'new') return [];
  if (way.kind === 'part') {
    renameAt(directory.fd, way.name, directory.fd, node.name);
    return [];
  }
  try {
    ftruncateSync(way.fd, size);
    return applyMeta(way.fd, node);
  } finally {
    close(way.fd);
  }
}

/** After a failure: what was there stays, as far as it was not written into. */
export function abandonFile(file: PendingFile): void {
  const { directory, way } = file;
  if (way.kind === 'inside') close(way.fd);
  if (way.kind === 'part' && statAtIfAny(directory.fd, way.name) !== undefined) unlinkAt(directory.fd, way.name);
}
