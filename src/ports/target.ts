// Where a restore writes.
import type { Node, NodeMeta } from '../model/node.ts';
import type { BlobId } from './blob.ts';

/** What a target may ask of the vault: the repository's reading half. */
export interface ContentReader {
  /** The entries of a tree in order; nothing is held but the current one. */
  tree(id: BlobId): AsyncIterable<Node>;
  /** The plain bytes of a file, in order. */
  stream(content: readonly BlobId[]): AsyncIterable<Buffer>;
  /** Bytes of a block, from the index (no reading). Throws REPO_BLOB_MISSING. */
  blobSize(id: BlobId): number;
  /**
   * Writes files: blocks are loaded pack by pack, in parallel, each at most once per batch. Consumes `files` as it goes (back-pressure).
   * A file that fails is told to `onDone` with its error; the others go on.
   */
  writeFiles(files: AsyncIterable<FileToWrite> | Iterable<FileToWrite>, onDone: (result: FileWritten) => void): Promise<void>;
}

/** A regular file or device to be filled. */
export interface FileToWrite {
  /** The caller's own handle for it; comes back in FileWritten. */
  readonly tag: unknown;
  readonly content: readonly BlobId[];
  /** Bytes; the sum of the blocks. */
  readonly size: number;
  readonly open: /** Create a new file (O_CREAT|O_EXCL|O_NOFOLLOW, mode 0600) called `name` in the directory open as `dirfd`; the writer closes it. */
    | { readonly kind: 'create'; readonly dirfd: number; readonly name: Buffer }
    /** Write into what is open already as `fd`, `base` bytes further; the caller closes it. */
    | { readonly kind: 'fd'; readonly fd: number; readonly base: number };
  /**
   * 'new': the target is known to hold only zeros (a new file): zero stretches are left as holes.
   * 'compare': what is there is read and only what differs is written; zero stretches are punched or written where not zero already.
   */
  readonly mode: 'new' | 'compare';
  /** Applied through the open descriptor after the last byte (owner, then mode, xattrs, times last); 'create' only. */
  readonly meta?: NodeMeta;
}

export interface FileWritten {
  readonly tag: unknown;
  /** Bytes really written to the target (holes and equal blocks do not count). */
  readonly written: number;
  /** Metadata that could not be applied, if any: not fatal. */
  readonly warnings: readonly string[];
  readonly error?: Error;
}

export type { Overwrite, RestoreCounts, RestoreStep } from '../model/restore.ts';
