// What every part of the repository works with once it is open.
import type { Clock } from '../base/clock.ts';
import type { Backend } from '../ports/backend.ts';
import type { BlobIndex } from './blob-index.ts';
import type { Cipher, MasterKey } from './crypto.ts';
import type { PackTable } from './index-file.ts';
import type { LockKeeper } from './lock.ts';
import type { RepoConfig } from './repo-config.ts';
import type { Compression } from './zstd.ts';

export interface RepositoryOptions {
  readonly clock: Clock;
  readonly keeper: LockKeeper;
  readonly sleep: (ms: number) => Promise<void>;
  readonly compression: Compression;
  /** Worker threads. */
  readonly workers: number;
  /** A pack is closed once it has this many bytes. restic's own default is 16 MiB and nothing on the reading side cares. */
  readonly packSize: number;
  /** An index file is written after so many new blobs or so many milliseconds, whichever comes first: what a killed run keeps. */
  readonly flushBlobs: number;
  readonly flushEvery: number;
}

export interface OpenState {
  readonly backend: Backend;
  readonly options: RepositoryOptions;
  readonly config: RepoConfig;
  readonly master: MasterKey;
  readonly keyId: string;
  readonly cipher: Cipher;
  /** Filled by loadIndex. */
  index: BlobIndex;
  packs: PackTable;
}
