// Policies: made, changed, applied to vaults; and what plans do by them.
import { fail } from '../../base/errors.ts';
import type { Plan } from '../../model/plan.ts';
import type { Policy } from '../../model/policy.ts';
import { quotas } from '../../model/quota.ts';
import { retentionFrom } from '../../model/retention-rule.ts';
import { nextStart } from '../../model/starts.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { Policy as PolicyView } from '../../rpc/schemas.ts';
import { newId } from '../../state/state.ts';
import { equals } from '../../state/table.ts';
import type { AgentContext } from '../context.ts';
import { type Expiry, verdictsOn } from '../expiry.ts';
import { checkName } from '../names.ts';
import { planView, ruleOf, ruleText } from '../plan-view.ts';
import { momentOf, pageOptions } from '../queries.ts';
import { ruleFrom } from '../rules-from.ts';
import type { ScheduleKeeper } from '../schedule-keeper.ts';
import { needAllowed } from '../vault-rules.ts';
import { vaultView } from '../views.ts';

type Methods = Pick<
  Handlers,
  | 'policyCreate'
  | 'policyList'
  | 'policyShow'
  | 'policyUpdate'
  | 'policyDelete'
  | 'policyApply'
  | 'policyRemove'
  | 'policyPreview'
  | 'planPause'
  | 'planResume'
  | 'planStarts'
>;

