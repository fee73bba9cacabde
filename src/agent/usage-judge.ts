// Alarms on what a running backup uses: a metric that stays above its rule's threshold for as long as the rule says.
import { type Level, levels, type Subject } from '../model/event.ts';
import type { AlarmRuleRow, Metric } from '../state/alarms.ts';
import { equals, oneOf } from '../state/table.ts';
import type { AgentContext } from './context.ts';

/** CPU in percent of one processor, memory in bytes, network in bytes a second; what could not be measured is left out. */
export type PlanUsage = Readonly<Partial<Record<Metric, number>>>;

export interface UsageJudge {
  /** What the plan's backup uses now; metrics that are left out are as they were. */
  judge(planId: string, usage: PlanUsage): void;
  /** Clears the alarms of all other plans: their backups have ended. */
  ended(running: ReadonlySet<string>): void;
}

export const metrics: readonly Metric[] = ['cpu', 'memory', 'network-in', 'network-out'];
const units: Readonly<Record<Metric, string>> = {
  cpu: '% of a processor',
  memory: 'bytes of memory',
  'network-in': 'bytes a second from the network',
  'network-out': 'bytes a second to the network',
};

/** METRIC_CPU, METRIC_MEMORY, METRIC_NETWORK_IN, METRIC_NETWORK_OUT. */
export const alarmTypeOf = (metric: Metric): string => `METRIC_${metric.toUpperCase().replaceAll('-', '_')}`;

export function createUsageJudge({ state, alarms, clock }: AgentContext): UsageJudge {
  /** Rule → since when (ms of `boottime`) its metric is above the threshold. */
  const above = new Map<string, number>();
  /** Plan → the level told for each metric. */
  const told = new Map<string, Map<Metric, Level>>();
  const subjectOf = (id: string): Subject => ({ kind: 'plan', id, name: state.plans.get(id)?.name ?? id });
  for (const subject of leftStanding()) told.set(subject.id, new Map([...metrics.map((metric) => [metric, 'info'] as const)]));

  /** An agent that ended with alarms standing knows nothing of the backups that they speak of. */
  function leftStanding(): readonly Subject[] {
    const standing = [oneOf('type', metrics.map(alarmTypeOf)), { sql: 'cleared_at IS NULL', values: {} }];
    return state.alarming.alarms.where(standing).map(({ subjectId, subjectName }) => ({ kind: 'plan', id: subjectId, name: subjectName }));
  }

  function isOver(rule: AlarmRuleRow, value: number): boolean {
    if (value <= rule.threshold) {
      above.delete(rule.id);
      return false;
    }
    const since = above.get(rule.id) ?? clock.boottime();
    above.set(rule.id, since);
    return clock.boottime() - since >= rule.seconds * 1000;
  }

  return {
    judge(planId, usage) {
      const rules = state.alarming.rules.where([equals('plan_id', planId)]);
      const standing = told.get(planId) ?? new Map<Metric, Level>();
      told.set(planId, standing);
      for (const metric of metrics) {
        const value = usage[metric];
        if (value === undefined) continue;
        const worst = rules.filter((rule) => rule.metric === metric && isOver(rule, value)).reduce(worse, undefined);
        const before = standing.get(metric);
        if (worst && (before === undefined || levels.indexOf(worst.level) > levels.indexOf(before))) {
          alarms.raise({ subject: subjectOf(planId), type: alarmTypeOf(metric), level: worst.level, content: contentOf(worst, value) });
          standing.set(metric, worst.level);
        } else if (!worst && before !== undefined) {
          alarms.clear(subjectOf(planId), alarmTypeOf(metric));
          standing.delete(metric);
        }
      }
    },
    ended(running) {
      for (const [planId, standing] of told) {
        if (running.has(planId)) continue;
        for (const metric of standing.keys()) alarms.clear(subjectOf(planId), alarmTypeOf(metric));
        for (const { id } of state.alarming.rules.where([equals('plan_id', planId)])) above.delete(id);
        told.delete(planId);
      }
    },
  };
}

const worse = (worst: AlarmRuleRow | undefined, rule: AlarmRuleRow): AlarmRuleRow =>
  worst && levels.indexOf(worst.level) >= levels.indexOf(rule.level) ? worst : rule;

const contentOf = ({ metric, threshold, seconds }: AlarmRuleRow, value: number): string =>
  `its backup uses ${Math.round(value)} ${units[metric]}, more than ${threshold} for ${seconds} s`;
