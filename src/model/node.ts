// One entry of a tree, as restic's format knows it (restic: internal/data/node.go). Numbers that may pass 2^53 are bigint.

export type NodeType = 'file' | 'dir' | 'symlink' | 'dev' | 'chardev' | 'fifo' | 'socket';

/** A point in time with nanoseconds: seconds since the epoch (may be negative) and 0..999999999. */
export interface NodeTime {
  readonly seconds: number;
  readonly nanos: number;
  /** Minutes east of UTC that stock restic wrote the time with (it uses the host's zone); the same instant, kept to write the same bytes. */
  readonly offset?: number;
}

export interface ExtendedAttribute {
  readonly name: string;
  readonly value: Buffer;
}

export interface NodeMeta {
  /** Raw bytes of the file name, any byte but NUL and "/". */
  readonly name: Buffer;
  readonly type: NodeType;
  /** Permission bits as st_mode & 0o7777; the tree codec turns them into Go's FileMode. */
  readonly mode: number;
  readonly mtime: NodeTime;
  readonly atime: NodeTime;
  readonly ctime: NodeTime;
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly group: string;
  readonly inode: bigint;
  readonly deviceId: bigint;
  readonly links: bigint;
  /** Bytes; files only, else 0. */
  readonly size: number;
  /** Raw bytes; symlinks only. */
  readonly linkTarget?: Buffer;
  /** st_rdev; dev and chardev only. */
  readonly device?: bigint;
  /** In listxattr order. */
  readonly xattrs: readonly ExtendedAttribute[];
  /** restic's generic_attributes (Windows), kept as raw JSON text. */
  readonly genericAttributes?: string;
}

export interface Node extends NodeMeta {
  /** Block ids of a file, in order; undefined for everything else. */
  readonly content?: readonly string[];
  /** Tree id of a directory. */
  readonly subtree?: string;
  /** What an old restic noted about an entry that it could not read whole; we write none. */
  readonly error?: string;
}
