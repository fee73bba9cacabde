// What a restore is told and what it tells.

export type Overwrite = 'always' | 'if-changed' | 'never';

export interface RestoreCounts {
  files: number;
  dirs: number;
  others: number;
  /** Left as they were because of the overwrite choice or because they were equal. */
  skipped: number;
  deleted: number;
  bytesWritten: number;
  bytesTotal: number;
}

/** One line of a dry run. */
export interface RestoreStep {
  readonly action: 'create' | 'replace' | 'update' | 'keep' | 'delete' | 'write' | 'run';
  readonly path: string;
  readonly bytes: number;
}
