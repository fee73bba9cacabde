// What a task asks of the process that runs a plan's commands (rdtask hooks), and what that answers: JSON, one object a line, orders on
// descriptor 3, events on descriptor 4. `before` once, then `after` once. If the pipe ends without `after`, the task has died: the commands
// for after a failure run all the same, so that what was stopped is started again.
import type { Problem } from '../base/errors.ts';
import type { Hooks } from './plan.ts';
import type { Warning } from './warning.ts';

/** What the commands are told in their environment: STILLPOINT_PLAN (its name) and STILLPOINT_BACKUP (the backup's name). */
export interface HookFacts {
  readonly plan: string;
  readonly backup: string;
}

/** STILLPOINT_RESULT. */
export type HookResult = 'ok' | 'failed' | 'cancelled';

export type HookOrder =
  | { readonly ask: 'before'; readonly hooks: Hooks; readonly facts: HookFacts }
  /** `code`: STILLPOINT_CODE, that of the error; empty for none. */
  | { readonly ask: 'after'; readonly result: HookResult; readonly code: string };

export type HookEvent =
  /** A command after the backup failed. */
  | { readonly type: 'warning'; readonly warning: Warning }
  | { readonly type: 'problem'; readonly problem: Problem }
  | { readonly type: 'done' };
