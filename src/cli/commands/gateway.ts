// agentcli gateway …
import type { Command } from 'commander';
import { fail } from '../../base/errors.ts';
import type { Gateway } from '../../rpc/schemas-gateway.ts';
import { formatSize, formatTime } from '../format.ts';
import { parseBandwidth } from '../parse.ts';
import type { Session } from '../session.ts';
import { printable } from '../terminal.ts';
import { verb } from '../verb.ts';
import { helpOf } from './pool.ts';

interface SetOptions {
  readonly name?: string;
  /** false: `--no-address`. */
  readonly address?: string | false;
  readonly bandwidth?: number;
}

export function addGateway(noun: Command, session: Session): void {
  verb(
    noun,
    'set',
    'create the gateway, or change its address or bandwidth',
    'agentcli gateway set --address 203.0.113.7 --bandwidth 20M',
    'agentcli gateway set --no-address',
  )
    .option('--name <name>', 'a name; gateway if not given')
    .option('--address <ip>', 'IPv4 or IPv6 address of this host that backups leave by')
    .option('--no-address', 'leave by whichever address the routes of this host say')
    .option('--bandwidth <n>', 'limit in bytes a second (20M); 0 for none; holds for running tasks, too', parseBandwidth)
    .action(async (options: SetOptions, command: Command) => {
      const { name, bandwidth } = options;
      // commander takes --no-address as the default of --address unless somebody typed it.
      const typed = command.getOptionValueSource('address') === 'cli';
      const address = !typed ? undefined : options.address === false ? null : options.address;
      const body = {
        ...(name !== undefined && { name }),
        ...(address !== undefined && { address }),
        ...(bandwidth !== undefined && { bandwidth }),
      };
      if (Object.keys(body).length === 0)
        fail('USAGE_ARGUMENT', { detail: 'give --address, --no-address, --bandwidth or --name', help: helpOf(command) });
      await printGateway(session, await (await session.agent()).call('gatewaySet', { body }));
    });

  verb(noun, 'show', 'show the gateway', 'agentcli gateway show').action(async () =>
    printGateway(session, await (await session.agent()).call('gatewayShow', {})),
  );

  verb(noun, 'remove', 'remove the gateway, once no pool in an S3 service is left', 'agentcli gateway remove')
    .option('-y, --yes', 'do not ask')
    .action(async ({ yes }: { readonly yes?: boolean }) => {
      const client = await session.agent();
      const { name } = await client.call('gatewayShow', {});
      const { confirmDestruction } = await import('../prompt.ts');
      await confirmDestruction(
        session.terminal,
        `removing ${name === 'gateway' ? 'the gateway' : `the gateway ${name}`}`,
        `Remove the gateway ${name}?`,
        yes,
      );
      const removed = await client.call('gatewayRemove', {});
      if (session.json) session.printJson(removed);
      else session.print(`gateway ${name} removed\n`);
    });
}

async function printGateway(session: Session, gateway: Gateway): Promise<void> {
  if (session.json) return session.printJson(gateway);
  const { detailsText, stateText } = await import('../print.ts');
  const { paint } = session.terminal;
  session.print(
    detailsText(
      `gateway ${paint('bold', gateway.name)} ${stateText(gateway.state, paint)}`,
      [
        ['Detail', printable(gateway.stateDetail)],
        ['ID', gateway.id],
        ['Address', gateway.address ?? 'as the routes of this host say'],
        ['Bandwidth', gateway.bandwidth > 0 ? `${formatSize(gateway.bandwidth)}/s` : 'no limit'],
        ['Pools', String(gateway.pools)],
        ['Created', formatTime(gateway.createdAt)],
        ['Changed', formatTime(gateway.updatedAt)],
      ],
      paint,
    ),
  );
}
