// agentcli pool …
import type { Command } from 'commander';
import { fail } from '../../base/errors.ts';
import type { PlaceInput, Pool, PoolBound } from '../../rpc/schemas-pools.ts';
import { readTextFile } from '../files.ts';
import { formatSize, formatTime } from '../format.ts';
import { printList, readPages } from '../list.ts';
import { absolutePath, parseBandwidth } from '../parse.ts';
import type { Session } from '../session.ts';
import { flagOf } from '../source-options.ts';
import { bucketNameOptions, type StoreOptions, storeCredentials, storeDetails, storeOptions } from '../store-options.ts';
import { type Paint, printable } from '../terminal.ts';
import { choice, type ListOptions, listOptions, verb } from '../verb.ts';

interface BindOptions extends StoreOptions {
  readonly type: 'local' | 's3';
  readonly path?: string;
  readonly create?: boolean;
  readonly objectLock?: boolean;
  readonly endpoint?: string;
  readonly bucket?: string;
  readonly prefix?: string;
  readonly bandwidth?: number;
  readonly remark?: string;
}

export function addPool(noun: Command, session: Session): void {
  const [endpoint, bucket, prefix] = bucketNameOptions('dbs if not given');
  storeOptions(
    verb(
      noun,
      'bind <name>',
      'bind a pool; every right is tried first',
      'agentcli pool bind disk --type local --path /backup --create',
      'agentcli pool bind s3 --type s3 --endpoint https://s3.example.org --bucket dbs --credentials-file /root/s3.ini',
    )
      .addOption(choice('--type <type>', 'directory or bucket', ['local', 's3']).makeOptionMandatory())
      .option('--path <dir>', 'local: the directory', absolutePath)
      .option('--create', 'make the directory or bucket if it is missing')
      .option('--object-lock', 's3: for immutable vaults; with --create the bucket is made with Object Lock')
      .option('--bandwidth <n>', 'limit in bytes a second (20M); 0 for none', parseBandwidth)
      .option('--remark <text>', 'a remark')
      .addOption(endpoint)
      .addOption(bucket)
      .addOption(prefix),
  ).action(async (name: string, options: BindOptions, command: Command) => {
    const place = placeOf(options, helpOf(command));
    const credentials = place.type === 's3' ? await storeCredentials(session, options, `the bucket ${place.bucket ?? 'dbs'}`) : undefined;
    const { create, objectLock, bandwidth, remark } = options;
    const body = {
      name,
      place,
      ...(credentials && { credentials }),
      ...(create && { create }),
      ...(objectLock && { objectLock }),
      ...(bandwidth !== undefined && { bandwidth }),
      ...(remark !== undefined && { remark }),
    };
    await printBound(session, await (await session.agent()).call('poolBind', { body }), 'bound');
  });

  listOptions(verb(noun, 'list', 'list pools', 'agentcli pool list'))
    .addOption(choice('--state <state>', 'only pools in this state', ['online', 'offline']).helpGroup('Filters:'))
    .addOption(choice('--type <type>', 'only pools of this type', ['local', 's3']).helpGroup('Filters:'))
    .action(async (options: ListOptions & { readonly state?: 'online' | 'offline'; readonly type?: 'local' | 's3' }) => {
      const client = await session.agent();
      const { state, type } = options;
      const page = await readPages(options, (query) =>
        client.call('poolList', { query: { ...query, ...(state && { state }), ...(type && { type }) } }),
      );
      const { stateText } = await import('../print.ts');
      const columns = [
        { title: 'NAME', value: (pool: Pool, paint: Paint) => paint('bold', pool.name) },
        { title: 'STATE', value: (pool: Pool, paint: Paint) => stateText(pool.state, paint) },
        { title: 'TYPE', value: (pool: Pool) => pool.place.type },
        { title: 'LOCATION', value: (pool: Pool) => printable(pool.location), flexible: true },
        { title: 'BANDWIDTH', value: (pool: Pool) => bandwidthText(pool), align: 'right' as const },
        { title: 'VAULTS', value: (pool: Pool) => String(pool.vaults), align: 'right' as const },
        { title: 'PLANS', value: (pool: Pool) => String(pool.plans), align: 'right' as const },
      ];
      await printList(session, page, () => columns, 'no pool yet: agentcli pool bind --help');
    });

  verb(noun, 'show <pool>', 'show a pool', 'agentcli pool show disk').action(async (id: string) =>
    printPool(session, await (await session.agent()).call('poolShow', { params: { id } })),
  );

  verb(noun, 'probe <pool>', 'try every right on a pool now', 'agentcli pool probe disk').action(async (id: string) =>
    printBound(session, await (await session.agent()).call('poolProbe', { params: { id } }), 'probed'),
  );

  verb(noun, 'update <pool>', 'change name, remark, credentials, certificates or bandwidth', 'agentcli pool update s3 --bandwidth 20M')
    .option('--name <name>', 'new name')
    .option('--remark <text>', 'new remark')
    .option('--bandwidth <n>', 'limit in bytes a second (20M); 0 for none; holds for running tasks, too', parseBandwidth)
    .option('--credentials-file <file>', 'new credentials from a file')
    .option('--credentials', 'new credentials from the environment or by question')
    .option('--ca-file <file>', 'certificates to trust from now on besides the system’s (PEM); an empty file for none')
    .action(async (id: string, options: UpdateOptions, command: Command) => {
      const { name, remark, bandwidth, credentialsFile, caFile } = options;
      const renew = options.credentials || credentialsFile !== undefined;
      const credentials = renew ? await storeCredentials(session, options, `the pool ${id}`) : undefined;
      const body = {
        ...(name !== undefined && { name }),
        ...(remark !== undefined && { remark }),
        ...(bandwidth !== undefined && { bandwidth }),
        ...(credentials && { credentials }),
        ...(caFile !== undefined && { caPem: readTextFile(caFile) }),
      };
      if (Object.keys(body).length === 0) fail('USAGE_ARGUMENT', { detail: 'there is nothing to change', help: helpOf(command) });
      await printPool(session, await (await session.agent()).call('poolUpdate', { params: { id }, body }));
    });

  verb(noun, 'unbind <pool>', 'forget a pool that no vault uses; nothing in it is deleted', 'agentcli pool unbind disk')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, options: { readonly yes?: boolean }) => {
      const client = await session.agent();
      const pool = await client.call('poolShow', { params: { id } });
      const { confirmDestruction } = await import('../prompt.ts');
      await confirmDestruction(session.terminal, `unbinding ${pool.name}`, `Unbind the pool ${pool.name} (${pool.location})?`, options.yes);
      const removed = await client.call('poolUnbind', { params: { id: pool.id } });
      if (session.json) session.printJson(removed);
      else session.print(`pool ${pool.name} unbound; what is stored in ${pool.location} stays\n`);
    });
}

