// Making symbolic links, fifos and device nodes, and giving existing entries their metadata.
import { errnoOf } from '../../base/errors.ts';
import { mknodAt, symlinkAt } from '../../base/libc.ts';
import { applyMetaAt } from '../../base/libc-meta.ts';
import { type FileStat, fileType } from '../../base/libc-stat.ts';
import { getXattr, listXattrs } from '../../base/libc-xattr.ts';
import type { Node } from '../../model/node.ts';

const special: Readonly<Partial<Record<Node['type'], number>>> = {
  dev: fileType.block,
  chardev: fileType.char,
  fifo: fileType.fifo,
};

/** Creates `node` in the directory open as `dirfd`, with its metadata; nothing must be there. Returns what could not be applied. */
export function createOther(dirfd: number, node: Node): string[] {
  if (node.type === 'symlink') symlinkAt(node.linkTarget ?? Buffer.alloc(0), dirfd, node.name);
  else mknodAt(dirfd, node.name, (special[node.type] ?? 0) | 0o600, node.device ?? 0n);
  return applyMetaAt(dirfd, node.name, node);
}

/** Makes the metadata of an entry that stays equal to the backup's; the times of a kept entry are set only where something else was. */
export function adjustMeta(dirfd: number, node: Node, existing: FileStat): string[] {
  const sameOwner = existing.uid === node.uid && existing.gid === node.gid;
  const sameMode = node.type === 'symlink' || (existing.mode & 0o7777) === node.mode;
  const sameTime = existing.mtime.seconds === node.mtime.seconds && existing.mtime.nanos === node.mtime.nanos;
  if (sameOwner && sameMode && sameTime && sameXattrs(dirfd, node)) return [];
  return applyMetaAt(dirfd, node.name, node);
}

function sameXattrs(dirfd: number, node: Node): boolean {
  const path = Buffer.concat([Buffer.from(`/proc/self/fd/${dirfd}/`), node.name]);
  try {
    const present = listXattrs(path);
    return (
      present.length === node.xattrs.length &&
      node.xattrs.every(({ name, value }) => present.includes(name) && getXattr(path, name)?.equals(value) === true)
    );
  } catch (error) {
    return errnoOf(error) === 'ENOTSUP' && node.xattrs.length === 0;
  }
}
