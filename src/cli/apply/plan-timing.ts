// When a plan runs, as a file asks for it: told to, by a policy, or by a timer of its own. What is not named stays.
import type { Plan, PlanUpdate } from '../../rpc/schemas-plans.ts';
import { type Change, differences } from './change.ts';
import { policyNamed } from './policies.ts';
import type { Entry, Wanted } from './read.ts';
import { ruleChanges } from './rules.ts';
import type { FilePlan } from './schema.ts';
import type { Circumstances } from './step.ts';

export interface TimingChanges {
  readonly changes: readonly Change[];
  readonly body: Pick<PlanUpdate, 'strategy' | 'policy' | 'schedule' | 'retention' | 'fullEveryDays'>;
  /** The policy that it has chosen itself, then. */
  readonly policy: string | null;
}

/** Throws APPLY_INVALID for words that do not go together. */
export function timingChanges(
  entry: Entry<FilePlan>,
  wanted: Wanted,
  circumstances: Circumstances,
  before: Plan | undefined,
): TimingChanges {
  const { wrong, value } = entry;
  const { strategy, schedule, retention, fullEveryDays } = value;
  const ownWord = (['schedule', 'retention', 'fullEveryDays'] as const).find((key) => value[key] !== undefined);
  const policy = policyNamed(entry, wanted, circumstances);
  if (policy === null)
    wrong('/policy', 'a plan without a policy is manual, or has a schedule, or goes by its vault: none says nothing here');
  if (strategy === 'manual' && (policy !== undefined || ownWord !== undefined))
    wrong('/strategy', 'a manual plan has neither timer nor retention nor policy');
  if (policy !== undefined && ownWord !== undefined)
    wrong(`/${ownWord}`, 'a plan has a policy or a timer and retention of its own, not both');
  const timing = before?.timing ?? 'vault';
  const chosen = before?.timing === 'policy' ? before.policyName : null;
  if (strategy === 'manual') {
    const changes = timing === 'manual' ? [] : [{ field: 'strategy', before: 'scheduled', after: strategy }];
    return { changes, body: changes.length > 0 ? { strategy } : {}, policy: null };
  }
  if (policy) {
    const changes = differences({ policy: chosen }, { policy });
    return { changes, body: changes.length > 0 ? { policy } : {}, policy };
  }
  if (ownWord !== undefined) {
    const rule = timing === 'own' ? (before?.rule ?? undefined) : undefined;
    if (!rule && schedule === undefined)
      wrong(`/${ownWord}`, `the plan ${value.name} has no timer of its own yet: ${ownWord} needs a schedule beside it`);
    const words = { ...(schedule && { schedule }), ...(retention && { retention }), ...(fullEveryDays !== undefined && { fullEveryDays }) };
    return { ...ruleChanges(entry, words, rule), policy: null };
  }
  if (strategy === 'scheduled' && timing === 'manual')
    return { changes: [{ field: 'strategy', before: 'manual', after: strategy }], body: { strategy }, policy: null };
  return { changes: [], body: {}, policy: chosen };
}
