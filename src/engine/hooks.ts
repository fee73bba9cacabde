// The commands around a backup. Once the first of `before` may have begun, `after` runs, however the backup ends: what was stopped for it is
// started again. `failure` runs in addition where the backup failed.
import { asStillpointError } from '../base/errors.ts';
import type { HookFacts, HookResult } from '../model/hooks.ts';
import type { Hooks } from '../model/plan.ts';
import type { TaskResult, TaskSpec } from '../model/task.ts';
import type { Warn } from '../ports/source.ts';

/** Commands that wait for a backup to begin and to end. */
export interface HookRun {
  /** Those before, in order, to the first that fails. Throws HOOK_FAILED, NOT_ALLOWED and the signal's reason. */
  before(signal: AbortSignal): Promise<void>;
  /** Those after it, and those after a failure, each to its end or its time limit. Never rejects: what fails is warned about. */
  after(result: HookResult, code: string, warn: Warn): Promise<void>;
}

export type StartHooks = (hooks: Hooks, facts: HookFacts) => HookRun;

type BackupSpec = Extract<TaskSpec, { type: 'backup' }>;

export interface HookDeps {
  readonly signal: AbortSignal;
  readonly warn: Warn;
  readonly startHooks: StartHooks;
}

/** `work` with the plan's commands around it. Throws HOOK_FAILED, NOT_ALLOWED and what `work` throws. */
export async function withHooks({ hooks, tags }: BackupSpec, deps: HookDeps, work: () => Promise<TaskResult>): Promise<TaskResult> {
  if (!hooks || Object.values(hooks).every((names) => names.length === 0)) return work();
  const run = deps.startHooks(hooks, { plan: tags.planName ?? '', backup: tags.name ?? '' });
  let warnings = 0;
  const warn: Warn = (warning) => {
    warnings++;
    deps.warn(warning);
  };
  let result: TaskResult;
  try {
    await run.before(deps.signal);
    result = await work();
  } catch (error) {
    await run.after(deps.signal.aborted ? 'cancelled' : 'failed', asStillpointError(error).code, warn);
    throw error;
  }
  await run.after('ok', '', warn);
  return { ...result, warnings: result.warnings + warnings };
}
