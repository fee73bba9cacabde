// Vaults: listing, changing, and the tasks that work on one.
import { fail } from '../../base/errors.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import { equals } from '../../state/table.ts';
import type { VaultRow } from '../../state/vaults.ts';
import type { AgentContext } from '../context.ts';
import { checkDescription, checkName } from '../names.ts';
import { measuredSizes, planSizes } from '../plan-sizes.ts';
import { pageOptions } from '../queries.ts';
import type { TaskDesk } from '../task-desk.ts';
import type { TaskRequest } from '../task-requests.ts';
import { associatedPlans, canChangeSpec, canDelete, canExpand, needAllowed, releaseLocked } from '../vault-rules.ts';
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

  const measured = async (vault: VaultRow) =>
    measuredSizes(
      state,
      associatedPlans(state, vault.id).map(({ source }) => source),
    );

  function refuseTaken(name: string): void {
    if (state.vaults.where([equals('name', name)]).length > 0) fail('ALREADY_EXISTS', { what: 'vault', id: name });
  }

  /** The vault is locked while what is associated with it is measured (guide 3.1). */
  async function expand(vault: VaultRow, capacityGb: number): Promise<void> {
    needAllowed(vault, 'expand');
    state.vaults.update(vault.id, { state: 'locked' });
    try {
      const sizesOf = await measured(vault);
      canExpand(state, vault, capacityGb, sizesOf);
      state.vaults.update(vault.id, { capacityGb });
    } finally {
      if (state.vaults.get(vault.id)?.state === 'locked') state.vaults.update(vault.id, { state: 'available' });
    }
  }

  releaseLocked(state);

  return {
    vaultList({ query }) {
      const page = state.vaults.page(
        pageOptions(query, 'created_at', [
          query.state === undefined ? undefined : equals('state', query.state),
          query.pool === undefined ? undefined : equals('pool_id', state.pools.find(query.pool).id),
          query.type === undefined ? undefined : equals('type', query.type),
          query.protection === undefined ? undefined : equals('protection', query.protection),
        ]),
      );
      const sizesOf = planSizes(state);
      return { ...page, items: page.items.map((row) => vaultView(state, row, sizesOf)) };
    },
    async vaultShow({ params }) {
      const vault = state.vaults.find(params.id);
      return vaultView(state, vault, await measured(vault));
    },
    async vaultUpdate({ params, body }) {
      const vault = state.vaults.find(params.id);
      const { name, description, capacityGb, spec } = body;
      if (name !== undefined || description !== undefined) needAllowed(vault, 'describe');
      if (name !== undefined && name !== vault.name) refuseTaken(checkName(name));
      if (description !== undefined) checkDescription(description);
      if (spec !== undefined) canChangeSpec(vault, spec);
      if (capacityGb !== undefined) await expand(vault, capacityGb);
      // While it grew somebody else may have taken the name.
      if (name !== undefined && name !== vault.name) refuseTaken(name);
      state.vaults.update(vault.id, {
        ...(name !== undefined && { name }),
        ...(description !== undefined && { description }),
        ...(spec !== undefined && { spec }),
        updatedAt: clock.now(),
      });
      return vaultView(state, state.vaults.find(vault.id));
    },
    vaultScan: ({ params }) => start(needAllowed(state.vaults.find(params.id), 'scan'), { type: 'vault-scan' }),
    vaultCheck: ({ params, body }) =>
      start(needAllowed(state.vaults.find(params.id), 'check'), { type: 'check', readData: body.readData ?? false }),
    vaultPrune({ params, body }) {
      const vault = needAllowed(state.vaults.find(params.id), 'prune');
      return start(vault, {
        type: 'prune',
        dryRun: body.dryRun ?? false,
        maxUnusedPercent: body.maxUnusedPercent ?? defaultUnusedPercent,
      });
    },
    vaultUnlock: ({ params, body }) =>
      start(needAllowed(state.vaults.find(params.id), 'unlock'), {
        type: 'vault-unlock',
        ownLocks: [],
        all: body.all ?? false,
      }),
    vaultDelete({ params }) {
      const vault = state.vaults.find(params.id);
      canDelete(state, vault);
      return state.transaction(() => {
        state.vaults.update(vault.id, { state: 'deleting', updatedAt: clock.now() });
        return start(vault, { type: 'vault-delete' });
      });
    },
  };
}

/** Throws VAULT_STATE unless the vault is in one of the states. `needAllowed` asks the table of what each state allows instead. */
export function needState(vault: VaultRow, allowed: readonly VaultRow['state'][]): VaultRow {
  if (!allowed.includes(vault.state)) fail('VAULT_STATE', { vault: vault.name, state: vault.state });
  return vault;
}
