// Rows as the RPC shows them: with the names of what they refer to, and without secrets.

import { retentionWord } from '../model/retention-rule.ts';
import type { KeyInfo } from '../model/task.ts';
import { toDocument } from '../rpc/problems.ts';
import type { Backup, Pool, Task, Vault, VaultKey } from '../rpc/schemas.ts';
import type { BackupRow } from '../state/backups.ts';
import type { PoolRow } from '../state/pools.ts';
import type { State } from '../state/state.ts';
import { equals } from '../state/table.ts';
import type { TaskRow } from '../state/tasks.ts';
import type { VaultRow } from '../state/vaults.ts';
import type { LiveTask } from './live-task.ts';
import { locationOf } from './locations.ts';
import type { SizesOf } from './plan-sizes.ts';
import type { TaskRequest } from './task-requests.ts';
import { associatedWith } from './vault-rules.ts';

export function poolView(state: State, row: PoolRow): Pool {
  const { credentials, ...rest } = row;
  const vaults = state.vaults.where([equals('pool_id', row.id)]);
  const plans = vaults.reduce((sum, vault) => sum + state.plans.count([equals('vault_id', vault.id)]), 0);
  return { ...rest, location: locationOf(row.place), hasCredentials: credentials !== null, vaults: vaults.length, plans };
}

/** `sizesOf` is shared where many vaults are shown, so that the host's disks are looked at once. */
export function vaultView(state: State, row: VaultRow, sizesOf?: SizesOf): Vault {
  const { password: _password, recoveryKeyId, keys, policyId, care: _care, ...rest } = row;
  const ofVault = [equals('vault_id', row.id)];
  const { resources, bytes: associatedBytes } = associatedWith(state, row.id, sizesOf);
  return {
    ...rest,
    keys: keys.map((key) => keyView(key, recoveryKeyId)),
    poolName: state.pools.get(row.poolId)?.name ?? '',
    backups: state.backups.count(ofVault),
    plans: state.plans.count(ofVault),
    resources,
    associatedBytes,
    policyName: (policyId && state.policies.get(policyId)?.name) || null,
  };
}

export const keyView = (key: KeyInfo, recoveryKeyId: string | null): VaultKey => ({ ...key, recovery: key.id === recoveryKeyId });

export function backupView(state: State, row: BackupRow): Backup {
  const { record: _record, stateBefore: _before, keep, ...rest } = row;
  return {
    ...rest,
    keep: keep && retentionWord(keep),
    paths: [...row.paths],
    tags: [...row.tags],
    vaultName: state.vaults.get(row.vaultId)?.name ?? '',
    planName: (row.planId ? state.plans.get(row.planId)?.name : undefined) ?? row.planName,
  };
}

export function taskView(state: State, row: TaskRow, live?: LiveTask): Task {
  const { request, problem, ...rest } = row;
  return {
    ...rest,
    vaultName: row.vaultId ? (state.vaults.get(row.vaultId)?.name ?? null) : null,
    planName: row.planId ? (state.plans.get(row.planId)?.name ?? null) : null,
    progress: live?.progress ?? row.progress,
    warningCount: Math.max(live?.warningCount ?? 0, row.warningCount),
    warnings: [...(live?.warnings ?? row.warnings)],
    problem: problem ? toDocument(problem) : null,
    restore: restoreOf(request as TaskRequest),
  };
}

/** What root may have to approve; the RPC tells no commands. */
function restoreOf(request: TaskRequest): Task['restore'] {
  return request.type === 'restore' && (request.target.kind === 'files' || request.target.kind === 'disk')
    ? { record: request.record, target: request.target }
    : null;
}
