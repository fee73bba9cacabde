// Bringing a backup back: one implementation a kind of target.
import type { BackupTags } from '../model/backup.ts';
import type { Instance } from '../model/service.ts';
import type { Warn } from './source.ts';
import type { ContentReader, RestoreCounts, RestoreStep } from './target.ts';

export interface RestorableBackup {
  readonly record: string;
  /** Tree id of the record's root. */
  readonly root: string;
  readonly paths: readonly string[];
  readonly totalFiles: number;
  readonly totalBytes: number;
  readonly tags: BackupTags;
}

export interface RestoreRun {
  readonly backup: RestorableBackup;
  readonly reader: ContentReader;
  /** Another backup of the vault. Throws REPO_… or BACKEND_NOT_FOUND. */
  readonly other: (record: string) => Promise<RestorableBackup>;
  readonly warn: Warn;
  readonly signal: AbortSignal;
  /** Files done so far and the one being worked on; bytes are counted by the reader. */
  readonly onFile: (files: number, current: string) => void;
}

/**
 * The law: `plan` writes nothing and says all that `run` would do; what `plan` refuses `run` refuses before it has touched anything.
 * A run that is interrupted leaves its target marked as incomplete and can be run again.
 */
export interface Restorer {
  plan(run: RestoreRun): AsyncIterable<RestoreStep>;
  run(run: RestoreRun): Promise<RestoreCounts & { readonly instance?: Instance }>;
}
