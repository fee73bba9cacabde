// agentcli vault …
import type { Command } from 'commander';
import type { Vault, VaultState } from '../../rpc/schemas-vaults.ts';
import { formatSize, formatTime, plural, shortId } from '../format.ts';
import { printList, readPages } from '../list.ts';
import { parseCapacity, parsePercent, parseSubset } from '../parse.ts';
import type { Session } from '../session.ts';
import { startedTask } from '../start.ts';
import { type Paint, printable } from '../terminal.ts';
import { choice, type ListOptions, listOptions, verb, type WaitOptions, waitOptions } from '../verb.ts';
import { addVaultKeys } from './vault-keys.ts';
import { addVaultOrigins } from './vault-origins.ts';

const states = ['creating', 'available', 'locked', 'deleting', 'error'] as const satisfies readonly VaultState[];
/** Capacities are counted in GiB, as the sizes beside them. */
const gib = 1024 ** 3;

interface Filters extends ListOptions {
  readonly state?: VaultState;
  readonly pool?: string;
}

export function addVault(noun: Command, session: Session): void {
  addVaultOrigins(noun, session);

  listOptions(verb(noun, 'list', 'list vaults', 'agentcli vault list'))
    .addOption(choice('--state <state>', 'only vaults in this state', states).helpGroup('Filters:'))
    .option('--pool <pool>', 'only vaults in this pool')
    .action(async (options: Filters) => {
      const client = await session.agent();
      const { state, pool } = options;
      const page = await readPages(options, (query) =>
        client.call('vaultList', { query: { ...query, ...(state && { state }), ...(pool && { pool }) } }),
      );
      const { stateText } = await import('../print.ts');
      const columns = [
        { title: 'NAME', value: (vault: Vault, paint: Paint) => paint('bold', vault.name), flexible: true },
        { title: 'STATE', value: (vault: Vault, paint: Paint) => stateText(vault.state, paint) },
        { title: 'POOL', value: (vault: Vault) => vault.poolName },
        { title: 'USED', value: (vault: Vault) => formatSize(vault.usedBytes), align: 'right' as const },
        { title: 'CAPACITY', value: (vault: Vault) => formatSize(vault.capacityGb * gib), align: 'right' as const },
        { title: 'BACKUPS', value: (vault: Vault) => String(vault.backups), align: 'right' as const },
        { title: 'PLANS', value: (vault: Vault) => String(vault.plans), align: 'right' as const },
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

export async function printVault(session: Session, vault: Vault): Promise<void> {
  if (session.json) return session.printJson(vault);
  const { barText, detailsText, stateText } = await import('../print.ts');
  const { paint } = session.terminal;
  const share = vault.usedBytes / (vault.capacityGb * gib);
  const bar = paint(share > 0.9 ? 'red' : share > 0.8 ? 'yellow' : 'green', barText(share, 24));
  const keys = vault.keys.map(
    ({ id, created, hostname, username, current, recovery }) =>
      `${paint('cyan', shortId(id))}  ${formatTime(created)}  ${printable(`${username}@${hostname}`)}${paint('dim', current ? '  in use' : recovery ? '  recovery key' : '')}`,
  );
  const rows = [
    ['Detail', printable(vault.stateDetail)],
    ['ID', vault.id],
    ['Description', printable(vault.description)],
    ['Pool', vault.poolName],
    ['Location', printable(vault.location)],
    ['Repository', vault.repositoryId],
    [
      'Used',
      `${bar} ${formatSize(vault.usedBytes)} of ${formatSize(vault.capacityGb * gib)} (${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %)`,
    ],
    ['Backups', String(vault.backups)],
    ['Plans', String(vault.plans)],
    ['Keys', keys.join('\n')],
    ['Created', formatTime(vault.createdAt)],
  ] as const;
  session.print(detailsText(`vault ${paint('bold', vault.name)} ${stateText(vault.state, paint)}`, rows, paint));
}
