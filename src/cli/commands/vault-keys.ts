// agentcli vault recovery-key, vault keys …
import type { Command } from 'commander';
import type { RecoveryKey, VaultKey } from '../../rpc/schemas-vaults.ts';
import { type KeyFile, readKeyFile } from '../files.ts';
import { formatTime, plural, shortId, shortIds } from '../format.ts';
import { tellKey, withNewKey } from '../recovery-key.ts';
import type { Session } from '../session.ts';
import { type Paint, printable } from '../terminal.ts';
import { verb } from '../verb.ts';

interface NewKeyOptions {
  readonly recoveryKeyFile?: string;
  readonly passwordFile?: string;
  readonly yes?: boolean;
}

export function addVaultKeys(noun: Command, session: Session): void {
  verb(
    noun,
    'recovery-key <vault>',
    'make a new recovery key; the old one opens the vault no longer',
    'agentcli vault recovery-key main --recovery-key-file /root/main-new.key',
  )
    .option('--recovery-key-file <file>', 'a new file for the recovery key (mode 0600)')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, options: NewKeyOptions) => {
      const client = await session.agent();
      const vault = await client.call('vaultShow', { params: { id } });
      const { confirmDestruction } = await import('../prompt.ts');
      const question = `Replace the recovery key of ${vault.name}? Copies of the old one become useless.`;
      await confirmDestruction(session.terminal, `replacing the recovery key of ${vault.name}`, question, options.yes);
      const make = () => client.call('vaultRecoveryKey', { params: { id: vault.id } });
      const { made, keyFile } = await withNewKey(session, options.recoveryKeyFile, make);
      await printNewKey(session, made, keyFile, `vault ${vault.name} has a new recovery key`);
    });

  const keys = noun.command('keys').summary('list, add and remove keys').description('Keys that open a vault. Each one opens all of it.');
  keys.helpCommand(false).helpOption('-h, --help', 'show this help');

  verb(keys, 'list <vault>', 'list the keys', 'agentcli vault keys list main').action(async (id: string) => {
    const { items } = await (await session.agent()).call('vaultKeys', { params: { id } });
    if (session.json) return session.printJson({ items, total: items.length, nextCursor: null });
    const { tableText } = await import('../table.ts');
    const ids = shortIds(items.map((key) => key.id));
    const columns = [
      { title: 'KEY', value: (key: VaultKey, paint: Paint) => paint('cyan', ids.get(key.id) ?? key.id) },
      { title: 'CREATED', value: (key: VaultKey) => formatTime(key.created) },
      { title: 'BY', value: (key: VaultKey) => printable(`${key.username}@${key.hostname}`), flexible: true },
      {
        title: '',
        value: (key: VaultKey, paint: Paint) => (key.current ? paint('green', 'in use by the agent') : key.recovery ? 'recovery key' : ''),
      },
    ];
    session.print(tableText(columns, items, session.terminal));
  });

  verb(
    keys,
    'add <vault>',
    'add a key: a new recovery key, or a password of yours',
    'agentcli vault keys add main --recovery-key-file /root/second.key',
  )
    .option('--recovery-key-file <file>', 'a new file for the key that is made (mode 0600)')
    .option('--password-file <file>', 'a password that exists already, in its first line')
    .action(async (id: string, { recoveryKeyFile, passwordFile }: NewKeyOptions) => {
      const client = await session.agent();
      if (passwordFile !== undefined) {
        const added = await client.call('vaultKeyAdd', { params: { id }, body: { password: readKeyFile(passwordFile) } });
        return printNewKey(session, added, undefined, 'key added');
      }
      const make = () => client.call('vaultKeyAdd', { params: { id }, body: {} });
      const { made, keyFile } = await withNewKey(session, recoveryKeyFile, make);
      await printNewKey(session, made, keyFile, 'key added');
    });

  verb(keys, 'remove <vault> <key>', 'remove a key; what it opened it opens no longer', 'agentcli vault keys remove main 5d0e41c7')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, key: string, options: { readonly yes?: boolean }) => {
      const client = await session.agent();
      const { confirmDestruction } = await import('../prompt.ts');
      await confirmDestruction(session.terminal, `removing the key ${key}`, `Remove the key ${key} of the vault ${id}?`, options.yes);
      const removed = await client.call('vaultKeyRemove', { params: { id, key } });
      if (session.json) session.printJson(removed);
      else session.print(`key ${removed.id} removed\n`);
    });
}

async function printNewKey(session: Session, made: RecoveryKey, keyFile: KeyFile | undefined, done: string): Promise<void> {
  const { recoveryKey, ...rest } = made;
  if (session.json) {
    if (recoveryKey !== null) keyFile?.keep(recoveryKey);
    return session.printJson(keyFile ? { ...rest, recoveryKeyFile: keyFile.path } : made);
  }
  const removed = made.removed.length > 0 ? `; ${plural(made.removed.length, 'old key')} removed` : '';
  session.print(`${done}${made.keyId ? ` (${shortId(made.keyId)})` : ''}${removed}\n`);
  if (recoveryKey !== null) await tellKey(session, recoveryKey, keyFile);
}
