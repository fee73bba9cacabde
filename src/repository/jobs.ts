// What the main thread asks of its workers. Descriptors and SharedArrayBuffers are the process's, so both sides can use them.

import type { Problem } from '../base/errors.ts';
import type { Xattr } from '../base/libc-xattr.ts';
import type { PaceSettings } from '../base/pace.ts';
import type { Chunking } from '../ports/blob.ts';
import type { SharedIndex } from './blob-index.ts';
import type { MasterKey } from './crypto.ts';
import type { BlobType } from './pack.ts';
import type { Compression } from './zstd.ts';

export interface WorkerSettings {
  readonly key: MasterKey;
  readonly polynomial: string;
  readonly index: SharedIndex;
  /** Word 0: packs that may still be handed over before one has to wait. Word 1: not 0 = everything stops. */
  readonly credits: SharedArrayBuffer;
  readonly packSize: number;
  readonly compression: Compression;
  /** Of the format: 1 knows no compression. */
  readonly version: number;
  /** How fast it may read; as fast as it can if left out. */
  readonly pace?: PaceSettings | undefined;
}

/** A stretch of a file to be read, cut and stored. */
export interface ReadItem {
  readonly path: Uint8Array;
  readonly offset: number;
  /** Bytes; with `toEnd` whatever the file has when it is opened. */
  readonly length: number;
  readonly toEnd: boolean;
  readonly chunking: Chunking;
  /** A regular file must still be this inode. */
  readonly inode?: bigint;
  readonly deviceId?: bigint;
}

/** What came of the items of a read job, each array by item; flat, because small files come by the hundred thousand. */
export interface ReadOutcomes {
  /** 32 bytes a block, all items one after the other. */
  readonly ids: Uint8Array;
  readonly blocks: Uint32Array;
  readonly bytes: Float64Array;
  /** mtime (ns) as it was when the reading began. */
  readonly mtimes: BigInt64Array;
  /** 1 where size or mtime changed meanwhile. */
  readonly changed: Uint8Array;
  /** Items that could not be read, with the reason. */
  readonly errors: readonly (readonly [item: number, reason: string])[];
  /** Counts of blocks that were new, their plain and their stored bytes. */
  readonly added: Added;
}

export interface Added {
  blobs: number;
  bytes: number;
  packed: number;
}

export interface BlobToLoad {
  readonly id: Uint8Array;
  readonly type: BlobType;
  /** Where its envelope lies in the buffer. */
  readonly offset: number;
  readonly length: number;
  readonly plainLength: number;
}

/** Blocks to be written, with the places where: flat, as there are many. */
export interface BlobsToFill {
  /** By block, 32 bytes each. */
  readonly ids: Uint8Array;
  /** By block: where its envelope lies in the buffer. */
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly plainLengths: Uint32Array;
  /** By block: the end of its stretch in `files` and `positions`; it begins where that of the block before ends. */
  readonly writeEnds: Uint32Array;
  /** By write: the number of the file, and where in it. */
  readonly files: Uint32Array;
  readonly positions: Float64Array;
}

/** Files of a fill job, each array by file; fill-files.ts makes and reads it. */
export interface FilesToFill {
  readonly flags: Uint8Array;
  /** The open file, or the directory in which to create it. */
  readonly fds: Int32Array;
  /** One after the other; empty where the file is open. */
  readonly names: Uint8Array;
  readonly nameEnds: Uint32Array;
  readonly sizes: Float64Array;
  /** uid, gid and mode. */
  readonly owners: Uint32Array;
  /** Seconds and nanoseconds of atime and mtime. */
  readonly times: Float64Array;
  /** Of files that have any. */
  readonly xattrs: readonly (readonly [file: number, attributes: readonly Xattr[]])[];
}

/** What came of the files of a fill job. */
export interface FillOutcomes {
  /** By file: bytes written. */
  readonly written: Float64Array;
  /** Metadata that could not be applied. */
  readonly warnings: readonly (readonly [file: number, details: readonly string[]])[];
  readonly errors: readonly (readonly [file: number, error: { readonly message: string; readonly code: string }])[];
}

export type Job =
  | { readonly type: 'read'; readonly items: readonly ReadItem[]; readonly mark: boolean }
  /** Stores blobs given as bytes, each in memory of its own that was transferred. */
  | { readonly type: 'store'; readonly blobType: BlobType; readonly blobs: readonly Uint8Array[]; readonly mark: boolean }
  /** Takes blobs as they are, in checked envelopes: trees too big for one piece. */
  | {
      readonly type: 'adopt';
      readonly blobType: BlobType;
      readonly envelopes: readonly { readonly id: Uint8Array; readonly parts: readonly Uint8Array[]; readonly plainLength: number }[];
    }
  /**
   * Moves blobs out of `bytes` into new packs. Each is opened first: what is damaged is answered, never carried over. Envelopes stay as they
   * are, but for trees that are not compressed.
   */
  | { readonly type: 'repack'; readonly bytes: Uint8Array; readonly blobs: readonly BlobToLoad[] }
  /** Ends the open packs. */
  | { readonly type: 'flush' }
  /** Opens blobs out of `bytes`; answers their plain bytes. */
  | { readonly type: 'open'; readonly bytes: Uint8Array; readonly blobs: readonly BlobToLoad[] }
  /** Opens blobs and writes them into files. */
  | { readonly type: 'fill'; readonly bytes: Uint8Array; readonly blobs: BlobsToFill; readonly files: FilesToFill }
  /** Opens every blob and answers only what is wrong. */
  | { readonly type: 'verify'; readonly bytes: Uint8Array; readonly pack: string; readonly blobs: readonly BlobToLoad[] };

export interface JobResults {
  read: ReadOutcomes;
  store: { readonly ids: readonly Uint8Array[]; readonly added: Added };
  adopt: { readonly added: Added };
  repack: { readonly added: Added; readonly damaged: readonly DamagedBlob[] };
  flush: Record<string, never>;
  open: { readonly plain: readonly Uint8Array[] };
  fill: { readonly outcomes: FillOutcomes; readonly bytes: number; readonly damaged: readonly DamagedBlob[] };
  verify: { readonly damaged: readonly DamagedBlob[]; readonly packHash: string };
}

export interface DamagedBlob {
  /** Which of the job's blobs. */
  readonly number: number;
  readonly detail: string;
}

/** A pack that a worker has finished: main names, uploads and indexes it. */
export interface FinishedPack {
  readonly type: 'pack';
  readonly bytes: ArrayBuffer;
  readonly length: number;
  /** SHA-256 of the bytes: the file's name. */
  readonly name: string;
  /** Entry numbers in the shared index, in the pack's order. */
  readonly entries: readonly number[];
  readonly offsets: readonly number[];
  readonly lengths: readonly number[];
  readonly plainLengths: readonly number[];
}

export type FromWorker =
  | FinishedPack
  | { readonly type: 'result'; readonly job: number; readonly result: JobResults[keyof JobResults] }
  | { readonly type: 'error'; readonly job: number; readonly problem: Problem };

export interface ToWorker {
  readonly job: number;
  readonly work: Job;
}
