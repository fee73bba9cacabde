// What a backup reads: a tree of entries, whatever it really is (a directory, disks, a command's output).
import type { NodeMeta } from '../model/node.ts';
import type { Warning } from '../model/warning.ts';
import type { Chunking } from './blob.ts';

/**
 * The law:
 * - `list()` yields the children of a directory in strictly increasing order of the raw bytes of their names, and may be called once.
 *   It holds no more than the names of one directory in memory, so a directory of a million entries is fine.
 * - Metadata is read without following symbolic links and without changing access times where the kernel allows it.
 * - An entry that vanished or cannot be read is told to `warn` and left out; only a missing root throws (SOURCE_MISSING).
 */
export interface Source {
  /** Absolute paths for the record's `paths`, as restic writes them. */
  readonly paths: readonly string[];
  /** restic's `excludes`, for the record. */
  readonly excludes: readonly string[];
  /** Bytes and files to come as far as is known beforehand; 0 where it is not. */
  readonly estimate: { readonly bytes: number; readonly files: number };
  /** The root directory's children. */
  list(): AsyncIterable<Entry>;
  /** Called once all content was read; throws if what was read must not become a backup (SOURCE_COMMAND). */
  finish(): Promise<void>;
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
  | { readonly kind: 'stream'; readonly chunking: Chunking; open(): AsyncIterable<Uint8Array> };

export type { Warning } from '../model/warning.ts';

export type Warn = (warning: Warning) => void;
