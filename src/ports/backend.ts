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
}

export type { ProbeReport, ProbeStep } from '../model/probe.ts';
