// agentcli vault create, vault attach: where vaults come from.
import type { Command } from 'commander';
import { plural } from '../format.ts';
import { absolutePath, parseCapacity, parseCount } from '../parse.ts';
import { findRecoveryKey, tellKey, withNewKey } from '../recovery-key.ts';
import type { Session } from '../session.ts';
import { type StoreOptions, storeCredentials, storeDetails, storeOptions } from '../store-options.ts';
import { printable } from '../terminal.ts';
import { choice, verb } from '../verb.ts';

interface CreateOptions {
  readonly type?: 'any' | 'server' | 'disk' | 'file';
  readonly spec?: 'server' | 'application-consistent';
  readonly protection?: 'backup' | 'replication';
  readonly pool?: string;
  readonly capacity?: number;
  readonly immutable?: number;
  readonly description?: string;
  readonly recoveryKeyFile?: string;
}

interface AttachOptions extends StoreOptions {
  readonly recoveryKeyFile?: string;
  readonly name?: string;
  readonly description?: string;
  readonly capacity?: number;
  readonly immutable?: number;
  readonly takeOverConfig?: boolean;
}

export function addVaultOrigins(noun: Command, session: Session): void {
  verb(
    noun,
    'create [name]',
    'create a vault and its recovery key',
    'agentcli vault create main --pool disk --capacity 500 --recovery-key-file /root/main.key',
  )
    .option('--pool <pool>', 'may be left out while there is just one')
    .option('--capacity <gb>', 'GB, or TB with a T; 100 if not given', parseCapacity)
    .addOption(choice('--type <type>', 'what may be backed up into it: any, if not given', ['any', 'server', 'disk', 'file']))
    .addOption(choice('--spec <spec>', 'server: applications are not frozen for its backups', ['server', 'application-consistent']))
    .addOption(choice('--protection <kind>', 'replication: for copies of backups', ['backup', 'replication']))
    .option('--immutable <days>', 'nobody can remove a backup for so many days; needs a bucket with Object Lock', parseCount)
    .option('--description <text>', 'at most 255 characters')
    .option('--recovery-key-file <file>', 'a new file for the recovery key (mode 0600); it is a restic password file, too')
    .action((name: string | undefined, options: CreateOptions) => createVault(session, name, options));

  storeOptions(
    verb(
      noun,
      'attach <location>',
      'go on with a vault that another host wrote, or any restic repository',
      'agentcli vault attach /backup/main/6f1c2d3e --recovery-key-file /root/main.key',
      'agentcli vault attach s3:https://s3.example.org/dbs/main/6f1c2d3e --credentials-file s3.ini --take-over-config',
    )
      .option('--recovery-key-file <file>', 'file with the recovery key or restic’s password; else the environment, else a question')
      .option('--name <name>', 'name of the vault here')
      .option('--immutable <days>', 'nobody can remove a backup for so many days; needs a bucket with Object Lock', parseCount)
      .option('--description <text>', 'at most 255 characters')
      .option('--capacity <gb>', 'GB, or TB with a T; 100 if not given', parseCapacity)
      .option('--take-over-config', 'make the plans again that its last backup knew'),
  ).action((location: string, options: AttachOptions) => attachVault(session, location, options));
}

async function createVault(session: Session, name: string | undefined, options: CreateOptions): Promise<void> {
  const { pool, capacity, description, immutable, type, spec, protection } = options;
  const body = {
    ...(type && { type }),
    ...(spec && { spec }),
    ...(protection && { protection }),
    ...(name !== undefined && { name }),
    ...(pool !== undefined && { pool }),
    ...(capacity !== undefined && { capacityGb: capacity }),
    ...(immutable !== undefined && { immutableDays: immutable }),
    ...(description !== undefined && { description }),
  };
  const create = async () => (await session.agent()).call('vaultCreate', { body });
  const { made, keyFile } = await withNewKey(session, options.recoveryKeyFile, create);
  if (session.json) {
    keyFile?.keep(made.recoveryKey);
    return session.printJson(keyFile ? { vault: made.vault, recoveryKeyFile: keyFile.path } : made);
  }
  session.print(`vault ${session.terminal.paint('bold', made.vault.name)} created: ${printable(made.vault.location)}\n`);
  await tellKey(session, made.recoveryKey, keyFile);
}

async function attachVault(session: Session, location: string, options: AttachOptions): Promise<void> {
  const { name, description, capacity, immutable, takeOverConfig } = options;
  const isBucket = location.startsWith('s3:');
  const credentials = isBucket ? await storeCredentials(session, options, location) : undefined;
  const body = {
    location: isBucket ? location : absolutePath(location),
    recoveryKey: await findRecoveryKey(session, options.recoveryKeyFile),
    ...storeDetails(options),
    ...(credentials && { credentials }),
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(capacity !== undefined && { capacityGb: capacity }),
    ...(immutable !== undefined && { immutableDays: immutable }),
    ...(takeOverConfig && { takeOver: true }),
  };
  const attached = await (await session.agent()).call('vaultAttach', { body });
  if (session.json) return session.printJson(attached);
  const { takenOver, skipped, vault, agentConfig } = attached;
  session.print(
    `vault ${session.terminal.paint('bold', vault.name)} attached: ${plural(attached.backups, 'backup')} in ${printable(vault.location)}\n`,
  );
  if (takenOver.length > 0) session.print(`plans made again: ${takenOver.map(printable).join(', ')}\n`);
  if (skipped.length > 0) session.print(`plans left out, their names are taken: ${skipped.map(printable).join(', ')}\n`);
  for (const { item, detail } of attached.warnings)
    session.remark(`${session.terminal.paintError('yellow', 'warning:')} ${printable(item)}: ${printable(detail)}\n`);
  if (agentConfig !== null && !takeOverConfig) session.remark('its former agent’s plans are in it: --take-over-config makes them again\n');
}