export function policyMethods(context: AgentContext, keeper: ScheduleKeeper, expiry: Expiry): Methods {
  const { state, clock, events } = context;
  const note = (plan: Plan, type: string, content: string) =>
    events.note({ subject: { kind: 'plan', id: plan.id, name: plan.name }, type, level: 'info', content });
  const view = (policy: Policy) => policyView(context, policy);

  /** Plans that run by the policy, each with whether it chose it itself. */
  const plansBy = ({ id }: Policy) => state.plans.where([]).filter((plan) => ruleOf(state, plan)?.policy?.id === id);

  function refuseTaken(name: string): void {
    if (state.policies.where([equals('name', name)]).length > 0) fail('ALREADY_EXISTS', { what: 'policy', id: name });
  }

  /** Whoever runs by another rule from now on is not started for a moment that lies behind. */
  function rearmVault(vaultId: string): void {
    keeper.rearm(state.plans.where([equals('vault_id', vaultId)]).flatMap(({ id, timing }) => (timing.kind === 'vault' ? id : [])));
  }

  return {
    policyCreate({ body }) {
      const { name, enabled = true, ...words } = body;
      checkName(name);
      refuseTaken(name);
      const count = state.policies.count([equals('type', 'backup')]);
      if (count >= quotas.backupPolicies) fail('QUOTA_EXCEEDED', { count, what: 'backup policies' });
      const now = clock.now();
      const rule = ruleFrom(words, now);
      const policy: Policy = { id: newId(), name, type: 'backup', enabled, rule, createdAt: now, updatedAt: now };
      state.policies.insert(policy);
      return view(policy);
    },
    policyList({ query }) {
      const enabled = query.enabled === undefined ? undefined : equals('enabled', query.enabled ? 1 : 0);
      const page = state.policies.page(pageOptions(query, 'created_at', [enabled]));
      return { ...page, items: page.items.map(view) };
    },
    policyShow: ({ params }) => view(state.policies.find(params.id)),
    policyUpdate({ params, body }) {
      const policy = state.policies.find(params.id);
      const { name = policy.name, enabled = policy.enabled, ...words } = body;
      if (name !== policy.name) {
        checkName(name);
        refuseTaken(name);
      }
      const now = clock.now();
      const rule = ruleFrom(words, now, policy.rule);
      const startsAnew = words.schedule !== undefined || (enabled && !policy.enabled);
      state.transaction(() => {
        state.policies.update(policy.id, { name, enabled, rule, updatedAt: now });
        if (startsAnew) keeper.rearm(plansBy(policy).map(({ id }) => id));
      });
      return view(state.policies.find(policy.id));
    },
    policyDelete({ params }) {
      const policy = state.policies.find(params.id);
      const users = [
        ...state.vaults.where([equals('policy_id', policy.id)]).map((vault) => `the vault ${vault.name}`),
        ...state.plans
          .where([])
          .flatMap(({ name, timing }) => (timing.kind === 'policy' && timing.policyId === policy.id ? `the plan ${name}` : [])),
      ];
      if (users.length > 0) fail('IN_USE', { what: 'policy', id: policy.name, users: users.join(', ') });
      state.policies.remove(policy.id);
      return { id: policy.id };
    },
    policyApply({ params, body }) {
      const vault = needAllowed(state.vaults.find(params.id), 'policy');
      const policy = state.policies.find(body.policy);
      if (vault.policyId !== policy.id)
        state.transaction(() => {
          state.vaults.update(vault.id, { policyId: policy.id, updatedAt: clock.now() });
          rearmVault(vault.id);
        });
      return vaultView(state, state.vaults.find(vault.id));
    },
    policyRemove({ params }) {
      const vault = needAllowed(state.vaults.find(params.id), 'policy');
      state.vaults.update(vault.id, { policyId: null, updatedAt: clock.now() });
      return vaultView(state, state.vaults.find(vault.id));
    },
    policyPreview({ params, body }) {
      const plan = state.plans.find(params.id);
      const rows = state.backups.where([equals('plan_id', plan.id)]);
      const names = new Map(rows.map((row) => [row.id, row]));
      const verdicts = verdictsOn(context, plan.id, rows, {
        ...(body.at !== undefined && { at: momentOf(body.at, 'end') }),
        ...(body.retention && { retention: retentionFrom(body.retention) }),
      });
      const items = verdicts.map(({ id, keep, reason, expiresAt = null }) => {
        const { name, kind, time } = names.get(id)!;
        return { id, name, kind, time, keep, reason, expiresAt };
      });
      return { items, removed: items.filter(({ keep }) => !keep).length };
    },
    planPause({ params }) {
      const plan = needScheduled(state.plans.find(params.id), 'pause');
      if (plan.pause?.by !== 'operator')
        state.plans.update(plan.id, { pause: { by: 'operator', since: clock.now(), reason: 'by an operator' } });
      note(plan, 'PLAN_PAUSED', 'paused by an operator');
      return planView(state, state.plans.find(plan.id));
    },
    planResume({ params }) {
      const plan = needScheduled(state.plans.find(params.id), 'resume');
      state.plans.update(plan.id, { pause: null });
      note(plan, 'PLAN_RESUMED', 'resumed by an operator');
      expiry.expire(plan.id);
      return planView(state, state.plans.find(plan.id));
    },
    planStarts({ params, query }) {
      const { id } = state.plans.find(params.id);
      const outcome = query.outcome === undefined ? undefined : equals('outcome', query.outcome);
      const page = state.starts.page(pageOptions(query, 'due', [equals('plan_id', id), outcome]));
      return { ...page, items: page.items.map(({ id: _id, planId: _plan, at: _at, ...start }) => start) };
    },
  };

  /** Only what starts by itself can be paused (34.17). Throws PLAN_NOT_SCHEDULED. */
  function needScheduled(plan: Plan, action: 'pause' | 'resume'): Plan {
    if (!ruleOf(state, plan) && !plan.pause) fail('PLAN_NOT_SCHEDULED', { plan: plan.name, action });
    return plan;
  }
}

function policyView({ state, clock }: AgentContext, policy: Policy): PolicyView {
  const { rule, enabled } = policy;
  return {
    ...policy,
    rule: structuredClone(rule) as PolicyView['rule'],
    text: ruleText({ rule, enabled: true, policy: null }),
    vaults: state.vaults.where([equals('policy_id', policy.id)]).map(({ name }) => name),
    plans: state.plans.where([]).flatMap(({ name, timing }) => (timing.kind === 'policy' && timing.policyId === policy.id ? name : [])),
    next: enabled ? nextStart(rule.schedule, clock.now()) : null,
  };
}
