// Where the files of one repository live.

/** The kinds of files in a restic repository; `config` has the fixed name `config`. */
export type FileKind = 'config' | 'keys' | 'locks' | 'snapshots' | 'index' | 'data';

export interface StoredFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * The law:
 * - `save` is atomic and durable: when it resolves the file survives a power cut, when it rejects (or the process dies) no other reader
 *   ever sees a part of it. Saving a name that exists already replaces it with the same guarantee.
 * - `load` returns exactly the bytes asked for, or throws BACKEND_NOT_FOUND or BACKEND_SHORT.
 * - `list` yields each file once, whole names only (never temporary files), in any order. A missing directory is an empty list.
 * - `remove` of a missing file is no error.
 * - Passing trouble (503, a dropped connection) is retried inside the adapter's wrapper; what comes out is final:
 *   POOL_OFFLINE, POOL_CREDENTIALS, POOL_NO_RIGHT, POOL_FULL, BACKEND_FAILED.
 * - Every method may be called concurrently.
 */
export interface Backend {
  /** The very string that `restic -r` takes. */
  readonly location: string;
  /** How many operations at a time pay off. */
  readonly connections: number;
  save(kind: FileKind, name: string, bytes: Uint8Array): Promise<void>;
  load(kind: FileKind, name: string, range?: { readonly offset: number; readonly length: number }): Promise<Buffer>;
  stat(kind: FileKind, name: string): Promise<StoredFile>;
  list(kind: FileKind): AsyncIterable<StoredFile>;
  remove(kind: FileKind, name: string): Promise<void>;
  close(): Promise<void>;
  /** When the file was saved (ms since the epoch), by the clock of the store. Throws as `stat`. */
  dateOf?(kind: FileKind, name: string): Promise<number>;
  /** Where the store locks what is saved (S3 Object Lock); everything but `locks` is saved locked then. */
  readonly locking?: Locking;
}

/**
 * Locks that nobody can take away before their time. Times are ms since the epoch by the store's clock. `remove` of a locked file throws
 * VAULT_IMMUTABLE.
 */
export interface Locking {
  /**
   * From now on each file of the kind that is `wanted` stays locked for the whole period at least. Answers how many locks were extended and
   * the names of files that somebody has overwritten or deleted: their first versions are locked, but a reader gets something else.
   */
  extend(kind: FileKind, wanted: (name: string) => boolean, signal: AbortSignal): Promise<Extended>;
  /** Until when nobody can remove the file; 0 if it can be removed now. */
  lockedUntil(kind: FileKind, name: string): Promise<number>;
  /** As `remove`, but what is locked is only hidden: readers do not see it any more. */
  hide(kind: FileKind, name: string): Promise<void>;
  /** Removes what is hidden and locked no longer. Returns how many versions went. */
  sweep(signal: AbortSignal): Promise<number>;
}

export interface Extended {
  readonly extended: number;
  readonly hurt: readonly string[];
}

export type { ProbeReport, ProbeStep } from '../model/probe.ts';
