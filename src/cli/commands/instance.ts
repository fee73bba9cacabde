// agentcli instance …
import type { Command } from 'commander';
import type { Instance } from '../../rpc/schemas-services.ts';
import { formatTime, shortId } from '../format.ts';
import { printList, readPages } from '../list.ts';
import type { Session } from '../session.ts';
import { type Paint, printable } from '../terminal.ts';
import { type ListOptions, listOptions, verb } from '../verb.ts';

export function addInstance(noun: Command, session: Session): void {
  listOptions(verb(noun, 'list', 'list the servers that were started from backups', 'agentcli instance list')).action(
    async (options: ListOptions) => {
      const client = await session.agent();
      const page = await readPages(options, (query) => client.call('instanceList', { query }));
      const columns = [
        { title: 'ID', value: ({ id }: Instance, paint: Paint) => paint('cyan', shortId(id)) },
        { title: 'ENGINE', value: ({ engine }: Instance) => engine },
        { title: 'PORT', value: ({ port }: Instance) => String(port), align: 'right' as const },
        { title: 'DIRECTORY', value: ({ directory }: Instance) => printable(directory), flexible: true },
        { title: 'BACKUP', value: ({ backupId }: Instance) => (backupId === null ? '-' : shortId(backupId)) },
        { title: 'STARTED', value: ({ createdAt }: Instance) => formatTime(createdAt) },
        { title: 'CONNECT', value: ({ connect }: Instance) => printable(connect), flexible: true },
      ];
      await printList(session, page, () => columns, 'none: agentcli backup restore BACKUP --new-instance --dir DIRECTORY --port PORT');
    },
  );

  verb(noun, 'remove <instance>', 'stop such a server and delete its directory', 'agentcli instance remove /srv/copy')
    .option('--keep-data', 'stop it and leave its directory')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, { keepData, yes }: { readonly keepData?: boolean; readonly yes?: boolean }) => {
      const client = await session.agent();
      const { confirmDestruction } = await import('../prompt.ts');
      const question = keepData ? `Stop the server in ${printable(id)}?` : `Stop the server in ${printable(id)} and delete its data?`;
      await confirmDestruction(session.terminal, `removing the instance ${printable(id)}`, question, yes);
      const removed = await client.call('instanceRemove', { params: { id }, query: { ...(keepData && { keepData }) } });
      if (session.json) session.printJson(removed);
      else session.print(`instance ${printable(id)} ${keepData ? 'stopped' : 'removed'}\n`);
    });
}
