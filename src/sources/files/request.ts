// What one restore of files has to go by.
import type { RestoreTarget } from '../../model/task.ts';
import type { RestoreRun } from '../../ports/restorer.ts';
import type { Selection } from './selection.ts';

export type FilesTarget = Extract<RestoreTarget, { kind: 'files' }>;

export interface FilesRun extends RestoreRun {
  /** `path` is absolute and normalized. */
  readonly target: FilesTarget;
  readonly selection: Selection;
  /** Absolute paths that are never deleted, nor anything above or below them: the vault, the agent's own files. */
  readonly guard: readonly string[];
}
