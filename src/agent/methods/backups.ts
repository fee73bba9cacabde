import { fail } from '../../base/errors.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { BackupRow } from '../../state/backups.ts';
import { equals } from '../../state/table.ts';
import { completeTarget, type Restored } from '../complete-target.ts';
import type { AgentContext } from '../context.ts';
import type { Deletions } from '../deletions.ts';
import { momentsOf } from '../log-chain.ts';
import { pageOptions } from '../queries.ts';
import { openSecret, planSecretContext, requestSecretContext, sealSecret, takeSecret, withSecret } from '../source-secrets.ts';
import { startBackup } from '../start-backup.ts';
import type { TaskDesk } from '../task-desk.ts';
import { needAllowed } from '../vault-rules.ts';
import { backupView, taskView } from '../views.ts';

type Methods = Pick<
  Handlers,
  'backupRun' | 'backupList' | 'backupShow' | 'backupMoments' | 'backupRestore' | 'backupDelete' | 'backupUndelete'
>;

export function backupMethods(context: AgentContext, desk: TaskDesk, deletions: Deletions): Methods {
  const { state } = context;
  const view = (id: string) => taskView(state, state.tasks.find(id), desk.live(id));

  return {
    backupRun({ body }) {
      const { plan, ...order } = body;
      return view(startBackup(context, desk, state.plans.find(plan), { ...order, kind: 'manual' }).id);
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
          query.replica === undefined ? undefined : equals('replica', query.replica ? 1 : 0),
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
      const vault = needAllowed(state.vaults.find(backup.vaultId), 'restore');
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

    backupDelete({ params, query }) {
      const { now = false } = query;
      const found = state.backups.find(params.id);
      // One that waits for its deletion may be told to go at once.
      const waits = now && found.state === 'deleting' && found.deleteAt !== null;
      const backup = waits ? found : needBackup(found, ['available', 'error']);
      needAllowed(state.vaults.find(backup.vaultId), 'delete-backup');
      const task = deletions.remove(backup, now);
      return { backup: backupView(state, state.backups.get(backup.id) ?? backup), task: task === null ? null : view(task) };
    },

    backupUndelete({ params }) {
      const { id } = state.backups.find(params.id);
      deletions.bringBack(state.backups.find(id));
      return backupView(state, state.backups.find(id));
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
