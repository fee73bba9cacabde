import { hostname, userInfo } from 'node:os';
import { isAbsolute } from 'node:path';
import { fail, failure } from '../../base/errors.ts';
import type { BackupTags } from '../../model/backup.ts';
import type { RestoreTarget } from '../../model/task.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { RestoreTargetInput } from '../../rpc/schemas.ts';
import type { BackupRow } from '../../state/backups.ts';
import { newId } from '../../state/state.ts';
import { equals } from '../../state/table.ts';
import type { VaultRow } from '../../state/vaults.ts';
import type { AgentContext } from '../context.ts';
import { checkDescription, checkName, freeName, madeUpName } from '../names.ts';
import { pageOptions } from '../queries.ts';
import type { TaskDesk } from '../task-desk.ts';
import { backupView, taskView } from '../views.ts';
import { commandWords } from './plans.ts';
import { needState } from './vaults.ts';

type Methods = Pick<Handlers, 'backupRun' | 'backupList' | 'backupShow' | 'backupRestore' | 'backupDelete'>;

const gigabyte = 1024 ** 3;
/** What a source read without a snapshot is worth: each file as it was when it was read, a disk or a stream nothing. */
const consistencyOf = { files: 'file', disk: 'none', server: 'none', command: 'none' } as const;

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

    backupRestore({ params, body }) {
      const backup = needBackup(state.backups.find(params.id), ['available', 'restoring']);
      const vault = needState(state.vaults.find(backup.vaultId), ['available', 'locked']);
      const target = completeTarget(body.target);
      const dryRun = body.dryRun ?? false;
      return state.transaction(() => {
        if (!dryRun) state.backups.update(backup.id, { state: 'restoring' });
        const request = { type: 'restore', record: backup.record ?? '', target, dryRun } as const;
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

/** Throws USAGE for what cannot be meant. */
export function completeTarget(input: RestoreTargetInput): RestoreTarget {
  const needAbsolute = (path: string) => {
    if (!isAbsolute(path)) throw failure('USAGE', { detail: `the target ${path} is not an absolute path` });
  };
  if (input.kind === 'files') {
    needAbsolute(input.path);
    const { path, include = [], overwrite = 'always', verify = false } = input;
    return { kind: 'files', path, include, overwrite, delete: input.delete ?? false, verify };
  }
  if (input.kind === 'disk') {
    if (Object.keys(input.map).length === 0) fail('USAGE', { detail: 'target.map names no disk' });
    Object.values(input.map).forEach(needAbsolute);
    return { kind: 'disk', map: input.map, verify: input.verify ?? false };
  }
  return { kind: 'command', ...commandWords(input, 'a command target') };
}
