// What was asked for, as it is kept with a task: no secrets, nothing that may have changed until the task starts.
import type { BackupTags } from '../model/backup.ts';
import type { RestoreTarget } from '../model/task.ts';

export type TaskRequest =
  | { readonly type: 'backup'; readonly tags: BackupTags; readonly full: boolean }
  | {
      readonly type: 'restore';
      readonly record: string;
      readonly target: RestoreTarget;
      readonly dryRun: boolean /** Sealed. */;
      readonly secret?: string;
    }
  | { readonly type: 'check'; readonly readData: boolean | string }
  | { readonly type: 'prune'; readonly dryRun: boolean; readonly maxUnusedPercent: number }
  /** `expire`: because their time is over, not because somebody asked for it. */
  | { readonly type: 'forget'; readonly records: readonly string[]; readonly expire?: boolean }
  | { readonly type: 'vault-scan' }
  | { readonly type: 'vault-unlock'; readonly ownLocks: readonly string[]; readonly all: boolean }
  | { readonly type: 'vault-delete' }
  /** A question that somebody waits for: its spec lives in memory only and is not asked again after a restart. */
  | { readonly type: 'attended' };
