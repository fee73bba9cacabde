// What a backup keeps of an entry's metadata.
import { errnoOf } from '../../base/errors.ts';
import { groupName, readlinkAt, userName } from '../../base/libc.ts';
import { type FileStat, fileType } from '../../base/libc-stat.ts';
import { getXattr, listXattrs } from '../../base/libc-xattr.ts';
import type { ExtendedAttribute, NodeMeta, NodeType } from '../../model/node.ts';

const types: Readonly<Record<number, NodeType>> = {
  [fileType.file]: 'file',
  [fileType.dir]: 'dir',
  [fileType.symlink]: 'symlink',
  [fileType.block]: 'dev',
  [fileType.char]: 'chardev',
  [fileType.fifo]: 'fifo',
  [fileType.socket]: 'socket',
};

const cwd = -100;
const none: readonly ExtendedAttribute[] = [];
const silent = () => {};

export interface MetaReader {
  /** `path`: absolute, raw bytes. `problem` is told of attributes that could not be read. Throws the system's errors otherwise. */
  read(path: Buffer, name: Buffer, stat: FileStat, problem: (detail: string) => void): NodeMeta;
}

/** Remembers which file systems know no extended attributes, so that they are asked once and not for each entry. */
export function metaReader(): MetaReader {
  const without = new Set<bigint>();

  function xattrs(path: Buffer, device: bigint, problem: (detail: string) => void): readonly ExtendedAttribute[] {
    if (without.has(device)) return none;
    let names: readonly string[];
    try {
      names = listXattrs(path);
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOTSUP') without.add(device);
      else problem(`cannot list its extended attributes: ${code}`);
      return none;
    }
    if (names.length === 0) return none;
    const found: ExtendedAttribute[] = [];
    for (const name of names) {
      try {
        const value = getXattr(path, name);
        if (value !== undefined) found.push({ name, value });
      } catch (error) {
        if (errnoOf(error) !== 'ENOTSUP') problem(`cannot read its extended attribute ${name}: ${errnoOf(error)}`);
      }
    }
    return found;
  }

  return {
    read(path, name, stat, problem = silent) {
      const type = types[stat.mode & fileType.mask];
      if (type === undefined) throw new Error(`unknown file type ${stat.mode.toString(8)}`);
      const meta: NodeMeta = {
        name,
        type,
        mode: stat.mode & 0o7777,
        mtime: stat.mtime,
        // The access time changes with each reading; as in restic's default, mtime stands in so that equal directories stay equal.
        atime: stat.mtime,
        ctime: stat.ctime,
        uid: stat.uid,
        gid: stat.gid,
        user: userName(stat.uid),
        group: groupName(stat.gid),
        inode: stat.inode,
        deviceId: stat.device,
        links: stat.links,
        size: type === 'file' ? stat.size : 0,
        xattrs: xattrs(path, stat.device, problem),
      };
      if (type === 'symlink') return { ...meta, linkTarget: readlinkAt(cwd, path) };
      if (type === 'dev' || type === 'chardev') return { ...meta, device: stat.rdev };
      return meta;
    },
  };
}
