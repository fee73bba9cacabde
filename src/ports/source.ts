// What a backup reads: a tree of entries, whatever it really is (a directory, disks, a command's output).
import type { BackupTags } from '../model/backup.ts';
import type { Node, NodeMeta } from '../model/node.ts';
import type { Warning } from '../model/warning.ts';
import type { BlobId, Chunking } from './blob.ts';

/**
 * The law:
 * - `list()` yields the children of a directory in strictly increasing order of the raw bytes of their names, and may be called once.
 *   It holds no more than the names of one directory in memory, so a directory of a million entries is fine.
 * - Metadata is read without following symbolic links and without changing access times where the kernel allows it.
 * - Of a stream's `meta` only the name is looked at before its bytes have come, or `same` has said yes.
 * - An entry that vanished or cannot be read is told to `warn` and left out; only a missing root throws (SOURCE_MISSING).
 */
export interface Source {
  /** Absolute paths for the record's `paths`, as restic writes them. */
  readonly paths: readonly string[];
  /** restic's `excludes`, for the record. */
  readonly excludes: readonly string[];
  /** Bytes and files to come as far as is known beforehand; 0 where it is not. */
  readonly estimate: { readonly bytes: number; readonly files: number };
  /** Called once, before `list`: what comes in an order of its own (an archive, a dump) is stored here, and listed as `stored` entries. */
  gather?(store: Store): Promise<void>;
  /** The root directory's children. */
  list(): AsyncIterable<Entry>;
  /** Called once all content was read; throws if what was read must not become a backup (SOURCE_COMMAND). */
  finish(): Promise<void>;
  /** What the record says of it besides; asked after `finish`. */
  tags?(): Pick<BackupTags, 'logFrom' | 'logUntil' | 'consistency'>;
  /** Releases everything and ends what is under way; never throws; may be called twice. */
  close(): Promise<void>;
}

export type Entry =
  | { readonly kind: 'dir'; readonly meta: NodeMeta; list(): AsyncIterable<Entry> }
  | { readonly kind: 'file'; readonly meta: NodeMeta; readonly content: Content }
  | { readonly kind: 'other'; readonly meta: NodeMeta };

/** How the bytes of a file are got. */
export type Content =
  /**
   * A file or device, read by a worker from `path` at [offset, offset+length). Holes that the file system knows are not read, and
   * all-zero stretches become zero blocks. `regular` files are opened with O_NOFOLLOW and must still be the inode that `identity`, else `meta`, names;
   * if size or mtime changed while reading, that is a warning.
   */
  | {
      readonly kind: 'path';
      readonly path: Buffer;
      readonly offset: number;
      readonly length: number;
      readonly chunking: Chunking;
      readonly regular: boolean;
      /** Which inode it must be, where that is not what `meta` keeps: in an image, whose device number is another one each time. */
      readonly identity?: { readonly inode: bigint; readonly deviceId: bigint };
      /** Trouble with this file ends the backup instead of being a warning. */
      readonly required?: boolean;
    }
  /** Bytes that come as they come; the size in `meta` is ignored. */
  | {
      readonly kind: 'stream';
      readonly chunking: Chunking;
      open(): AsyncIterable<Uint8Array>;
      /** Whether the parent backup has these very bytes under this name: then they are not read. */
      readonly same?: (before: Node) => boolean;
      /** Asked once all has come: whether it turned out to be no part of the backup, as the source has told `warn`. */
      readonly leftOut?: () => boolean;
    }
  /** Stored while the source gathered. */
  | { readonly kind: 'stored'; readonly content: readonly BlobId[]; readonly size: number };

export type Stored = Extract<Content, { kind: 'stored' }>;

/** Stores bytes as they come, any number of streams side by side; slow when the vault is. Part of the backup once an entry names them. */
export type Store = (stream: AsyncIterable<Uint8Array>, chunking: Chunking) => Promise<Stored>;

export type { Warning } from '../model/warning.ts';

export type Warn = (warning: Warning) => void;
