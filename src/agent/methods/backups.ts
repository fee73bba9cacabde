import { hostname, userInfo } from 'node:os';
import { fail } from '../../base/errors.ts';
import type { BackupTags } from '../../model/backup.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { BackupRow } from '../../state/backups.ts';
import { newId } from '../../state/state.ts';
import { equals } from '../../state/table.ts';
import type { VaultRow } from '../../state/vaults.ts';
import { completeTarget, type Restored } from '../complete-target.ts';
import type { AgentContext } from '../context.ts';
import { momentsOf } from '../log-chain.ts';
import { checkDescription, checkName, freeName, madeUpName } from '../names.ts';
import { pageOptions } from '../queries.ts';
import { openSecret, planSecretContext, requestSecretContext, sealSecret, takeSecret, withSecret } from '../source-secrets.ts';
import type { TaskDesk } from '../task-desk.ts';
import { backupView, taskView } from '../views.ts';
import { needState } from './vaults.ts';

type Methods = Pick<Handlers, 'backupRun' | 'backupList' | 'backupShow' | 'backupMoments' | 'backupRestore' | 'backupDelete'>;

const gigabyte = 1024 ** 3;
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

export function backupMethods(context: AgentContext, desk: TaskDesk): Methods {
  const { state, clock } = context;
  const view = (id: string) => taskView(state, state.tasks.find(id), desk.live(id));

  return {
    backupRun({ body }) {
      const plan = state.plans.find(body.plan);
      const taken = (name: string) => state.backups.where([equals('name', name)], undefined, 1).length > 0;
      const name = freeName(checkName(body.name ?? madeUpName('manualbk')), taken);
      const description = checkDescription(body.description ?? '');
      const vault = needState(state.vaults.find(plan.vaultId), ['available', 'locked']);
      needSpace(vault);
      const full = body.full ?? false;
      const { kind } = plan.source;
      const tags: BackupTags = {
        plan: plan.id,
        planName: plan.name,
        name,
        kind: 'manual',
        source: kind,
        ...('method' in plan.source && { method: plan.source.method }),
        consistency: consistencyOf[kind],
        ...(full && { full }),
        ...(description !== '' && { description }),
      };
      return state.transaction(() => {
        const backup = newBackup(vault.id, tags, 'paths' in plan.source ? plan.source.paths : [], clock.now());
        state.backups.insert(backup);
        const request = { type: 'backup', tags, full } as const;
        const task = desk.submit({ type: 'backup', name, request, vaultId: vault.id, planId: plan.id, backupId: backup.id });
        state.backups.update(backup.id, { taskId: task.id });
        return view(task.id);
      });
    },

    backupList({ query }) {
      const page = state.backups.page(
        pageOptions(query, 'time', [
          query.state === undefined ? undefined : equals('state', query.state),
          query.vault === undefined ? undefined : equals('vault_id', state.vaults.find(query.vault).id),
          query.plan === undefined ? undefined : equals('plan_id', planIdOf(context, query.plan)),
          query.server === undefined ? undefined : equals('hostname', query.server),
          query.type === undefined ? undefined : equals('source', query.type),
          query.kind === undefined ? undefined : equals('kind', query.kind),
        ]),
      );
      return { ...page, items: page.items.map((row) => backupView(state, row)) };
    },

    backupShow: ({ params }) => backupView(state, state.backups.find(params.id)),

    backupMoments({ params }) {
      const backup = needBackup(state.backups.find(params.id), ['available', 'restoring']);
      const moments = momentsOf(state, backup);
      if (!moments) return { from: null, until: null, logs: [], gap: null };
      const { from, until, gap = null } = moments;
      return { from, until, logs: moments.logs.map(({ row, ...range }) => ({ id: row.id, name: row.name, ...range })), gap };
    },

    backupRestore({ params, body }) {
      const backup = needBackup(state.backups.find(params.id), ['available', 'restoring']);
      const vault = needState(state.vaults.find(backup.vaultId), ['available', 'locked']);
      const { open: target, secret } = takeSecret(completeTarget(body.target, restored(context, backup)));
      const dryRun = body.dryRun ?? false;
      return state.transaction(() => {
        if (!dryRun) state.backups.update(backup.id, { state: 'restoring' });
        const sealed = sealSecret(context, requestSecretContext, secret);
        const request = { type: 'restore', record: backup.record ?? '', target, dryRun, ...(sealed && { secret: sealed }) } as const;
        const name = backup.name || backup.id.slice(0, 8);
        const ids = { vaultId: vault.id, backupId: backup.id, ...(backup.planId && { planId: backup.planId }) };
        return view(desk.submit({ type: 'restore', name, request, ...ids }).id);
      });
    },

    backupDelete({ params }) {
      const backup = needBackup(state.backups.find(params.id), ['available', 'error']);
      const vault = needState(state.vaults.find(backup.vaultId), ['available', 'locked']);
      return state.transaction(() => {
        const { record } = backup;
        const name = backup.name || backup.id.slice(0, 8);
        const ids = { vaultId: vault.id, backupId: backup.id };
        if (record === null) {
          // A backup that failed left no record in the vault.
          state.backups.remove(backup.id);
          return view(noteDone(context, name, ids));
        }
        state.backups.update(backup.id, { state: 'deleting' });
        return view(desk.submit({ type: 'forget', name, request: { type: 'forget', records: [record] }, ...ids }).id);
      });
    },
  };
}

