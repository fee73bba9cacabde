// agentcli backup …
import type { Command } from 'commander';
import type { Client } from '../../rpc/client.ts';
import type { Backup } from '../../rpc/schemas-backups.ts';
import { consistencyMark } from '../consistency-options.ts';
import { formatCount, formatDuration, formatSize, formatTime, shortId, shortIds } from '../format.ts';
import { printList, readPages } from '../list.ts';
import type { Session } from '../session.ts';
import { startedTask } from '../start.ts';
import { type Paint, printable } from '../terminal.ts';
import { choice, type ListOptions, listOptions, verb, type WaitOptions, waitOptions } from '../verb.ts';
import { addBackupLook } from './backup-look.ts';
import { addBackupRestore } from './backup-restore.ts';

const states = ['available', 'creating', 'restoring', 'deleting', 'error'] as const satisfies readonly Backup['state'][];
const kinds = ['manual', 'auto', 'foreign'] as const satisfies readonly Backup['kind'][];

interface RunOptions extends WaitOptions {
  readonly name?: string;
  readonly description?: string;
  readonly full?: boolean;
}

interface Filters extends ListOptions {
  readonly state?: Backup['state'];
  readonly vault?: string;
  readonly plan?: string;
  readonly server?: string;
  readonly type?: string;
  readonly kind?: Backup['kind'];
  readonly replica?: boolean;
}

export function addBackup(noun: Command, session: Session): void {
  waitOptions(
    verb(noun, 'run <plan>', 'make a backup now', 'agentcli backup run etc --wait', 'agentcli backup run etc --name before-upgrade --full')
      .option('--name <name>', 'manualbk_xxxx if not given')
      .option('--description <text>', 'at most 255 characters')
      .option('--full', 're-read everything and verify what is stored already'),
  ).action(async (plan: string, options: RunOptions) => {
    const { name, description, full } = options;
    const body = { plan, ...(name !== undefined && { name }), ...(description !== undefined && { description }), ...(full && { full }) };
    await startedTask(session, await (await session.agent()).call('backupRun', { body }), options);
  });

  listOptions(verb(noun, 'list', 'list backups, the newest first', 'agentcli backup list --plan etc --from 2026-03-01'))
    .addOption(choice('--state <state>', 'only backups in this state', states).helpGroup('Filters:'))
    .option('--vault <vault>', 'only backups in this vault')
    .option('--plan <plan>', 'only backups of this plan')
    .option('--server <host>', 'only backups of this host')
    .option('--type <type>', 'only backups of this source (files, disk, command)')
    .addOption(choice('--kind <kind>', 'only manual, scheduled or foreign ones', kinds).helpGroup('Filters:'))
    .option('--replica', 'only copies of backups of other vaults')
    .option('--no-replica', 'no copies')
    .action((options: Filters) => listBackups(session, options));

  verb(noun, 'show <backup>', 'show a backup', 'agentcli backup show 8c1f2e9a').action(async (id: string) =>
    printBackup(session, await (await session.agent()).call('backupShow', { params: { id } })),
  );

  addBackupLook(noun, session);
  addBackupRestore(noun, session);

  waitOptions(
    verb(
      noun,
      'delete <backup>',
      'delete a backup; it can be taken back for 24 hours, and no other is harmed',
      'agentcli backup delete 8c1f2e9a',
      'agentcli backup delete 8c1f2e9a --now --wait',
    )
      .option('--now', 'at once and for good')
      .option('-y, --yes', 'do not ask'),
  ).action(async (id: string, options: WaitOptions & { readonly yes?: boolean; readonly now?: boolean }) => {
    const client = await session.agent();
    const backup = await client.call('backupShow', { params: { id } });
    const { confirmDestruction } = await import('../prompt.ts');
    const name = `${printable(backup.name) || shortId(backup.id)} (${shortId(backup.id)}, ${formatTime(backup.time)})`;
    await confirmDestruction(
      session.terminal,
      `deleting the backup ${shortId(backup.id)}`,
      `Delete the backup ${name}${options.now ? ' for ever' : ''}?`,
      options.yes,
    );
    const deleted = await client.call('backupDelete', { params: { id: backup.id }, query: options.now ? { now: true } : {} });
    if (deleted.task) return startedTask(session, deleted.task, options);
    if (session.json) return session.printJson(deleted);
    const { deleteAt } = deleted.backup;
    session.print(`backup ${name} deleted\n`);
    if (deleteAt !== null)
      session.remark(`until ${formatTime(deleteAt)} it can be taken back: agentcli backup undelete ${shortId(backup.id)}\n`);
  });

  verb(noun, 'undelete <backup>', 'take a deletion back, within 24 hours', 'agentcli backup undelete 8c1f2e9a').action(
    async (id: string) => {
      const backup = await (await session.agent()).call('backupUndelete', { params: { id } });
      if (session.json) session.printJson(backup);
      else session.print(`backup ${printable(backup.name) || shortId(backup.id)} is ${backup.state} again\n`);
    },
  );
}

