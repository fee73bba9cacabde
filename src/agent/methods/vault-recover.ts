// A vault that somebody overwrote or deleted becomes what it was at a moment; then the catalogue is read again.
import { fail } from '../../base/errors.ts';
import type { VaultRecover, VaultRecovering } from '../../rpc/schemas-vault-recover.ts';
import { vaultAccess } from '../access.ts';
import type { AgentContext } from '../context.ts';
import type { NewTask, TaskDesk } from '../task-desk.ts';
import { taskView } from '../views.ts';
import { needState } from './vaults.ts';

/** Throws NOT_FOUND, VAULT_STATE, USAGE for a moment to come, POOL_NO_OBJECT_LOCK for a vault in a directory. */
export async function recoverVault(
  context: AgentContext,
  desk: TaskDesk,
  id: string,
  { at, dryRun = false }: VaultRecover,
): Promise<VaultRecovering> {
  const { state, clock, log } = context;
  const vault = needState(state.vaults.find(id), ['available', 'locked', 'error']);
  if (state.pools.find(vault.poolId).place.type !== 's3')
    fail('POOL_NO_OBJECT_LOCK', { location: vault.location, detail: 'a directory keeps no versions' });
  if (at > clock.now()) fail('USAGE', { detail: `${new Date(at).toISOString()} is yet to come` });
  const work: NewTask = {
    type: 'vault-recover',
    name: vault.name,
    request: { type: 'attended' },
    spec: () => ({ type: 'vault-recover', vault: vaultAccess(context, state.vaults.find(vault.id)), at, dryRun }),
    vaultId: vault.id,
  };
  if (dryRun) {
    const { records = [], recovered = null } = await desk.answer(work);
    return { at, task: null, records, recovered };
  }
  const row = desk.submit(work);
  const scanAfterwards = async () => {
    const { result } = await desk.ended(row.id);
    if (result) desk.submit({ type: 'vault-scan', name: vault.name, request: { type: 'vault-scan' }, vaultId: vault.id });
  };
  scanAfterwards().catch((error: unknown) => log.error({ err: error, vault: vault.name }, 'a vault that was brought back was not scanned'));
  return { at, task: taskView(state, row, desk.live(row.id)), records: null, recovered: null };
}
