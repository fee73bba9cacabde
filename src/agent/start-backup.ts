// A backup begins: its row in the catalogue and its task, at once or not at all.
import { hostname, userInfo } from 'node:os';
import { fail } from '../base/errors.ts';
import type { BackupTags } from '../model/backup.ts';
import type { Plan } from '../model/plan.ts';
import type { BackupRow } from '../state/backups.ts';
import { newId } from '../state/state.ts';
import { equals } from '../state/table.ts';
import type { TaskRow } from '../state/tasks.ts';
import type { VaultRow } from '../state/vaults.ts';
import type { AgentContext } from './context.ts';
import { checkDescription, checkName, freeName, madeUpName } from './names.ts';
import { ruleOf } from './plan-view.ts';
import type { TaskDesk } from './task-desk.ts';
import { canStart } from './vault-rules.ts';

export interface BackupOrder {
  readonly kind: 'manual' | 'auto';
  /** manualbk_xxxx or autobk_xxxx if not given. */
  readonly name?: string;
  readonly description?: string;
  readonly full?: boolean;
}

const day = 24 * 3600 * 1000;
/** What a source read without a snapshot is worth: each file as it was when it was read, a disk or a stream nothing. */
const consistencyOf = {
  files: 'file',
  disk: 'none',
  server: 'none',
  command: 'none',
  mysql: 'none',
  postgres: 'none',
  redis: 'none',
  bucket: 'file',
} as const;

/** Throws NAME_INVALID, DESCRIPTION_INVALID, PLAN_DISSOCIATED, POOL_OFFLINE, VAULT_STATE or VAULT_FULL. */
export function startBackup(context: AgentContext, desk: TaskDesk, plan: Plan, order: BackupOrder): TaskRow {
  const { state, clock } = context;
  const taken = (name: string) => state.backups.where([equals('name', name)], undefined, 1).length > 0;
  const name = freeName(checkName(order.name ?? madeUpName(order.kind === 'auto' ? 'autobk' : 'manualbk')), taken);
  const description = checkDescription(order.description ?? '');
  const vault = needVault(context, plan);
  const now = clock.now();
  const full = order.full || plan.renew || fullIsDue(context, plan, now);
  const keep = order.kind === 'auto' ? ruleOf(state, plan)?.rule.retention : undefined;
  const { kind } = plan.source;
  const tags: BackupTags = {
    plan: plan.id,
    planName: plan.name,
    name,
    kind: order.kind,
    source: kind,
    ...('method' in plan.source && { method: plan.source.method }),
    consistency: consistencyOf[kind],
    ...(full && { full }),
    ...(description !== '' && { description }),
    ...(keep && { keep }),
  };
  return state.transaction(() => {
    const backup = newBackup(vault.id, tags, 'paths' in plan.source ? plan.source.paths : [], now);
    state.backups.insert(backup);
    const request = { type: 'backup', tags, full } as const;
    const task = desk.submit({ type: 'backup', name, request, vaultId: vault.id, planId: plan.id, backupId: backup.id });
    state.backups.update(backup.id, { taskId: task.id });
    return state.tasks.find(task.id);
  });
}

function needVault({ state }: AgentContext, plan: Plan): VaultRow {
  if (!plan.associated) fail('PLAN_DISSOCIATED', { plan: plan.name });
  const vault = state.vaults.find(plan.vaultId);
  canStart(vault);
  const pool = state.pools.find(vault.poolId);
  if (pool.state === 'offline')
    fail('POOL_OFFLINE', { location: pool.name, detail: pool.stateDetail || 'it was offline when last looked at' });
  return vault;
}

/** Whether the plan's rule asks for a full backup by now. */
function fullIsDue({ state }: AgentContext, plan: Plan, now: number): boolean {
  const every = ruleOf(state, plan)?.rule.fullEveryDays ?? null;
  if (every === null) return false;
  const filters = [equals('plan_id', plan.id), equals('vault_id', plan.vaultId), equals('state', 'available')];
  const lastFull = state.backups.where([...filters, { sql: 'full = 1', values: {} }], 'time DESC', 1)[0];
  const since = lastFull ?? state.backups.where(filters, 'time', 1)[0];
  // The first backup of all has read everything; a start a little early must not put the full one off by a whole round.
  return since !== undefined && now - since.time >= every * day - 3600 * 1000;
}

function newBackup(vaultId: string, tags: BackupTags, paths: readonly string[], now: number): BackupRow {
  return {
    id: newId(),
    vaultId,
    record: null,
    name: tags.name ?? '',
    description: tags.description ?? '',
    state: 'creating',
    kind: tags.kind ?? 'manual',
    planId: tags.plan ?? null,
    planName: tags.planName ?? null,
    source: tags.source ?? null,
    method: tags.method ?? null,
    consistency: tags.consistency ?? null,
    consistencyReason: null,
    full: tags.full ?? false,
    warnings: 0,
    hostname: hostname(),
    username: userInfo().username,
    paths,
    tags: [],
    tree: null,
    parent: null,
    time: now,
    endedAt: null,
    sizeBytes: 0,
    addedBytes: 0,
    summary: null,
    taskId: null,
    keep: tags.keep ?? null,
    deleteAt: null,
    stateBefore: null,
    replica: false,
  };
}
