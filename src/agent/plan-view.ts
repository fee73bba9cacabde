// A plan as the RPC shows it: with the rule that it runs by, when it starts next, and how it fares.
import type { Plan as PlanRow } from '../model/plan.ts';
import { type Effective, effectiveRule } from '../model/policy.ts';
import { retentionText } from '../model/retention-rule.ts';
import { nextStart, scheduleText } from '../model/starts.ts';
import type { Plan } from '../rpc/schemas.ts';
import type { State } from '../state/state.ts';
import { equals } from '../state/table.ts';
import type { TaskRow } from '../state/tasks.ts';
import { spreadOf } from './spread.ts';

export function planView(state: State, row: PlanRow): Plan {
  const { secret: _secret, heartbeat, timing, associated: _associated, renew: _renew, accountedUntil: _until, ...rest } = row;
  const vault = state.vaults.get(row.vaultId);
  const effective = ruleOf(state, row);
  const last = state.tasks.where([equals('plan_id', row.id), equals('type', 'backup')], 'created_at DESC, rowid DESC', 1)[0];
  return {
    ...rest,
    ...planState(state, row, last),
    source: structuredClone(row.source) as Plan['source'],
    window: row.window && { ...row.window },
    hooks: { before: [...row.hooks.before], after: [...row.hooks.after], failure: [...row.hooks.failure] },
    vaultName: vault?.name ?? '',
    poolName: (vault && state.pools.get(vault.poolId)?.name) ?? '',
    base: 'base' in row.source && row.source.base ? (state.plans.get(row.source.base)?.name ?? null) : null,
    strategy: effective ? 'scheduled' : 'manual',
    timing: timing.kind,
    policyName: effective?.policy?.name ?? null,
    rule: effective && (structuredClone(effective.rule) as Plan['rule']),
    ruleText: effective ? possibly(() => ruleText(effective), 'a rule that cannot be read') : 'when told to',
    next: effective?.enabled && row.associated && !row.pause ? possibly(() => nextOf(row, effective), null) : null,
    hasHeartbeat: heartbeat !== null,
    backups: state.backups.count([equals('plan_id', row.id)]),
    lastTask: last ? { id: last.id, state: last.state, endedAt: last.endedAt } : null,
    lastGoodAt: state.backups.lastGood(row.id)?.time ?? null,
  };
}

/** A time zone that the host lost must not hide the plan. */
function possibly<T>(work: () => T, otherwise: T): T {
  try {
    return work();
  } catch {
    return otherwise;
  }
}

/** The rule that a plan runs by; null if only when told to. */
export function ruleOf(state: State, plan: PlanRow): Effective | null {
  return effectiveRule(plan.timing, state.vaults.get(plan.vaultId)?.policyId ?? null, (id) => state.policies.get(id));
}

export function ruleText({ rule, enabled, policy }: Effective): string {
  const full = rule.fullEveryDays === null ? '' : `; a full one every ${rule.fullEveryDays} days`;
  const from = policy ? ` (policy ${policy.name}${enabled ? '' : ', disabled'})` : '';
  return `${scheduleText(rule.schedule)}, kept: ${retentionText(rule.retention)}${full}${from}`;
}

/** One that is due and not accounted for yet counts as next. */
function nextOf(plan: PlanRow, { rule }: Effective): number | null {
  const start = nextStart(rule.schedule, plan.accountedUntil - spreadOf(plan));
  return start === null ? null : start + spreadOf(plan);
}

function planState(state: State, plan: PlanRow, last: TaskRow | undefined): Pick<Plan, 'state' | 'stateDetail'> {
  const vault = state.vaults.get(plan.vaultId);
  const pool = vault && state.pools.get(vault.poolId);
  if (!plan.associated) return { state: 'dissociated', stateDetail: 'it belongs to no vault' };
  if (pool?.state === 'offline') return { state: 'unavailable', stateDetail: `the pool ${pool.name} is offline: ${pool.stateDetail}` };
  if (plan.pause) return { state: 'paused', stateDetail: plan.pause.reason };
  if (last?.problem && last.state !== 'cancelled') return { state: 'failed', stateDetail: last.problem.detail };
  return { state: 'available', stateDetail: '' };
}
