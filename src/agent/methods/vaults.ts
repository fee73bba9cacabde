// Vaults: listing, changing, and the tasks that work on one.
import { fail } from '../../base/errors.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import { equals } from '../../state/table.ts';
import type { VaultRow } from '../../state/vaults.ts';
import type { AgentContext } from '../context.ts';
import { checkDescription } from '../names.ts';
import { pageOptions } from '../queries.ts';
import type { TaskDesk } from '../task-desk.ts';
import type { TaskRequest } from '../task-requests.ts';
import { taskView, vaultView } from '../views.ts';

type Methods = Pick<
  Handlers,
  'vaultList' | 'vaultShow' | 'vaultUpdate' | 'vaultScan' | 'vaultCheck' | 'vaultPrune' | 'vaultUnlock' | 'vaultDelete'
>;

const defaultUnusedPercent = 5;

export function vaultMethods(context: AgentContext, desk: TaskDesk): Methods {
  const { state, clock } = context;

  function start(vault: VaultRow, request: Exclude<TaskRequest, { type: 'attended' | 'backup' | 'restore' }>) {
    const row = desk.submit({ type: request.type, name: vault.name, request, vaultId: vault.id });
    return taskView(state, row, desk.live(row.id));
  }

  return {
    vaultList({ query }) {
      const page = state.vaults.page(
        pageOptions(query, 'created_at', [
          query.state === undefined ? undefined : equals('state', query.state),
          query.pool === undefined ? undefined : equals('pool_id', state.pools.find(query.pool).id),
        ]),
      );
      return { ...page, items: page.items.map((row) => vaultView(state, row)) };
    },
    vaultShow: ({ params }) => vaultView(state, state.vaults.find(params.id)),
    vaultUpdate({ params, body }) {
      const vault = state.vaults.find(params.id);
      const { description, capacityGb } = body;
      if (capacityGb !== undefined && capacityGb < vault.capacityGb)
        fail('USAGE', { detail: `a vault can only be expanded: ${vault.name} has ${vault.capacityGb} GB` });
      if (capacityGb !== undefined) needState(vault, ['available']);
      if (description !== undefined) checkDescription(description);
      state.vaults.update(vault.id, {
        ...(description !== undefined && { description }),
        ...(capacityGb !== undefined && { capacityGb }),
        updatedAt: clock.now(),
      });
      return vaultView(state, state.vaults.find(vault.id));
    },
    vaultScan: ({ params }) => start(needState(state.vaults.find(params.id), ['available', 'locked', 'error']), { type: 'vault-scan' }),
    vaultCheck: ({ params, body }) =>
      start(needState(state.vaults.find(params.id), ['available', 'locked', 'error']), { type: 'check', readData: body.readData ?? false }),
    vaultPrune({ params, body }) {
      const vault = needState(state.vaults.find(params.id), ['available']);
      return start(vault, {
        type: 'prune',
        dryRun: body.dryRun ?? false,
        maxUnusedPercent: body.maxUnusedPercent ?? defaultUnusedPercent,
      });
    },
    vaultUnlock: ({ params, body }) =>
      start(needState(state.vaults.find(params.id), ['available', 'locked', 'error']), {
        type: 'vault-unlock',
        ownLocks: [],
        all: body.all ?? false,
      }),
    vaultDelete({ params }) {
      const vault = needState(state.vaults.find(params.id), ['available', 'error']);
      const users = state.plans.where([equals('vault_id', vault.id)]).map((plan) => `plan ${plan.name}`);
      if (users.length > 0) fail('IN_USE', { what: 'vault', id: vault.name, users: users.join(', ') });
      return state.transaction(() => {
        state.vaults.update(vault.id, { state: 'deleting', updatedAt: clock.now() });
        return start(vault, { type: 'vault-delete' });
      });
    },
  };
}

/** Throws VAULT_STATE unless the vault is in one of the states. */
export function needState(vault: VaultRow, allowed: readonly VaultRow['state'][]): VaultRow {
  if (!allowed.includes(vault.state)) fail('VAULT_STATE', { vault: vault.name, state: vault.state });
  return vault;
}
