// agentcli vault …
import type { Command } from 'commander';
import type { Vault, VaultState, VaultType } from '../../rpc/schemas-vaults.ts';
import { formatSize, formatTime, plural } from '../format.ts';
import { printList, readPages } from '../list.ts';
import { parseCapacity, parsePercent, parseSubset } from '../parse.ts';
import type { Session } from '../session.ts';
import { startedTask } from '../start.ts';
import type { Paint } from '../terminal.ts';
import { choice, type ListOptions, listOptions, verb, type WaitOptions, waitOptions } from '../verb.ts';
import { addVaultKeys } from './vault-keys.ts';
import { addVaultOrigins } from './vault-origins.ts';
import { printVault, usageText } from './vault-print.ts';
import { addVaultRecover } from './vault-recover.ts';
import { addVaultResources } from './vault-resources.ts';

const states = ['creating', 'available', 'locked', 'deleting', 'error'] as const satisfies readonly VaultState[];
const vaultTypes = ['any', 'server', 'disk', 'file'] as const satisfies readonly VaultType[];

interface Filters extends ListOptions {
  readonly state?: VaultState;
  readonly pool?: string;
  readonly type?: VaultType;
}

export function addVault(noun: Command, session: Session): void {
  addVaultOrigins(noun, session);
  addVaultRecover(noun, session, async (input) => (await session.agent()).call('vaultRecover', input));

  listOptions(verb(noun, 'list', 'list vaults', 'agentcli vault list'))
    .addOption(choice('--state <state>', 'only vaults in this state', states).helpGroup('Filters:'))
    .addOption(choice('--type <type>', 'only vaults of this type', vaultTypes).helpGroup('Filters:'))
    .option('--pool <pool>', 'only vaults in this pool')
    .action(async (options: Filters) => {
      const client = await session.agent();
      const { state, pool, type } = options;
      const page = await readPages(options, (query) =>
        client.call('vaultList', { query: { ...query, ...(state && { state }), ...(pool && { pool }), ...(type && { type }) } }),
      );
      const { stateText } = await import('../print.ts');
      const columns = [
        { title: 'NAME', value: (vault: Vault, paint: Paint) => paint('bold', vault.name), flexible: true },
        { title: 'STATE', value: (vault: Vault, paint: Paint) => stateText(vault.state, paint) },
        { title: 'TYPE', value: (vault: Vault) => vault.type },
        { title: 'POOL', value: (vault: Vault) => vault.poolName },
        { title: 'USED/TOTAL', value: usageText, align: 'right' as const },
        { title: 'BACKUPS', value: (vault: Vault) => String(vault.backups), align: 'right' as const },
        { title: 'PLANS', value: (vault: Vault) => String(vault.plans), align: 'right' as const },
        { title: 'RESOURCES', value: (vault: Vault) => String(vault.resources), align: 'right' as const },
        { title: 'CREATED', value: (vault: Vault) => formatTime(vault.createdAt) },
      ];
      await printList(session, page, () => columns, 'no vault yet: agentcli vault create --help');
    });

  verb(noun, 'show <vault>', 'show a vault; its location is what restic -r takes', 'agentcli vault show main').action(async (id: string) =>
    printVault(session, await (await session.agent()).call('vaultShow', { params: { id } })),
  );

  verb(noun, 'expand <vault>', 'give a vault more capacity', 'agentcli vault expand main --capacity 2T')
    .requiredOption('--capacity <gb>', 'new capacity in GB, or TB with a T', parseCapacity)
    .action(async (id: string, { capacity }: { readonly capacity: number }) =>
      printVault(session, await (await session.agent()).call('vaultUpdate', { params: { id }, body: { capacityGb: capacity } })),
    );

  waitOptions(
    verb(noun, 'check <vault>', 'check a vault; damage is named with every backup it hurts', 'agentcli vault check main --read-data --wait')
      .option('--read-data', 'read and verify every byte')
      .option('--read-data-subset <part>', 'read a part: 1/5 (the first of five) or 10%', parseSubset),
  ).action(async (id: string, options: WaitOptions & { readonly readData?: boolean; readonly readDataSubset?: string }) => {
    const readData = options.readDataSubset ?? options.readData ?? false;
    const task = await (await session.agent()).call('vaultCheck', { params: { id }, body: { readData } });
    await startedTask(session, task, options);
  });

  waitOptions(
    verb(noun, 'prune <vault>', 'give back the space of deleted backups', 'agentcli vault prune main --dry-run --wait')
      .option('--dry-run', 'only say what would be done')
      .option('--max-unused <percent>', 'unused space to leave; 5 if not given', parsePercent),
  ).action(async (id: string, options: WaitOptions & { readonly dryRun?: boolean; readonly maxUnused?: number }) => {
    const { dryRun, maxUnused } = options;
    const body = { ...(dryRun && { dryRun }), ...(maxUnused !== undefined && { maxUnusedPercent: maxUnused }) };
    await startedTask(session, await (await session.agent()).call('vaultPrune', { params: { id }, body }), options);
  });

  waitOptions(verb(noun, 'scan <vault>', 'read the records again into the list of backups', 'agentcli vault scan main --wait')).action(
    async (id: string, options: WaitOptions) =>
      startedTask(session, await (await session.agent()).call('vaultScan', { params: { id } }), options),
  );

  waitOptions(
    verb(noun, 'unlock <vault>', 'remove locks that dead processes left', 'agentcli vault unlock main --wait')
      .option('--all', 'also the locks of others, which may still be in use: asks first')
      .option('-y, --yes', 'do not ask'),
  ).action(async (id: string, options: WaitOptions & { readonly all?: boolean; readonly yes?: boolean }) => {
    const { all } = options;
    if (all) {
      const { confirmDestruction } = await import('../prompt.ts');
      const question = 'Remove all locks? A backup or prune that still runs elsewhere may then lose data.';
      await confirmDestruction(session.terminal, 'removing the locks of others', question, options.yes);
    }
    const body = all ? { all } : {};
    await startedTask(session, await (await session.agent()).call('vaultUnlock', { params: { id }, body }), options);
  });

  addVaultResources(noun, session);
  addVaultKeys(noun, session);

  waitOptions(
    verb(noun, 'delete <vault>', 'delete a vault with all its backups', 'agentcli vault delete main').option('-y, --yes', 'do not ask'),
  ).action(async (id: string, options: WaitOptions & { readonly yes?: boolean }) => {
    const client = await session.agent();
    const vault = await client.call('vaultShow', { params: { id } });
    const { confirmDestruction } = await import('../prompt.ts');
    const content = `${plural(vault.backups, 'backup')}, ${formatSize(vault.usedBytes)} in ${vault.location}`;
    const question = `Delete the vault ${vault.name} for ever (${content})?`;
    await confirmDestruction(session.terminal, `deleting the vault ${vault.name}`, question, options.yes);
    await startedTask(session, await client.call('vaultDelete', { params: { id: vault.id } }), options);
  });
}
