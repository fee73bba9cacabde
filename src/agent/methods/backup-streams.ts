// Looking inside backups: the output of ls, find, diff and cat goes to the caller as it comes.
import type { Readable } from 'node:stream';
import { fail, type Problem } from '../../base/errors.ts';
import type { TaskSpec, VaultAccess } from '../../model/task.ts';
import type { Call, Handlers, TaskOutput } from '../../rpc/handlers.ts';
import type { BackupRow } from '../../state/backups.ts';
import { equals } from '../../state/table.ts';
import { vaultAccess } from '../access.ts';
import type { AgentContext } from '../context.ts';
import type { TaskDesk } from '../task-desk.ts';
import { needBackup } from './backups.ts';
import { needState } from './vaults.ts';

type Methods = Pick<Handlers, 'backupLs' | 'backupFind' | 'backupDiff' | 'backupCat'>;
type StreamType = 'ls' | 'find' | 'diff' | 'cat';

export function backupStreamMethods(context: AgentContext, desk: TaskDesk): Methods {
  const { state } = context;
  const readable = (reference: string) => needBackup(state.backups.find(reference), ['available', 'restoring']);
  const recordOf = (backup: BackupRow) => backup.record ?? backup.id;

  function stream(
    type: StreamType,
    vaultId: string,
    backup: BackupRow | undefined,
    call: Call,
    make: (vault: VaultAccess) => TaskSpec,
  ): TaskOutput {
    const vault = needState(state.vaults.find(vaultId), ['available', 'locked']);
    const output = Promise.withResolvers<Readable | undefined>();
    const task = desk.submit({
      type,
      name: backup ? backup.name || backup.id.slice(0, 8) : vault.name,
      request: { type: 'attended' },
      spec: () => make(vaultAccess(context, vault)),
      vaultId: vault.id,
      ...(backup && { backupId: backup.id }),
      onOutput: output.resolve,
    });
    const problem = desk.ended(task.id).then(({ task: ended }): Problem | undefined => ended.problem ?? undefined);
    // A task that ended before it had an output (cancelled while it waited) has none.
    void problem.then(() => output.resolve(undefined));
    if (call.signal.aborted) desk.cancel(task.id);
    call.signal.addEventListener('abort', () => desk.cancel(task.id));
    return { taskId: task.id, chunks: chunksOf(output.promise), problem };
  }

  return {
    backupLs({ params, query }, call) {
      const backup = readable(params.id);
      const { path = '/', recursive = false } = query;
      return stream('ls', backup.vaultId, backup, call, (vault) => ({ type: 'ls', vault, record: recordOf(backup), path, recursive }));
    },

    backupFind({ query }, call) {
      const patterns = [query.pattern].flat();
      const backups = [query.backup ?? []].flat().map(readable);
      const [first] = backups;
      const vaultId = first ? first.vaultId : query.vault === undefined ? onlyVaultId(context) : state.vaults.find(query.vault).id;
      if (backups.some((backup) => backup.vaultId !== vaultId)) fail('USAGE', { detail: 'the backups lie in different vaults' });
      const all = first ? backups : state.backups.where([equals('vault_id', vaultId), { sql: 'record IS NOT NULL', values: {} }]);
      return stream('find', vaultId, first, call, (vault) => ({ type: 'find', vault, records: all.map(recordOf), patterns }));
    },

    backupDiff({ query }, call) {
      const from = readable(query.from);
      const to = readable(query.to);
      if (from.vaultId !== to.vaultId) fail('USAGE', { detail: 'the backups lie in different vaults' });
      return stream('diff', from.vaultId, from, call, (vault) => ({ type: 'diff', vault, from: recordOf(from), to: recordOf(to) }));
    },

    backupCat({ params, query }, call) {
      const backup = readable(params.id);
      return stream('cat', backup.vaultId, backup, call, (vault) => ({ type: 'cat', vault, record: recordOf(backup), path: query.path }));
    },
  };
}

async function* chunksOf(output: Promise<Readable | undefined>): AsyncGenerator<Uint8Array> {
  const readable = await output;
  if (readable) yield* readable as AsyncIterable<Uint8Array>;
}

function onlyVaultId({ state }: AgentContext): string {
  const [vault, second] = state.vaults.where([]);
  if (!vault || second) fail('USAGE', { detail: 'name a backup or a vault to look into' });
  return vault.id;
}
