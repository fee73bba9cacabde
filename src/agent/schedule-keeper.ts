// Starts plans when they are due, writes down what became of each start, and tries again what failed for a passing reason.
import { asStillpointError, failure, type Problem } from '../base/errors.ts';
import { type Account, accountFor, retryDelay, type Scheduled } from '../engine/scheduler.ts';
import type { Plan } from '../model/plan.ts';
import type { Effective } from '../model/policy.ts';
import { nextStart, windowEnd } from '../model/starts.ts';
import type { StartRow } from '../state/starts.ts';
import { newId } from '../state/state.ts';
import { atMost, equals, oneOf } from '../state/table.ts';
import type { TaskRow } from '../state/tasks.ts';
import { agentItself } from './audit.ts';
import type { AgentContext } from './context.ts';
import { ruleOf } from './plan-view.ts';
import { spreadOf } from './spread.ts';
import { startBackup } from './start-backup.ts';
import type { TaskDesk } from './task-desk.ts';

export interface ScheduleKeeper {
  /** Looks what is due. Cheap while nothing is. */
  tick(): void;
  /** A backup has ended: tried again later if that may help. */
  ended(task: TaskRow): void;
  /** Its rule is another one now: starts before this moment are not made up under the new one. */
  rearm(planIds: readonly string[]): void;
}

/** A plan's next start, as long as nothing about the plan changed. */
interface Next {
  readonly of: string;
  readonly at: number;
}