/** Throws BACKUP_STATE unless the backup is in one of the states. */
export function needBackup(backup: BackupRow, allowed: readonly BackupRow['state'][]): BackupRow {
  const usable = allowed.includes(backup.state) && (backup.record !== null || allowed.includes('error'));
  if (!usable) fail('BACKUP_STATE', { id: backup.id.slice(0, 8), state: backup.state });
  return backup;
}

function restored(context: AgentContext, backup: BackupRow): Restored {
  const { state } = context;
  const plan = backup.planId === null ? undefined : state.plans.get(backup.planId);
  return {
    source: backup.source,
    method: backup.method,
    planned: plan && withSecret(plan.source, openSecret(context, planSecretContext(plan.id), plan.secret)),
    logs: (momentsOf(state, backup)?.logs ?? []).map(({ row }) => row.record ?? ''),
  };
}

function needSpace(vault: VaultRow): void {
  if (vault.usedBytes < vault.capacityGb * gigabyte) return;
  fail('VAULT_FULL', { vault: vault.name, used: Math.floor(vault.usedBytes / gigabyte), capacity: vault.capacityGb });
}

/** A plan that is gone may still have backups; they keep its id. */
function planIdOf({ state }: AgentContext, reference: string): string {
  const gone = state.backups.where([equals('plan_name', reference)], 'time DESC', 1)[0];
  try {
    return state.plans.find(reference).id;
  } catch (error) {
    if (gone?.planId) return gone.planId;
    throw error;
  }
}

function newBackup(vaultId: string, tags: BackupTags, paths: readonly string[], now: number): BackupRow {
  return {
    id: newId(),
    vaultId,
    record: null,
    name: tags.name ?? '',
    description: tags.description ?? '',
    state: 'creating',
    kind: 'manual',
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
  };
}

function noteDone({ state, clock }: AgentContext, name: string, ids: { readonly vaultId: string; readonly backupId: string }): string {
  const id = newId();
  const now = clock.now();
  const blank = { planId: null, poolId: null, progress: null, warningCount: 0, warnings: [], problem: null };
  const request = { type: 'forget', records: [] };
  const times = { createdAt: now, startedAt: now, endedAt: now };
  state.tasks.insert({ ...blank, ...ids, ...times, id, type: 'forget', state: 'done', name, request, result: { warnings: 0 } });
  return id;
}
