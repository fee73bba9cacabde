// agentcli vault recover: a vault that somebody overwrote or deleted becomes what it was at a moment.
import type { Command } from 'commander';
import type { VaultRecover, VaultRecovering } from '../../rpc/schemas-vault-recover.ts';
import { formatTime, plural } from '../format.ts';
import { recoveredText } from '../outcome.ts';
import { parseTime } from '../parse.ts';
import type { Session } from '../session.ts';
import { startedTask } from '../start.ts';
import { verb, type WaitOptions, waitOptions } from '../verb.ts';

type Call = (input: { readonly params: { readonly id: string }; readonly body: VaultRecover }) => Promise<VaultRecovering>;

interface Options extends WaitOptions {
  readonly at: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export function addVaultRecover(noun: Command, session: Session, call: Call): void {
  waitOptions(
    verb(
      noun,
      'recover <vault>',
      'make a vault in a bucket with versions what it was at a moment, whatever was overwritten or deleted since',
      'agentcli vault recover main --at "2026-03-01 12:30" --dry-run',
      'agentcli vault recover main --at "2026-03-01 12:30" --wait',
    )
      .requiredOption('--at <time>', 'the moment', parseTime)
      .option('--dry-run', 'only say what would be done')
      .option('-y, --yes', 'do not ask'),
  ).action(async (id: string, options: Options) => {
    const { at, dryRun = false } = options;
    const ask = (rehearse: boolean) => call({ params: { id }, body: { at, ...(rehearse && { dryRun: true }) } });
    if (dryRun) {
      const rehearsal = await ask(true);
      return session.json ? session.printJson(rehearsal) : session.print(planText(rehearsal));
    }
    const { confirmDestruction } = await import('../prompt.ts');
    const question = `Make the vault what it was at ${formatTime(at)}? Backups made since are hidden.`;
    await confirmDestruction(session.terminal, `recovering the vault ${id}`, question, options.yes);
    const { task } = await ask(false);
    if (task) await startedTask(session, task, options);
  });
}

function planText({ at, records, recovered }: VaultRecovering): string {
  const newest = (records ?? []).reduce((latest, { time }) => Math.max(latest, time), 0);
  const found = `${plural(records?.length ?? 0, 'backup')} at ${formatTime(at)}${newest > 0 ? `, the newest of ${formatTime(newest)}` : ''}\n`;
  return recovered ? `${found}${recoveredText(recovered)}` : found;
}
