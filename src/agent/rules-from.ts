// From the words of a request to the rules that the agent keeps: schedules, retention, timing, windows. All inputs are checked here.
import { fail } from '../base/errors.ts';
import type { Plan } from '../model/plan.ts';
import type { PolicyRule, Timing } from '../model/policy.ts';
import { type Retention, retentionFrom } from '../model/retention-rule.ts';
import type { Schedule, Window } from '../model/schedule.ts';
import { scheduleFrom, windowFrom } from '../model/starts.ts';
import type { PlanUpdate, RetentionInput, ScheduleInput } from '../rpc/schemas.ts';
import type { AgentContext } from './context.ts';

export const hostZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Throws SCHEDULE_INVALID or TIME_ZONE_UNKNOWN. */
export const scheduleOf = (input: ScheduleInput, now: number): Schedule => scheduleFrom(input, now, hostZone());

/** Throws RETENTION_INVALID. Kept for ever where nothing was said: what nobody asked to remove stays. */
export const retentionRule = (input: RetentionInput | undefined): Retention =>
  input === undefined ? { kind: 'permanent' } : retentionFrom(input);

export interface RuleWords {
  readonly schedule?: ScheduleInput;
  readonly retention?: RetentionInput;
  readonly fullEveryDays?: number | null;
}

/** What is not named stays as it was. Throws USAGE where a new rule has no schedule. */
export function ruleFrom(words: RuleWords, now: number, before?: PolicyRule): PolicyRule {
  const { schedule, retention, fullEveryDays } = words;
  if (schedule === undefined && before === undefined) fail('USAGE', { detail: 'schedule is missing' });
  return {
    schedule: schedule === undefined ? before!.schedule : scheduleOf(schedule, now),
    retention: retention === undefined && before ? before.retention : retentionRule(retention),
    fullEveryDays: fullEveryDays === undefined ? (before?.fullEveryDays ?? null) : fullEveryDays,
  };
}

type TimingWords = Pick<PlanUpdate, 'strategy' | 'policy' | 'schedule' | 'retention' | 'fullEveryDays'>;

/** Throws USAGE for words that do not go together, NOT_FOUND for a policy. */
export function timingFrom({ state, clock }: AgentContext, words: TimingWords, before: Timing): Timing {
  const { strategy, policy, schedule, retention, fullEveryDays } = words;
  const ownWords = schedule !== undefined || retention !== undefined || fullEveryDays !== undefined;
  if (policy !== undefined && ownWords) fail('USAGE', { detail: 'a plan has a policy or a timer and retention of its own, not both' });
  if (strategy === 'manual') {
    if (policy !== undefined || ownWords) fail('USAGE', { detail: 'a manual plan has neither timer nor retention nor policy' });
    return { kind: 'manual' };
  }
  if (strategy === 'vault') {
    if (policy !== undefined || ownWords)
      fail('USAGE', { detail: 'a plan that goes by its vault has neither timer nor retention nor policy of its own' });
    return { kind: 'vault' };
  }
  if (policy !== undefined) return { kind: 'policy', policyId: state.policies.find(policy).id };
  if (ownWords)
    return { kind: 'own', rule: ruleFrom({ ...words } as RuleWords, clock.now(), before.kind === 'own' ? before.rule : undefined) };
  // Back to what its vault says.
  if (strategy === 'scheduled' && before.kind === 'manual') return { kind: 'vault' };
  return before;
}

/** Throws WINDOW_INVALID or TIME_ZONE_UNKNOWN. */
export function windowOf(input: PlanUpdate['window'], before: Window | null): Window | null {
  if (input === undefined) return before;
  return input === null ? null : windowFrom(input, hostZone());
}

/** Sealed: the addresses hold tokens. */
export function sealHeartbeat({ sealer }: AgentContext, planId: string, heartbeat: PlanUpdate['heartbeat'] | null): string | null {
  return heartbeat ? sealer.seal(`heartbeat:${planId}`, JSON.stringify(heartbeat)) : null;
}

type Extras = Pick<Plan, 'timing' | 'window' | 'hooks' | 'limits' | 'retries' | 'spreadMinutes' | 'missed' | 'maxAgeHours'>;

/** All that is new about when and how a plan runs; what is not named stays as it was. */
export function extrasFrom(context: AgentContext, body: PlanUpdate, before: Extras): Extras {
  const { hooks, limits, retries, spreadMinutes, missed, maxAgeHours } = body;
  return {
    timing: timingFrom(context, body, before.timing),
    window: windowOf(body.window, before.window),
    hooks: { ...before.hooks, ...hooks },
    limits: { ...before.limits, ...limits },
    retries: retries ?? before.retries,
    spreadMinutes: spreadMinutes ?? before.spreadMinutes,
    missed: missed ?? before.missed,
    maxAgeHours: maxAgeHours === undefined ? before.maxAgeHours : maxAgeHours,
  };
}