export function createScheduleKeeper(context: AgentContext, desk: TaskDesk): ScheduleKeeper {
  const { state, clock, events, alarms, audit } = context;
  const upcoming = new Map<string, Next>();

  const subject = (plan: Plan) => ({ kind: 'plan', id: plan.id, name: plan.name }) as const;

  function visit(plan: Plan, now: number): void {
    const effective = plan.associated ? ruleOf(state, plan) : null;
    if (!effective?.enabled) return;
    const spread = spreadOf(plan);
    const of = `${plan.updatedAt} ${effective.policy?.updatedAt} ${effective.policy?.id} ${plan.accountedUntil}`;
    let next = upcoming.get(plan.id);
    if (next?.of !== of) {
      next = { of, at: (nextStart(effective.rule.schedule, plan.accountedUntil - spread) ?? Number.POSITIVE_INFINITY) + spread };
      upcoming.set(plan.id, next);
    }
    if (now >= next.at || now < plan.accountedUntil) settle(plan, effective, now);
  }

  function settle(plan: Plan, { rule }: Effective, now: number): void {
    const running = state.tasks.where([equals('plan_id', plan.id), equals('type', 'backup'), oneOf('state', ['queued', 'running'])])[0];
    const scheduled: Scheduled = {
      schedule: rule.schedule,
      spread: spreadOf(plan),
      window: plan.window,
      missed: plan.missed,
      accountedUntil: plan.accountedUntil,
      held: heldBy(plan),
      runningSince: running?.createdAt ?? null,
    };
    const { accounts, accountedUntil, untold } = accountFor(scheduled, now);
    if (accountedUntil === plan.accountedUntil) return;
    state.transaction(() => {
      state.plans.update(plan.id, { accountedUntil });
      for (const account of accounts) take(plan, account, now);
    });
    if (untold > 0)
      events.note({
        subject: subject(plan),
        type: 'STARTS_SKIPPED',
        level: 'minor',
        content: `${untold} starts fell into a time when the agent was off`,
      });
  }

  function heldBy(plan: Plan): string | null {
    if (plan.pause) return `paused: ${plan.pause.reason}`;
    const vault = state.vaults.get(plan.vaultId);
    const pool = vault && state.pools.get(vault.poolId);
    return pool?.state === 'offline' ? `the pool ${pool.name} is offline: ${pool.stateDetail}` : null;
  }

  function take(plan: Plan, { due, outcome, reason }: Account, now: number): void {
    const row = { id: newId(), planId: plan.id, due, attempt: 1, retryAt: null, at: now };
    if (outcome === 'skipped') {
      skip(plan, { ...row, outcome, reason, taskId: null });
      return;
    }
    try {
      const task = startBackup(context, desk, plan, { kind: 'auto' });
      state.starts.insert({ ...row, outcome, reason, taskId: task.id });
      const resource = { resourceType: 'vault', resourceId: plan.vaultId, resourceName: state.vaults.get(plan.vaultId)?.name ?? '' };
      audit.record({ ...agentItself, trace: 'createVaultBackup', ...resource, result: 'ok', detail: `plan ${plan.name}` });
    } catch (error) {
      const { message } = asStillpointError(error);
      skip(plan, { ...row, outcome: 'skipped', reason: message, taskId: null });
      alarms.raise({
        subject: subject(plan),
        type: 'BACKUP_MISSED',
        level: 'major',
        content: `the scheduled backup could not start: ${message}`,
      });
    }
  }

  function skip(plan: Plan, row: StartRow): void {
    state.starts.insert(row);
    events.note({ subject: subject(plan), type: 'START_SKIPPED', level: 'minor', content: `a scheduled start was skipped: ${row.reason}` });
  }

  /** What runs, or still waits, beyond the end of its window is ended; what it has stored serves the next run. */
  function endWindows(now: number): void {
    for (const task of state.tasks.where([equals('type', 'backup'), oneOf('state', ['queued', 'running'])])) {
      const plan = task.planId ? state.plans.get(task.planId) : undefined;
      const end = plan?.window ? windowEnd(plan.window, task.createdAt) : null;
      if (plan && end !== null && now >= end) desk.cancel(task.id, windowEnded(plan));
    }
  }

  function retry(start: StartRow, now: number): void {
    const plan = state.plans.get(start.planId);
    if (!plan) return;
    const why = uselessRetry(plan, start, now);
    const wait = why === null ? waitFor(plan) : 0;
    state.starts.update(start.id, { retryAt: wait > 0 ? now + wait : null });
    if (why !== null) note(plan, 'RETRY_SKIPPED', `a failed backup is not tried again: ${why}`);
    if (why !== null || wait > 0) return;
    try {
      const task = startBackup(context, desk, plan, { kind: 'auto' });
      state.starts.update(start.id, { taskId: task.id, attempt: start.attempt + 1 });
    } catch (error) {
      note(plan, 'RETRY_SKIPPED', `a failed backup could not be tried again: ${asStillpointError(error).message}`);
    }
  }

  /** Milliseconds until what holds the plan may have passed by itself; 0 if nothing does. */
  function waitFor(plan: Plan): number {
    const vault = state.vaults.get(plan.vaultId);
    const offline = vault && state.pools.get(vault.poolId)?.state === 'offline';
    return offline || plan.pause?.by === 'source' ? 60_000 : 0;
  }

  /** Why the same run need not, or must not, come again; null if it should. */
  function uselessRetry(plan: Plan, start: StartRow, now: number): string | null {
    if (!plan.associated || !ruleOf(state, plan)?.enabled) return 'no rule starts the plan any more';
    if (plan.pause?.by === 'operator') return `paused: ${plan.pause.reason}`;
    if (plan.window && windowEnd(plan.window, now) === null) return `outside of its window ${plan.window.from}-${plan.window.to}`;
    const ofPlan = equals('plan_id', plan.id);
    if (state.starts.count([ofPlan, { sql: 'due > :due', values: { due: start.due } }]) > 0) return 'a later start stands for it';
    if (state.tasks.count([ofPlan, equals('type', 'backup'), oneOf('state', ['queued', 'running'])]) > 0)
      return 'another run is on its way';
    return (state.backups.lastGood(plan.id)?.time ?? 0) > start.at ? 'a backup has succeeded since' : null;
  }

  /** One plan that cannot be looked at (a time zone that the host lost) must not keep the others from starting. */
  function guarded(plan: Plan, work: () => void): void {
    try {
      work();
      alarms.clear(subject(plan), 'SCHEDULE_BROKEN');
    } catch (error) {
      const content = `its schedule cannot be followed: ${asStillpointError(error).message}`;
      alarms.raise({ subject: subject(plan), type: 'SCHEDULE_BROKEN', level: 'major', content });
      context.log.error({ err: error, plan: plan.name }, 'a schedule could not be followed');
    }
  }

  const note = (plan: Plan, type: string, content: string) => events.note({ subject: subject(plan), type, level: 'minor', content });

  return {
    tick() {
      const now = clock.now();
      for (const plan of state.plans.where([])) guarded(plan, () => visit(plan, now));
      for (const start of state.starts.where([atMost('retry_at', now)])) state.transaction(() => retry(start, now));
      endWindows(now);
    },
    ended(task) {
      const plan = task.planId ? state.plans.get(task.planId) : undefined;
      if (task.type !== 'backup' || !plan) return;
      if (task.state === 'done' || task.state === 'warnings') alarms.clear(subject(plan), 'BACKUP_MISSED');
      const start = state.starts.where([equals('plan_id', plan.id), equals('task_id', task.id)])[0];
      if (!start || !mayHelp(task) || start.attempt > plan.retries) return;
      state.starts.update(start.id, { retryAt: clock.now() + retryDelay(start.attempt) });
    },
    rearm(planIds) {
      const accountedUntil = clock.now();
      for (const id of planIds) state.plans.update(id, { accountedUntil });
    },
  };
}

/** Whether the same run may succeed later. */
function mayHelp({ state, problem }: TaskRow): boolean {
  return state === 'died' || (state === 'failed' && problem !== null && problem.retry !== 'never');
}

function windowEnded({ name, window }: Plan): Problem {
  return failure('WINDOW_ENDED', { plan: name, end: window?.to ?? '' }).toProblem();
}
