// What is associated with vaults (guide 2.3, 3.3), and how much of what is allowed is used.
import { fail } from '../../base/errors.ts';
import type { Plan } from '../../model/plan.ts';
import { quotas } from '../../model/quota.ts';
import { resourcesOf } from '../../model/resource.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { BackupRow } from '../../state/backups.ts';
import { equals } from '../../state/table.ts';
import type { VaultRow } from '../../state/vaults.ts';
import type { AgentContext } from '../context.ts';
import type { Deletions } from '../deletions.ts';
import { measuredSizes } from '../plan-sizes.ts';
import { planView } from '../plan-view.ts';
import type { ScheduleKeeper } from '../schedule-keeper.ts';
import type { TaskDesk } from '../task-desk.ts';
import { associatedPlans, associatedWith, canAssociate, needAllowed, refuseBusy } from '../vault-rules.ts';
import { recoverVault } from './vault-recover.ts';

type Methods = Pick<Handlers, 'vaultResources' | 'vaultAssociate' | 'vaultDissociate' | 'vaultRecover' | 'quotas'>;

/** `keeper` is told of plans that another vault's policy holds for from now on, or none. */
export function vaultRuleMethods(
  context: AgentContext,
  desk: TaskDesk,
  deletions: Deletions,
  keeper?: Pick<ScheduleKeeper, 'rearm'>,
): Methods {
  const { state, clock } = context;
  const backupsOf = (plan: Plan, vault: VaultRow) =>
    state.backups.where([equals('plan_id', plan.id), equals('vault_id', vault.id)], 'time');
  const sizesOf = (plans: readonly Plan[]) =>
    measuredSizes(
      state,
      plans.map(({ source }) => source),
    );

  return {
    async vaultResources({ params }) {
      const vault = state.vaults.find(params.id);
      const plans = associatedPlans(state, vault.id);
      const sizes = await sizesOf(plans);
      const items = plans.flatMap((plan) => {
        const backups = backupsOf(plan, vault);
        const shown = {
          kind: plan.source.kind,
          planId: plan.id,
          planName: plan.name,
          backups: backups.length,
          since: backups[0]?.time ?? null,
        };
        return [...sizes(plan)].map(([name, sizeBytes]) => ({ name, sizeBytes, ...shown }));
      });
      const { resources: used, bytes: associatedBytes } = associatedWith(state, vault.id, sizes);
      return { items, used, total: quotas.resourcesPerVault, associatedBytes };
    },

    async vaultAssociate({ params, body }) {
      const sizes = await sizesOf([...associatedPlans(state, state.vaults.find(params.id).id), state.plans.find(body.plan)]);
      // From here on nobody comes between the rules and what they allow.
      const vault = state.vaults.find(params.id);
      const plan = state.plans.find(body.plan);
      if (plan.associated && plan.vaultId === vault.id) return planView(state, plan);
      canAssociate(state, vault, plan, sizes);
      refuseBusy(state, plan);
      state.plans.update(plan.id, { vaultId: vault.id, associated: true, renew: true, updatedAt: clock.now() });
      keeper?.rearm([plan.id]);
      return planView(state, state.plans.get(plan.id) ?? plan);
    },

    vaultDissociate({ params }) {
      const vault = needAllowed(state.vaults.find(params.id), 'dissociate');
      const plan = state.plans.find(params.plan);
      if (!plan.associated) fail('PLAN_DISSOCIATED', { plan: plan.name });
      if (plan.vaultId !== vault.id) fail('NOT_FOUND', { what: 'plan', id: `${plan.name} in the vault ${vault.name}` });
      refuseBase(plan);
      refuseBusy(state, plan);
      const backups = backupsOf(plan, vault).filter((backup) => backup.state !== 'deleting');
      refuseInUse(backups);
      return state.transaction(() => {
        state.plans.update(plan.id, { associated: false, updatedAt: clock.now() });
        for (const backup of backups) deletions.remove(backup, false);
        keeper?.rearm([plan.id]);
        return { planId: plan.id, planName: plan.name, vaultName: vault.name, deleted: backups.length };
      });
    },

    vaultRecover: ({ params, body }) => recoverVault(context, desk, params.id, body),

    quotas() {
      const used = (type: string, total: number) => ({ used: state.policies.count([equals('type', type)]), total });
      return {
        backupPolicies: used('backup', quotas.backupPolicies),
        replicationPolicies: used('replication', quotas.replicationPolicies),
        vaults: state.vaults
          .where([])
          .map(({ id, name }) => ({ id, name, resources: { used: resourcesIn(id), total: quotas.resourcesPerVault } })),
      };
    },
  };

  function resourcesIn(vaultId: string): number {
    return new Set(associatedPlans(state, vaultId).flatMap(({ source }) => resourcesOf(source))).size;
  }

  /** The logs of another plan begin where this one's backups end. */
  function refuseBase(plan: Plan): void {
    const follower = state.plans.where([equals('associated', 1)]).find(({ source }) => 'base' in source && source.base === plan.id);
    if (follower) fail('IN_USE', { what: 'plan', id: plan.name, users: `the plan ${follower.name}` });
  }
}

function refuseInUse(backups: readonly BackupRow[]): void {
  const busy = backups.find(({ state }) => state === 'creating' || state === 'restoring');
  if (busy) fail('BACKUP_STATE', { id: busy.id.slice(0, 8), state: busy.state });
}
