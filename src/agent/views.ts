// Rows as the RPC shows them: with the names of what they refer to, and without secrets.

import type { Plan as PlanRow } from '../model/plan.ts';
import type { KeyInfo } from '../model/task.ts';
import { toDocument } from '../rpc/problems.ts';
import type { Backup, Plan, Pool, Task, Vault, VaultKey } from '../rpc/schemas.ts';
import type { BackupRow } from '../state/backups.ts';
import type { PoolRow } from '../state/pools.ts';
import type { State } from '../state/state.ts';
import { equals } from '../state/table.ts';
import type { TaskRow } from '../state/tasks.ts';
import type { VaultRow } from '../state/vaults.ts';
import type { LiveTask } from './live-task.ts';
import { locationOf } from './locations.ts';
import type { TaskRequest } from './task-requests.ts';

export function poolView(state: State, row: PoolRow): Pool {
  const { credentials, ...rest } = row;
  const vaults = state.vaults.count([equals('pool_id', row.id)]);
  return { ...rest, location: locationOf(row.place), hasCredentials: credentials !== null, vaults };
}

export function vaultView(state: State, row: VaultRow): Vault {
  const { password: _password, recoveryKeyId, keys, ...rest } = row;
  const ofVault = [equals('vault_id', row.id)];
  return {
    ...rest,
    keys: keys.map((key) => keyView(key, recoveryKeyId)),
    poolName: state.pools.get(row.poolId)?.name ?? '',
    backups: state.backups.count(ofVault),
    plans: state.plans.count(ofVault),
  };
}

export const keyView = (key: KeyInfo, recoveryKeyId: string | null): VaultKey => ({ ...key, recovery: key.id === recoveryKeyId });

export function planView(state: State, row: PlanRow): Plan {
  const { secret: _secret, ...rest } = row;
  const last = state.tasks.where([equals('plan_id', row.id), equals('type', 'backup')], 'created_at DESC, rowid DESC', 1)[0];
  return {
    ...rest,
    source: structuredClone(row.source) as Plan['source'],
    vaultName: state.vaults.get(row.vaultId)?.name ?? '',
    backups: state.backups.count([equals('plan_id', row.id)]),
    lastTask: last ? { id: last.id, state: last.state, endedAt: last.endedAt } : null,
  };
}

export function backupView(state: State, row: BackupRow): Backup {
  const { record: _record, ...rest } = row;
  return {
    ...rest,
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
