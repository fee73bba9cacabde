// What the end of a task means for pools, vaults and the catalogue.
import type { Problem } from '../base/errors.ts';
import { failure } from '../base/errors.ts';
import type { BackupState } from '../model/backup.ts';
import type { Instance } from '../model/service.ts';
import type { TaskResult } from '../model/task.ts';
import { newId } from '../state/state.ts';
import { equals, oneOf } from '../state/table.ts';
import type { TaskRow } from '../state/tasks.ts';
import { backupOf, takeRecords } from './catalogue.ts';
import type { AgentContext } from './context.ts';
import type { TaskRequest } from './task-requests.ts';

/** Milliseconds until a deletion that failed is tried again. */
const tryAgain = 3600 * 1000;

export type Outcome = { readonly result: TaskResult } | { readonly problem: Problem; readonly cancelled: boolean };

const poolTroubles = ['POOL_NOT_FOUND', 'POOL_MARKER_MISSING', 'POOL_MARKER_FOREIGN', 'POOL_OFFLINE', 'POOL_CREDENTIALS'];

/** A check that found damage has done its work, but nothing is well. */
export function problemOf(result: TaskResult): Problem | undefined {
  const damage = result.check?.errors[0];
  return damage && failure('REPO_DAMAGED', { kind: damage.kind, name: damage.name, detail: damage.detail }).toProblem();
}

export function applyOutcome(context: AgentContext, task: TaskRow, outcome: Outcome): void {
  context.state.transaction(() => {
    notePool(context, task, outcome);
    if ('result' in outcome) succeed(context, task, outcome.result);
    else fall(context, task, outcome);
  });
}

function notePool({ state, clock }: AgentContext, task: TaskRow, outcome: Outcome): void {
  const poolId = task.poolId ?? (task.vaultId ? state.vaults.get(task.vaultId)?.poolId : undefined);
  if (!poolId) return;
  const checkedAt = clock.now();
  if ('result' in outcome) state.pools.update(poolId, { state: 'online', stateDetail: '', checkedAt });
  else if (poolTroubles.includes(outcome.problem.code))
    state.pools.update(poolId, { state: 'offline', stateDetail: outcome.problem.detail, checkedAt });
}

function succeed({ state, clock }: AgentContext, task: TaskRow, result: TaskResult): void {
  const vaultId = task.vaultId;
  if (vaultId === null) return;
  const change = { ...(result.storedBytes !== undefined && { usedBytes: result.storedBytes }), ...(result.keys && { keys: result.keys }) };
  if (Object.keys(change).length > 0) state.vaults.update(vaultId, change);
  const request = task.request as TaskRequest;
  if (task.type === 'backup' && task.backupId && result.record) {
    const made = state.backups.get(task.backupId);
    state.backups.remove(task.backupId);
    state.backups.remove(result.record.id);
    const row = backupOf(vaultId, result.record, made);
    state.backups.insert({ ...row, endedAt: clock.now(), taskId: task.id, warnings: result.warnings });
    state.tasks.update(task.id, { backupId: row.id });
  }
  if (task.type === 'restore') endRestore(state, task);
  if (result.instance) noteInstance(state, result.instance, task, clock.now());
  if (request.type === 'forget') noteForgotten(state, request.records, result.kept ?? []);
  if (task.type === 'vault-scan' && result.records) {
    takeRecords(state, vaultId, result.records);
    state.vaults.update(vaultId, { state: 'available', stateDetail: '', updatedAt: clock.now() });
  }
  if (result.check) noteDamage(state, vaultId, Object.keys(result.check.hurt), request.type === 'check' && request.readData === true);
  if (task.type === 'vault-delete') {
    state.backups.where([equals('vault_id', vaultId)]).forEach((row) => void state.backups.remove(row.id));
    state.vaults.remove(vaultId);
  }
}

function fall({ state, clock }: AgentContext, task: TaskRow, outcome: { readonly problem: Problem; readonly cancelled: boolean }): void {
  const request = task.request as TaskRequest;
  if (task.type === 'backup' && task.backupId) {
    // What was cancelled was not wanted; what failed stays in the list until somebody has seen and deleted it.
    if (outcome.cancelled) state.backups.remove(task.backupId);
    else state.backups.update(task.backupId, { state: 'error', endedAt: clock.now() });
  }
  // Its recovery key was never told, so nobody could use it.
  if (task.type === 'vault-create' && task.vaultId) state.vaults.remove(task.vaultId);
  if (task.type === 'restore') endRestore(state, task);
  if (request.type === 'forget') deletionFailed(state, request.records, clock.now());
  if (task.type === 'vault-delete' && task.vaultId)
    state.vaults.update(task.vaultId, { state: 'error', stateDetail: outcome.problem.detail, updatedAt: clock.now() });
}

/** What an immutable vault holds on to is there again. */
function noteForgotten(state: AgentContext['state'], records: readonly string[], kept: readonly string[]): void {
  for (const record of records)
    if (kept.includes(record)) state.backups.update(record, { state: 'available', stateBefore: null, deleteAt: null });
    else state.backups.remove(record);
}

function noteInstance(state: AgentContext['state'], instance: Instance, { backupId }: TaskRow, createdAt: number): void {
  const { engine, directory, port, connect } = instance;
  for (const gone of state.instances.where([equals('directory', directory)])) state.instances.remove(gone.id);
  state.instances.insert({ id: newId(), engine, directory, port, connect, backupId, createdAt });
}

function endRestore(state: AgentContext['state'], task: TaskRow): void {
  if (!task.backupId) return;
  const others = state.tasks
    .where([equals('backup_id', task.backupId), equals('type', 'restore'), oneOf('state', ['queued', 'running'])])
    .filter((other) => other.id !== task.id);
  if (others.length === 0 && state.backups.get(task.backupId)?.state === 'restoring')
    state.backups.update(task.backupId, { state: 'available' });
}

/** A check names the backups that damage hurts; only one that read everything can say that the others are well again. */
function noteDamage(state: AgentContext['state'], vaultId: string, hurt: readonly string[], complete: boolean): void {
  for (const row of state.backups.where([equals('vault_id', vaultId), oneOf('state', ['available', 'error'])])) {
    if (row.record === null) continue;
    const now: BackupState = hurt.includes(row.record) ? 'error' : complete ? 'available' : row.state;
    if (row.state !== now) state.backups.update(row.id, { state: now });
  }
}

/** A deletion that failed: what an operator deleted is tried again in an hour, what retention chose is judged anew. */
function deletionFailed(state: AgentContext['state'], records: readonly string[], now: number): void {
  for (const id of records) {
    const row = state.backups.get(id);
    if (row?.state !== 'deleting') continue;
    if (row.stateBefore === null) state.backups.update(id, { state: 'available' });
    else state.backups.update(id, { deleteAt: now + tryAgain });
  }
}
