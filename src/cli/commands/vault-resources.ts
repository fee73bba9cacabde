// agentcli vault update, vault resources, vault associate, vault dissociate.
import type { Command } from 'commander';
import { fail } from '../../base/errors.ts';
import type { Resource } from '../../rpc/schemas-vault-rules.ts';
import type { VaultSpec } from '../../rpc/schemas-vaults.ts';
import { formatSize, formatTime, plural } from '../format.ts';
import type { Session } from '../session.ts';
import { type Paint, printable } from '../terminal.ts';
import { choice, verb } from '../verb.ts';
import { helpOf } from './pool.ts';
import { printVault } from './vault-print.ts';

interface UpdateOptions {
  readonly name?: string;
  readonly description?: string;
  readonly spec?: VaultSpec;
}

export function addVaultResources(noun: Command, session: Session): void {
  verb(noun, 'update <vault>', 'change name, description or specification', 'agentcli vault update main --spec application-consistent')
    .option('--name <name>', 'new name; the path of the repository stays')
    .option('--description <text>', 'at most 255 characters')
    .addOption(
      choice('--spec <spec>', 'application-consistent, once and for all: applications may be frozen', ['server', 'application-consistent']),
    )
    .action(async (id: string, options: UpdateOptions, command: Command) => {
      const { name, description, spec } = options;
      const body = { ...(name !== undefined && { name }), ...(description !== undefined && { description }), ...(spec && { spec }) };
      if (Object.keys(body).length === 0) fail('USAGE_ARGUMENT', { detail: 'there is nothing to change', help: helpOf(command) });
      await printVault(session, await (await session.agent()).call('vaultUpdate', { params: { id }, body }));
    });

  verb(noun, 'resources <vault>', 'what the plans of a vault protect', 'agentcli vault resources main').action(async (id: string) => {
    const list = await (await session.agent()).call('vaultResources', { params: { id } });
    if (session.json) return session.printJson(list);
    if (list.items.length === 0) return session.remark('nothing is associated yet: agentcli vault associate --help\n');
    const { tableText } = await import('../table.ts');
    const columns = [
      { title: 'RESOURCE', value: (one: Resource) => printable(one.name), flexible: true },
      { title: 'PLAN', value: (one: Resource, paint: Paint) => paint('bold', one.planName) },
      { title: 'SIZE', value: (one: Resource) => (one.sizeBytes > 0 ? formatSize(one.sizeBytes) : '-'), align: 'right' as const },
      { title: 'BACKUPS', value: (one: Resource) => String(one.backups), align: 'right' as const },
      { title: 'SINCE', value: (one: Resource) => formatTime(one.since) },
    ];
    session.print(tableText(columns, list.items, session.terminal));
    session.remark(`\n${list.used} of ${list.total} resources, ${formatSize(list.associatedBytes)} in all\n`);
  });

  verb(
    noun,
    'associate <vault> <plan>',
    'let a plan store into this vault from now on; its old backups stay where they are',
    'agentcli vault associate main etc',
  ).action(async (id: string, plan: string) => {
    const moved = await (await session.agent()).call('vaultAssociate', { params: { id }, body: { plan } });
    if (session.json) return session.printJson(moved);
    session.print(`plan ${moved.name} is associated with the vault ${moved.vaultName}\n`);
  });

  verb(
    noun,
    'dissociate <vault> <plan>',
    'take a plan out of a vault: all its backups there are deleted',
    'agentcli vault dissociate main etc',
  )
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, reference: string, options: { readonly yes?: boolean }) => {
      const client = await session.agent();
      const vault = await client.call('vaultShow', { params: { id } });
      const plan = await client.call('planShow', { params: { id: reference } });
      const { total } = await client.call('backupList', { query: { vault: vault.id, plan: plan.id, limit: 1 } });
      const { confirmDestruction } = await import('../prompt.ts');
      const question = `Dissociate the plan ${plan.name} from ${vault.name}, and delete its ${plural(total, 'backup')} there?`;
      await confirmDestruction(session.terminal, `dissociating ${plan.name} from ${vault.name}`, question, options.yes);
      const done = await client.call('vaultDissociate', { params: { id: vault.id, plan: plan.id } });
      if (session.json) return session.printJson(done);
      const late = done.deleted > 0 ? '; for 24 hours agentcli backup undelete brings them back' : '';
      session.print(`plan ${done.planName} dissociated from ${done.vaultName}, ${plural(done.deleted, 'backup')} deleted${late}\n`);
    });
}
