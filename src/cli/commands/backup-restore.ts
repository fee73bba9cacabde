// agentcli backup restore
import type { Command } from 'commander';
import type { Client } from '../../rpc/client.ts';
import type { Backup, RestoreTargetInput } from '../../rpc/schemas-backups.ts';
import { formatTime, shortId } from '../format.ts';
import type { RestoreOptions } from '../restorable.ts';
import { destroys, restoreOptions, targetFrom } from '../restore-options.ts';
import type { Session } from '../session.ts';
import { askingOf } from '../source-options.ts';
import { startedTask } from '../start.ts';
import { storeOptions } from '../store-options.ts';
import { printable } from '../terminal.ts';
import { verb, type WaitOptions, waitOptions } from '../verb.ts';
import { helpOf } from './pool.ts';

/** Paths of the plan that are shown before the question. */
const stepsBeforeQuestion = 20;

type Options = RestoreOptions & WaitOptions;

export function addBackupRestore(noun: Command, session: Session): void {
  waitOptions(
    storeOptions(
      restoreOptions(
        verb(
          noun,
          'restore <backup> [command...]',
          'restore files, disks, databases, buckets or the output of a command',
          'agentcli backup restore 8c1f2e9a --target /srv/restored --include /etc/nginx --wait',
          'agentcli backup restore 8c1f2e9a --in-place --overwrite if-changed --dry-run --wait',
          'agentcli backup restore 41d0bb7e --map /dev/vdb=/dev/vdc --verify --wait',
          'agentcli backup restore 77ab01cd --load-argv --wait -- mysql app',
          'agentcli backup restore 3fe91c20 --new-instance --dir /srv/copy --port 3307 --wait',
          'agentcli backup restore 3fe91c20 --new-instance --dir /srv/copy --port 3307 --to-time 2026-03-01T12:29:59Z --wait',
          'agentcli backup restore 90be12aa --in-place --table shop.orders --as shop=shop_old --wait',
        ),
      ),
    ),
  ).action(async (id: string, words: readonly string[], options: Options, command: Command) => {
    const client = await session.agent();
    const backup = await client.call('backupShow', { params: { id } });
    if (options.list) return printMoments(session, client, backup);
    const target = await targetFrom(options, words, backup, askingOf(session, helpOf(command)));
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

/** Which moments point-in-time recovery can reach. */
async function printMoments(session: Session, client: Client, backup: Backup): Promise<void> {
  const moments = await client.call('backupMoments', { params: { id: backup.id } });
  if (session.json) return session.printJson(moments);
  const { from, until, logs, gap } = moments;
  if (from === null) return session.print('this backup has no place in a log: it can be restored as it is, and to no other moment\n');
  session.print(`the backup itself: ${formatTime(from.at)}  ${printable(from.gtid ?? from.place)}\n`);
  if (until === null)
    return session.print('no backup of a log follows it: run a plan with --method incremental and this plan as its --base\n');
  const columns = [
    { title: 'LOG BACKUP', value: (log: (typeof logs)[number]) => shortId(log.id) },
    { title: 'FROM', value: (log: (typeof logs)[number]) => formatTime(log.from.at) },
    { title: 'TO', value: (log: (typeof logs)[number]) => formatTime(log.until.at) },
    { title: 'LAST PLACE', value: (log: (typeof logs)[number]) => printable(log.until.place), flexible: true },
  ];
  const { tableText } = await import('../table.ts');
  session.print(tableText(columns, logs, session.terminal));
  session.print(`any moment until ${formatTime(until.at)} (${printable(until.place)})\n`);
  if (gap !== null) session.remark(`no further: ${printable(gap)}\n`);
}
