// What running backups and the vaults use, measured as time goes by: samples for the plots, alarms where a rule says so.
import { createProcessLook, type ProcessLook, type ProcessUsage } from '../host/usage.ts';
import type { Metric } from '../state/alarms.ts';
import { equals } from '../state/table.ts';
import type { TaskRow } from '../state/tasks.ts';
import type { AgentContext } from './context.ts';
import type { LiveUsage } from './live-task.ts';
import type { TaskDesk } from './task-desk.ts';
import { createUsageJudge, type PlanUsage } from './usage-judge.ts';

export interface Usage {
  /** To be called every 15 s with the time (ms since the epoch); looks at no process while nothing runs. Never rejects. */
  tick(now: number): Promise<void>;
  /** Of a plan that runs now, as last measured. */
  latest(planId: string): PlanUsage | undefined;
}

export const vaultPeriodMs = 15 * 60_000;
const gigabyte = 2 ** 30;
/** What a look costs, times this, is how long there is none: on a host with thousands of processes a look is dear. */
const patience = 30;

export function createUsage(context: AgentContext, desk: Pick<TaskDesk, 'live'>, processes: ProcessLook = createProcessLook()): Usage {
  const { state, clock, log } = context;
  const judge = createUsageJudge(context);
  const latest = new Map<string, PlanUsage>();
  const meters = new Map<string, Meter>();
  let period = Number.NaN;
  let busy = false;
  let looked = false;
  let complained = false;
  let notBefore = Number.NEGATIVE_INFINITY;

  function measureVaults(now: number): void {
    const current = Math.floor(now / vaultPeriodMs);
    if (current === period) return;
    state.transaction(() => {
      for (const { id, usedBytes, capacityGb } of state.vaults.where([])) {
        state.samples.add(`vault:${id}`, 'used_vault_size', now, usedBytes / gigabyte);
        state.samples.add(`vault:${id}`, 'vault_util', now, vaultUtil(usedBytes, capacityGb));
      }
    });
    period = current;
  }

  async function measurePlans(now: number): Promise<void> {
    const running = runningBackups(context, desk);
    for (const planId of latest.keys()) if (!running.some(({ task }) => task.planId === planId)) latest.delete(planId);
    for (const taskId of meters.keys()) if (!running.some(({ task }) => task.id === taskId)) meters.delete(taskId);
    judge.ended(new Set(running.map(({ planId }) => planId)));
    if (running.length === 0) {
      notBefore = Number.NEGATIVE_INFINITY;
      if (looked) processes.rest();
      looked = false;
      complained = false;
      return;
    }
    const found = await look(running.map(({ live }) => live.pid));
    state.transaction(() => {
      for (const { task, planId, live } of running) {
        const meter = meters.get(task.id) ?? createMeter(live);
        meters.set(task.id, meter);
        const process = found.get(live.pid);
        const usage = measured({ cpu: process?.cpuPercent, memory: process?.memoryBytes, ...meter(live) });
        latest.set(planId, { ...latest.get(planId), ...usage });
        for (const [metric, value] of Object.entries(usage)) state.samples.add(`plan:${planId}`, metric, now, value);
        judge.judge(planId, usage);
      }
    });
  }

  /** Empty while it is not worth its price, or the host tells nothing: what the tasks tell of themselves is measured all the same. */
  async function look(pids: readonly number[]): Promise<ReadonlyMap<number, ProcessUsage>> {
    const begun = clock.boottime();
    if (begun < notBefore) return new Map();
    try {
      looked = true;
      return await processes.look(pids);
    } catch (error) {
      if (!complained) log.warn({ err: error }, 'the processes of this host could not be looked at');
      complained = true;
      return new Map();
    } finally {
      const end = clock.boottime();
      notBefore = end + (end - begun) * patience;
    }
  }

  return {
    async tick(now) {
      if (busy) return;
      busy = true;
      try {
        measureVaults(now);
        await measurePlans(now);
      } catch (error) {
        log.warn({ err: error }, 'what the backups use could not be measured');
      } finally {
        busy = false;
      }
    },
    latest: (planId) => latest.get(planId),
  };
}

/** Percent; the guide knows none above 100. */
export const vaultUtil = (usedBytes: number, capacityGb: number): number => Math.min(100, (usedBytes / (capacityGb * gigabyte)) * 100);

/** The guide shows no monitoring data for snapshot plans (34.18). */
export const isMeasured = (plan: { readonly method: string }): boolean => plan.method !== 'snapshot';

interface Running {
  readonly task: TaskRow;
  readonly planId: string;
  readonly live: LiveUsage;
}

function runningBackups({ state }: AgentContext, desk: Pick<TaskDesk, 'live'>): readonly Running[] {
  return state.tasks.where([equals('state', 'running'), equals('type', 'backup')]).flatMap((task) => {
    const plan = task.planId === null ? undefined : state.plans.get(task.planId);
    const live = desk.live(task.id)?.usage;
    return plan && live && isMeasured(plan) ? [{ task, planId: plan.id, live }] : [];
  });
}

type Meter = (live: LiveUsage) => Readonly<Record<'network-in' | 'network-out', number | undefined>>;

/** Bytes a second between what the task told last time and what it tells now; undefined until it tells something new. */
function createMeter({ since }: LiveUsage): Meter {
  let last = { at: since, received: 0, sent: 0 };
  return (live) => {
    const seconds = (live.at - last.at) / 1000;
    if (seconds <= 0) return { 'network-in': undefined, 'network-out': undefined };
    const rates = { 'network-in': (live.received - last.received) / seconds, 'network-out': (live.sent - last.sent) / seconds };
    last = live;
    return rates;
  };
}

const measured = (values: Readonly<Record<Metric, number | undefined>>): PlanUsage =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
