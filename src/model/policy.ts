// A policy says when backups are made and how long they stay; one is applied to a vault, or chosen by a plan.
import type { Retention } from './retention-rule.ts';
import type { Schedule } from './schedule.ts';

/** What a policy, or a plan's own timer, asks for. */
export interface PolicyRule {
  readonly schedule: Schedule;
  readonly retention: Retention;
  /** Every so many days a start makes a full backup (B5); null for never. At least 1. */
  readonly fullEveryDays: number | null;
}

export interface Policy {
  readonly id: string;
  readonly name: string;
  readonly type: 'backup';
  /** A disabled policy neither starts nor expires. */
  readonly enabled: boolean;
  readonly rule: PolicyRule;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** When a plan runs. */
export type Timing =
  /** Only when told to. */
  | { readonly kind: 'manual' }
  /** As the policy of its vault says; when told to while the vault has none. */
  | { readonly kind: 'vault' }
  | { readonly kind: 'policy'; readonly policyId: string }
  | { readonly kind: 'own'; readonly rule: PolicyRule };

/** The rule that a plan runs by at this moment. */
export interface Effective {
  readonly rule: PolicyRule;
  readonly enabled: boolean;
  /** null for a timer of the plan's own. */
  readonly policy: Policy | null;
}

/** null: the plan runs only when told to. */
export function effectiveRule(timing: Timing, vaultPolicyId: string | null, find: (id: string) => Policy | undefined): Effective | null {
  if (timing.kind === 'manual') return null;
  if (timing.kind === 'own') return { rule: timing.rule, enabled: true, policy: null };
  const id = timing.kind === 'policy' ? timing.policyId : vaultPolicyId;
  const policy = id === null ? undefined : find(id);
  return policy ? { rule: policy.rule, enabled: policy.enabled, policy } : null;
}