interface UpdateOptions {
  readonly name?: string;
  readonly remark?: string;
  readonly bandwidth?: number;
  readonly credentialsFile?: string;
  readonly credentials?: boolean;
  readonly caFile?: string;
}

export function helpOf(command: Command): string {
  return `agentcli ${command.parent?.name() ?? ''} ${command.name()} --help`;
}

function placeOf(options: BindOptions, help: string): PlaceInput {
  const { type, path, endpoint, bucket, prefix } = options;
  const lacks = (flag: string): never => fail('USAGE_ARGUMENT', { detail: `a pool of type ${type} needs ${flag}`, help });
  const foreign = (flag: string): never => fail('USAGE_ARGUMENT', { detail: `${flag} does not go with --type ${type}`, help });
  if (type === 'local') {
    const strange = (['objectLock', 'endpoint', 'bucket', 'prefix', 'region', 'addressing', 'caFile', 'credentialsFile'] as const).find(
      (key) => options[key] !== undefined,
    );
    if (strange) foreign(flagOf(strange));
    return { type, path: path ?? lacks('--path DIR') };
  }
  if (path !== undefined) foreign('--path');
  return {
    type,
    endpoint: endpoint ?? lacks('--endpoint URL'),
    ...(bucket !== undefined && { bucket }),
    ...(prefix !== undefined && { prefix }),
    ...storeDetails(options),
  };
}

function bandwidthText(pool: Pool): string {
  return pool.bandwidth > 0 ? `${formatSize(pool.bandwidth)}/s` : 'no limit';
}

async function printBound(session: Session, bound: PoolBound, done: string): Promise<void> {
  if (session.json) return session.printJson(bound);
  const { paint } = session.terminal;
  const steps = bound.probe.steps.map(({ right, ok, detail }) =>
    ok ? paint('green', `✓ ${right}`) : `${paint('red', `✗ ${right}`)}${detail ? ` (${printable(detail)})` : ''}`,
  );
  session.print(`pool ${paint('bold', bound.pool.name)} ${done}: ${printable(bound.pool.location)}\n  ${steps.join('  ')}\n`);
}

async function printPool(session: Session, pool: Pool): Promise<void> {
  if (session.json) return session.printJson(pool);
  const { detailsText, stateText } = await import('../print.ts');
  const { paint } = session.terminal;
  const { place } = pool;
  session.print(
    detailsText(
      `pool ${paint('bold', pool.name)} ${stateText(pool.state, paint)}`,
      [
        ['Detail', printable(pool.stateDetail)],
        ['ID', pool.id],
        ['Location', printable(pool.location)],
        ['Region', place.type === 's3' ? place.region : undefined],
        ['Addressing', place.type === 's3' ? place.addressing : undefined],
        ['Credentials', place.type === 's3' ? (pool.hasCredentials ? 'stored' : 'none') : undefined],
        ['Bandwidth', bandwidthText(pool)],
        ['Vaults', String(pool.vaults)],
        ['Plans', String(pool.plans)],
        ['Remark', printable(pool.remark)],
        ['Checked', formatTime(pool.checkedAt)],
        ['Bound', formatTime(pool.createdAt)],
      ],
      paint,
    ),
  );
}