async function listBackups(session: Session, options: Filters): Promise<void> {
  const client: Client = await session.agent();
  const { state, vault, plan, server, type, kind, replica } = options;
  const filters = {
    ...(state && { state }),
    ...(vault && { vault }),
    ...(plan && { plan }),
    ...(server && { server }),
    ...(type && { type }),
    ...(kind && { kind }),
    ...(replica !== undefined && { replica }),
  };
  const page = await readPages(options, (query) => client.call('backupList', { query: { ...query, ...filters } }));
  const { nameText, stateText } = await import('../print.ts');
  const columns = (backups: readonly Backup[]) => {
    const ids = shortIds(backups.map((backup) => backup.id));
    const hosts = new Set(backups.map((backup) => backup.hostname));
    const host = { title: 'HOST', value: (backup: Backup) => printable(backup.hostname) };
    return [
      { title: 'ID', value: (backup: Backup, paint: Paint) => paint('cyan', ids.get(backup.id) ?? backup.id) },
      { title: 'TIME', value: (backup: Backup) => formatTime(backup.time) },
      { title: 'NAME', value: (backup: Backup) => nameText(backup.name), flexible: true },
      { title: 'PLAN', value: (backup: Backup) => nameText(backup.planName) },
      { title: 'STATE', value: (backup: Backup, paint: Paint) => stateText(backup.state, paint) + warningsMark(backup, paint) },
      ...(hosts.size > 1 ? [host] : []),
      { title: 'A', value: consistencyMark },
      { title: 'SOURCE', value: (backup: Backup) => backup.source ?? '-' },
      { title: 'SIZE', value: (backup: Backup) => (backup.sizeBytes > 0 ? formatSize(backup.sizeBytes) : '-'), align: 'right' as const },
      { title: 'ADDED', value: (backup: Backup) => (backup.summary ? formatSize(backup.addedBytes) : '-'), align: 'right' as const },
    ];
  };
  await printList(session, page, columns, 'no backup: agentcli backup run --help');
}

/** The level, and why it is not more. */
function consistencyLine({ consistency, consistencyReason }: Backup): string | undefined {
  if (consistency === null) return undefined;
  return consistencyReason === null ? consistency : `${consistency}: ${printable(consistencyReason)}`;
}

function warningsMark({ warnings }: Backup, paint: Paint): string {
  return warnings > 0 ? paint('yellow', ` !${formatCount(warnings)}`) : '';
}

async function printBackup(session: Session, backup: Backup): Promise<void> {
  if (session.json) return session.printJson(backup);
  const { detailsText, stateText } = await import('../print.ts');
  const { paint } = session.terminal;
  const { summary, endedAt, time } = backup;
  const rows = [
    ['ID', backup.id],
    ['Description', printable(backup.description)],
    ['Vault', backup.vaultName],
    ['Plan', backup.planName ?? undefined],
    ['Made', `${formatTime(time)}${endedAt !== null && endedAt > time ? ` (took ${formatDuration(endedAt - time)})` : ''}`],
    ['By', printable(`${backup.username}@${backup.hostname}`)],
    ['Source', backup.source ?? undefined],
    ['Consistency', consistencyLine(backup)],
    ['Kind', `${backup.kind}${backup.full ? ', full' : ''}`],
    ['Kept by', backup.keep ?? undefined],
    ['Goes at', backup.deleteAt === null ? undefined : formatTime(backup.deleteAt)],
    ['Paths', backup.paths.map(printable).join('\n')],
    ['Size', backup.sizeBytes > 0 ? formatSize(backup.sizeBytes) : undefined],
    [
      'Files',
      summary
        ? `${formatCount(summary.totalFiles)} (${formatCount(summary.filesNew)} new, ${formatCount(summary.filesChanged)} changed)`
        : undefined,
    ],
    ['Added', summary ? `${formatSize(summary.dataAdded)}, ${formatSize(summary.dataAddedPacked)} stored` : undefined],
    ['Warnings', backup.warnings > 0 ? paint('yellow', formatCount(backup.warnings)) : undefined],
    ['Parent', backup.parent ? shortId(backup.parent) : undefined],
    ['Task', backup.taskId ? shortId(backup.taskId) : undefined],
  ] as const;
  const name = printable(backup.name) || shortId(backup.id);
  session.print(detailsText(`backup ${paint('bold', name)} ${stateText(backup.state, paint)}`, rows, paint));
}
