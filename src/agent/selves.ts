// Everything that the agent does without being asked, and how often.
import type { TaskRow } from '../state/tasks.ts';
import { agentItself } from './audit.ts';
import { createClockTrust } from './clock-trust.ts';
import type { AgentContext } from './context.ts';
import { createDeletions } from './deletions.ts';
import { createExpiry } from './expiry.ts';
import type { Selves } from './handlers.ts';
import { createPoolWatch } from './pool-watch.ts';
import type { Beat } from './pulse.ts';
import { createScheduleKeeper } from './schedule-keeper.ts';
import { createSourceWatch } from './source-watch.ts';
import type { TaskDesk } from './task-desk.ts';
import { tellTask } from './tell-task.ts';
import { createUsage } from './usage.ts';
import { createVaultCare } from './vault-care.ts';
import { watchAlarms } from './watch-alarms.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

export interface Own extends Selves {
  readonly beats: readonly Beat[];
  /** A task has ended, however it did. */
  ended(task: TaskRow): void;
}

export function createSelves(context: AgentContext, desk: TaskDesk): Own {
  const { state, clock, settings } = context;
  const trust = createClockTrust(context);
  const keeper = createScheduleKeeper(context, desk);
  const expiry = createExpiry(context, desk, trust);
  const deletions = createDeletions(context, desk, trust);
  const care = createVaultCare(context, desk);
  const sources = createSourceWatch(context);
  const pools = createPoolWatch(context, desk);
  const usage = createUsage(context, desk);
  return {
    keeper,
    expiry,
    deletions,
    beats: [
      { name: 'clock', every: minute, work: () => trust.tick() },
      { name: 'schedule', every: 15 * second, work: () => keeper.tick() },
      { name: 'pools', every: 15 * second, work: () => pools.tick(clock.now()) },
      { name: 'usage', every: 15 * second, work: () => usage.tick(clock.now()) },
      { name: 'sources', every: minute, work: () => sources.tick() },
      { name: 'deletions', every: minute, work: () => deletions.sweep() },
      { name: 'retention', every: hour, work: () => expiry.expireAll() },
      // A jump ahead would age the history.
      { name: 'samples', every: hour, work: () => trust.doubt() === null && state.samples.thin(clock.now()) },
      { name: 'alarms', every: minute, work: () => watchAlarms(context) },
      { name: 'alerts', every: 5 * second, work: () => context.alarms.deliver() },
      {
        name: 'told',
        every: hour,
        work() {
          if (trust.doubt() !== null) return;
          context.events.tidy(clock.now());
          context.alarms.tidy(clock.now());
          context.audit.expire(settings.keepAuditDays);
        },
      },
      { name: 'care', every: minute, work: () => care.tick() },
    ],
    ended(task) {
      try {
        follow(task);
      } catch (error) {
        // The task has ended and is written down; what follows from it must not make it end again.
        context.log.error({ err: error, task: task.id }, 'what follows from the end of a task failed');
      }
    },
  };

  function follow(task: TaskRow): void {
    tellTask(context, task);
    keeper.ended(task);
    care.ended(task);
    if (task.type !== 'backup' || !task.planId || (task.state !== 'done' && task.state !== 'warnings')) return;
    // One that began before source or vault changed may have been no full one.
    if ((task.request as { readonly full?: boolean }).full) state.plans.update(task.planId, { renew: false });
    const resource = { resourceType: 'backup', resourceId: task.backupId ?? '', resourceName: task.name };
    context.audit.record({ ...agentItself, trace: 'createBackup', ...resource, result: 'ok' });
    expiry.expire(task.planId);
  }
}
