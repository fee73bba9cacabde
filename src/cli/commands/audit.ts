// agentcli audit …
import type { Command } from 'commander';
import type { AuditEntry, AuditTracker } from '../../rpc/schemas-audit.ts';
import { formatTime, plural } from '../format.ts';
import { printList, readPages } from '../list.ts';
import type { Session } from '../session.ts';
import { type Paint, printable } from '../terminal.ts';
import { choice, type ListOptions, listOptions, verb } from '../verb.ts';

interface Filters extends ListOptions {
  readonly actor?: string;
  readonly trace?: string;
  readonly resource?: string;
  readonly result?: 'ok' | 'failed';
}

export function addAudit(noun: Command, session: Session): void {
  listOptions(
    verb(
      noun,
      'list',
      'list who did what, the newest first',
      'agentcli audit list --trace deleteBackup --from 2026-03-01',
      'agentcli audit list --resource main --result failed',
    ),
  )
    .option('--actor <name>', 'only what this user did; stillpoint: what the agent did by itself')
    .option('--trace <name>', 'only this operation (createVault, restoreBackup …)')
    .option('--resource <what>', 'only what was done to a type (vault), a name, or an ID that begins so')
    .addOption(choice('--result <result>', 'only what went well, or what failed or was refused', ['ok', 'failed']).helpGroup('Filters:'))
    .action(async (options: Filters) => {
      const client = await session.agent();
      const { actor, trace, resource, result } = options;
      const filters = { ...(actor && { actor }), ...(trace && { trace }), ...(resource && { resource }), ...(result && { result }) };
      const page = await readPages(options, (query) => client.call('auditList', { query: { ...query, ...filters } }));
      const columns = [
        { title: 'NO', value: (entry: AuditEntry) => String(entry.seq), align: 'right' as const },
        { title: 'TIME', value: (entry: AuditEntry) => formatTime(entry.at) },
        { title: 'WHO', value: (entry: AuditEntry) => `${printable(entry.actor)} (${printable(entry.address)})` },
        { title: 'WHAT', value: (entry: AuditEntry, paint: Paint) => paint('bold', printable(entry.trace)) },
        { title: 'ON', value: (entry: AuditEntry) => onText(entry) },
        { title: 'RESULT', value: (entry: AuditEntry, paint: Paint) => resultText(entry, paint) },
        { title: 'DETAIL', value: (entry: AuditEntry) => printable(entry.detail), flexible: true },
      ];
      await printList(session, page, () => columns, 'nothing was recorded that matches');
    });

  verb(noun, 'verify', 'find out whether entries were changed or removed', 'agentcli audit verify').action(async () => {
    const proof = await (await session.agent()).call('auditVerify', {});
    if (session.json) return session.printJson(proof);
    if (proof.entries === 0) return session.print('the audit trail is whole; it has no entries yet\n');
    const span = `${plural(proof.entries, 'entry').replace('entrys', 'entries')}, ${formatTime(proof.from)} to ${formatTime(proof.to)}`;
    const before =
      proof.first > 1 ? `; it begins at number ${proof.first}: what was before has expired, or was lost with the database` : '';
    session.print(`the audit trail is whole: ${span}${before}\n  the last is number ${proof.last}, ${proof.hash}\n`);
  });

  verb(noun, 'status', 'tell whether operations are recorded', 'agentcli audit status').action(async () =>
    printTracker(session, await (await session.agent()).call('auditTracker', { body: {} })),
  );

  verb(noun, 'on', 'record operations', 'agentcli audit on').action(async () =>
    printTracker(session, await (await session.agent()).call('auditTracker', { body: { on: true } })),
  );

  verb(noun, 'off', 'record operations no longer; what was recorded stays', 'agentcli audit off --yes')
    .option('-y, --yes', 'do not ask')
    .action(async (options: { readonly yes?: boolean }) => {
      const { confirmDestruction } = await import('../prompt.ts');
      const question = 'Record no longer who changes what, until it is switched on again?';
      await confirmDestruction(session.terminal, 'switching the audit trail off', question, options.yes);
      await printTracker(session, await (await session.agent()).call('auditTracker', { body: { on: false } }));
    });
}

function onText({ resourceType, resourceName, resourceId }: AuditEntry): string {
  return `${resourceType} ${printable(resourceName || resourceId.slice(0, 8))}`.trim();
}

function resultText({ result, code }: AuditEntry, paint: Paint): string {
  return result === 'ok' ? paint('green', 'ok') : paint('red', code ?? 'failed');
}

async function printTracker(session: Session, { on, entries, from, to }: AuditTracker): Promise<void> {
  if (session.json) return session.printJson({ on, entries, from, to });
  const { detailsText } = await import('../print.ts');
  const { paint } = session.terminal;
  const rows = [
    ['Entries', String(entries)],
    ['First', from === null ? undefined : formatTime(from)],
    ['Last', to === null ? undefined : formatTime(to)],
  ] as const;
  session.print(detailsText(`audit trail ${on ? paint('green', 'on') : paint('yellow', 'off')}`, rows, paint));
}
