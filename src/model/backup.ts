// What the user sees: a record of the repository with its name, kind and state.
import type { Consistency } from './consistency.ts';
import type { Retention } from './retention-rule.ts';
import type { LogMark } from './service.ts';

export type BackupState = 'available' | 'creating' | 'restoring' | 'deleting' | 'error';

export interface BackupSummary {
  readonly filesNew: number;
  readonly filesChanged: number;
  readonly filesUnmodified: number;
  readonly dirsNew: number;
  readonly dirsChanged: number;
  readonly dirsUnmodified: number;
  readonly dataBlobs: number;
  readonly treeBlobs: number;
  /** Plain bytes of new blocks. */
  readonly dataAdded: number;
  /** What they take in the vault. */
  readonly dataAddedPacked: number;
  readonly totalFiles: number;
  readonly totalBytes: number;
}

/** Our metadata, kept as tags of the record (`key=value`), so that a vault alone tells everything. */
export interface BackupTags {
  readonly plan?: string;
  readonly planName?: string;
  readonly name?: string;
  readonly kind?: 'manual' | 'auto';
  readonly source?: string;
  readonly method?: string;
  /** A backup of a log begins here … */
  readonly logFrom?: LogMark;
  /** … and ends here; of a database: where in its log the state lies that the backup holds. */
  readonly logUntil?: LogMark;
  readonly consistency?: Consistency;
  /** Why it is not more, where more was asked for. */
  readonly consistencyReason?: string;
  readonly full?: boolean;
  readonly warnings?: number;
  readonly description?: string;
  /** The rule that an automatic one was made under, and goes by. */
  readonly keep?: Retention;
}
