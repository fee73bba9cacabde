// agentcli backup restore
import type { Command } from 'commander';
import type { Client } from '../../rpc/client.ts';
import type { Backup, RestoreTargetInput } from '../../rpc/schemas-backups.ts';
import { formatTime, shortId } from '../format.ts';
import { destroys, type RestoreOptions, restoreOptions, targetFrom } from '../restore-options.ts';
import type { Session } from '../session.ts';
import { startedTask } from '../start.ts';
import { printable } from '../terminal.ts';
import { verb, type WaitOptions, waitOptions } from '../verb.ts';
import { helpOf } from './pool.ts';

/** Paths of the plan that are shown before the question. */
const stepsBeforeQuestion = 20;

type Options = RestoreOptions & WaitOptions;

export function addBackupRestore(noun: Command, session: Session): void {
  waitOptions(
    restoreOptions(
      verb(
        noun,
        'restore <backup> [command...]',
        'restore files, disks or the output of a command',
        'agentcli backup restore 8c1f2e9a --target /srv/restored --include /etc/nginx --wait',
        'agentcli backup restore 8c1f2e9a --in-place --overwrite if-changed --dry-run --wait',
        'agentcli backup restore 41d0bb7e --map /dev/vdb=/dev/vdc --verify --wait',
        'agentcli backup restore 77ab01cd --load-argv --wait -- mysql app',
      ),
    ),
  ).action(async (id: string, words: readonly string[], options: Options, command: Command) => {
    const client = await session.agent();
    const backup = await client.call('backupShow', { params: { id } });
    const target = targetFrom(options, words, backup, helpOf(command));
    const start = (dryRun: boolean) =>
      client.call('backupRestore', { params: { id: backup.id }, body: { target, ...(dryRun && { dryRun }) } });
    if (options.dryRun) return startedTask(session, await start(true), { ...options, wait: true });
    const destroyed = destroys(target);
    if (destroyed !== undefined && !options.yes) await ask(session, client, backup, target, destroyed, () => start(true));
    await startedTask(session, await start(false), options);
  });
}

/** Shows what exactly a restore would do before asking for it. A load command cannot be rehearsed. */
async function ask(
  session: Session,
  client: Client,
  backup: Backup,
  target: RestoreTargetInput,
  destroyed: string,
  rehearse: () => ReturnType<typeof client.call<'backupRestore'>>,
): Promise<void> {
  const { confirmDestruction } = await import('../prompt.ts');
  const { terminal } = session;
  const what = `restoring ${shortId(backup.id)}`;
  if (terminal.interactive && target.kind !== 'command') {
    const [{ concludeTask, followTask }, { stepsText }] = await Promise.all([import('../follow.ts'), import('../outcome.ts')]);
    terminal.stderr.write('looking at what would be overwritten …\n');
    const rehearsal = await followTask(session, await rehearse(), { cancelOnInterrupt: true });
    concludeTask(session, rehearsal);
    session.exitCode = 0;
    terminal.stderr.write(stepsText(rehearsal.result?.steps ?? [], terminal.paintError, stepsBeforeQuestion));
  }
  const name = `${printable(backup.name) || shortId(backup.id)} of ${formatTime(backup.time)}`;
  await confirmDestruction(terminal, what, `Restore ${name}? ${printable(destroyed[0]?.toUpperCase() + destroyed.slice(1))}.`, undefined);
}
