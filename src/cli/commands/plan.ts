// agentcli plan …
import type { Command } from 'commander';
import { fail } from '../../base/errors.ts';
import type { Plan } from '../../rpc/schemas-plans.ts';
import { type ConsistencyOptions, consistencyFrom, consistencyOptions, consistencyText } from '../consistency-options.ts';
import { formatSize, formatTime, shortId } from '../format.ts';
import { printList, readPages } from '../list.ts';
import { type PlanExtraOptions, planExtras, planOptions } from '../plan-options.ts';
import type { Session } from '../session.ts';
import {
  askingOf,
  kindNames,
  namesSource,
  type SourceOptions,
  sourceFrom,
  sourceOptions,
  sourceRows,
  sourceText,
} from '../source-options.ts';
import { type Paint, printable } from '../terminal.ts';
import { choice, type ListOptions, listOptions, verb } from '../verb.ts';
import { helpOf } from './pool.ts';

type Kind = Plan['source']['kind'];

interface PlanOptions extends SourceOptions, ConsistencyOptions, PlanExtraOptions {
  readonly vault?: string;
  readonly description?: string;
  readonly allowMissing?: boolean;
  readonly name?: string;
}

export function addPlan(noun: Command, session: Session): void {
  wholePlan(
    verb(
      noun,
      'create <name> [command...]',
      'say what is backed up, how, and where to',
      'agentcli plan create etc --vault main --source files --path /etc --path /root --exclude "*.tmp"',
      'agentcli plan create system --vault main --source disk --path /dev/vdb',
      'agentcli plan create host --vault main --source server --exclude-disk /dev/disk/by-id/usb-Backup_Drive',
      'agentcli plan create shop --vault main --source mysql --method logical --user backup --password-file /root/backup.pw --database shop',
      'agentcli plan create app-db --vault main --source command --file-name app.sql --argv -- mysqldump --single-transaction app',
      'agentcli plan create web --vault main --source files --path /var/www --hours 2,14 --keep 30 --full-every 30',
    ).option('--vault <vault>', 'may be left out while there is just one'),
  )
    .option('--description <text>', 'at most 255 characters')
    .option('--allow-missing', 'accept paths that do not exist yet')
    .action(async (name: string, words: readonly string[], options: PlanOptions, command: Command) => {
      const { vault, description, allowMissing } = options;
      const consistency = consistencyFrom(options);
      const body = {
        name,
        source: await sourceFrom(options, words, askingOf(session, helpOf(command))),
        ...(vault !== undefined && { vault }),
        ...(description !== undefined && { description }),
        ...(allowMissing && { allowMissing }),
        ...(consistency && { consistency }),
        ...planExtras(options, helpOf(command)),
      };
      const plan = await (await session.agent()).call('planCreate', { body });
      if (session.json) return session.printJson(plan);
      session.print(`plan ${session.terminal.paint('bold', plan.name)} created: ${sourceText(plan)} → vault ${plan.vaultName}\n`);
      session.remark(`run it with: agentcli backup run ${plan.name} --wait\n`);
    });

  listOptions(verb(noun, 'list', 'list plans', 'agentcli plan list'))
    .option('--vault <vault>', 'only plans into this vault')
    .addOption(choice('--source <kind>', 'only plans of this source', kindNames).helpGroup('Filters:'))
    .action(async (options: ListOptions & { readonly vault?: string; readonly source?: Kind }) => {
      const client = await session.agent();
      const { vault, source } = options;
      const page = await readPages(options, (query) =>
        client.call('planList', { query: { ...query, ...(vault && { vault }), ...(source && { source }) } }),
      );
      const { stateText } = await import('../print.ts');
      const columns = [
        { title: 'NAME', value: (plan: Plan, paint: Paint) => paint('bold', plan.name) },
        { title: 'SOURCE', value: (plan: Plan) => sourceText(plan), flexible: true },
        { title: 'VAULT', value: (plan: Plan) => plan.vaultName },
        { title: 'RUNS', value: (plan: Plan) => (plan.strategy === 'manual' ? 'when told to' : formatTime(plan.next)) },
        { title: 'BACKUPS', value: (plan: Plan) => String(plan.backups), align: 'right' as const },
        { title: 'STATE', value: (plan: Plan, paint: Paint) => stateText(plan.state, paint) },
        { title: 'LAST RUN', value: (plan: Plan) => formatTime(plan.lastTask?.endedAt) },
        { title: '', value: (plan: Plan, paint: Paint) => (plan.lastTask ? stateText(plan.lastTask.state, paint) : '') },
      ];
      await printList(session, page, () => columns, 'no plan yet: agentcli plan create --help');
    });

  verb(noun, 'show <plan>', 'show a plan', 'agentcli plan show etc').action(async (id: string) =>
    printPlan(session, await (await session.agent()).call('planShow', { params: { id } })),
  );

  wholePlan(
    verb(
      noun,
      'update <plan> [command...]',
      'change a plan; what is not named stays',
      'agentcli plan update etc --path /etc --path /usr/local/etc',
      'agentcli plan update etc --policy nightly --window 22:00-06:00',
    ).option('--name <name>', 'new name'),
  )
    .option('--vault <vault>', 'new vault')
    .option('--description <text>', 'at most 255 characters')
    .option('--allow-missing', 'accept paths that do not exist yet')
    .action(async (id: string, words: readonly string[], options: PlanOptions, command: Command) => {
      const client = await session.agent();
      const { name, vault, description, allowMissing } = options;
      const consistency = consistencyFrom(options);
      const before = namesSource(options, words) ? await client.call('planShow', { params: { id } }) : undefined;
      const body = {
        ...(before && { source: await sourceFrom(options, words, askingOf(session, helpOf(command)), before.source) }),
        ...(name !== undefined && { name }),
        ...(vault !== undefined && { vault }),
        ...(description !== undefined && { description }),
        ...(allowMissing && { allowMissing }),
        ...(consistency && { consistency }),
        ...planExtras(options, helpOf(command)),
      };
      if (Object.keys(body).length === 0) fail('USAGE_ARGUMENT', { detail: 'there is nothing to change', help: helpOf(command) });
      await printPlan(session, await client.call('planUpdate', { params: { id }, body }));
    });

  verb(noun, 'pause <plan>', 'let a scheduled plan start no more until it is resumed', 'agentcli plan pause etc').action(
    async (id: string) => {
      const plan = await (await session.agent()).call('planPause', { params: { id } });
      if (session.json) session.printJson(plan);
      else session.print(`plan ${plan.name} is paused; agentcli plan resume ${plan.name} lets it go on\n`);
    },
  );

  verb(noun, 'resume <plan>', 'let a paused plan go on', 'agentcli plan resume etc').action(async (id: string) => {
    const plan = await (await session.agent()).call('planResume', { params: { id } });
    if (session.json) session.printJson(plan);
    else session.print(`plan ${plan.name} goes on${plan.next === null ? '' : `, next at ${formatTime(plan.next)}`}\n`);
  });

  listOptions(verb(noun, 'starts <plan>', 'what became of its scheduled starts', 'agentcli plan starts etc --outcome skipped'))
    .addOption(choice('--outcome <outcome>', 'only these', ['run', 'made-up', 'skipped']).helpGroup('Filters:'))
    .action(async (id: string, options: ListOptions & { readonly outcome?: string }) => {
      const client = await session.agent();
      const { outcome } = options;
      const page = await readPages(options, (query) =>
        client.call('planStarts', { params: { id }, query: { ...query, ...(outcome && { outcome }) } }),
      );
      type Start = (typeof page.items)[number];
      const columns = [
        { title: 'DUE', value: (start: Start) => formatTime(start.due) },
        { title: '', value: (start: Start, paint: Paint) => paint(start.outcome === 'skipped' ? 'yellow' : 'green', start.outcome) },
        { title: 'TRIES', value: (start: Start) => String(start.attempt), align: 'right' as const },
        { title: 'TASK', value: (start: Start) => (start.taskId ? shortId(start.taskId) : '-') },
        {
          title: 'WHY',
          value: (start: Start) =>
            start.retryAt === null ? printable(start.reason) || '-' : `failed, tried again at ${formatTime(start.retryAt)}`,
          flexible: true,
        },
      ];
      await printList(session, page, () => columns, 'no scheduled start yet');
    });

  verb(noun, 'delete <plan>', 'delete a plan whose backups are gone', 'agentcli plan delete etc')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, options: { readonly yes?: boolean }) => {
      const client = await session.agent();
      const plan = await client.call('planShow', { params: { id } });
      const { confirmDestruction } = await import('../prompt.ts');
      await confirmDestruction(session.terminal, `deleting the plan ${plan.name}`, `Delete the plan ${plan.name}?`, options.yes);
      const removed = await client.call('planDelete', { params: { id: plan.id } });
      if (session.json) session.printJson(removed);
      else session.print(`plan ${plan.name} deleted\n`);
    });
}

const wholePlan = (command: Command): Command => planOptions(consistencyOptions(sourceOptions(command)));

function hooksText({ hooks }: Plan): string | undefined {
  const said = [
    ...(hooks.before.length > 0 ? [`before: ${hooks.before.join(', ')}`] : []),
    ...(hooks.after.length > 0 ? [`after: ${hooks.after.join(', ')}`] : []),
    ...(hooks.failure.length > 0 ? [`on failure: ${hooks.failure.join(', ')}`] : []),
  ];
  return said.join('\n') || undefined;
}

function limitsText({ limits }: Plan): string | undefined {
  const { readBytesPerSecond, cpuPercent } = limits;
  const said = [
    ...(readBytesPerSecond > 0 ? [`reads at most ${formatSize(readBytesPerSecond)}/s`] : []),
    ...(cpuPercent > 0 ? [`${cpuPercent} % of a processor`] : []),
  ];
  return said.join(', ') || undefined;
}

async function printPlan(session: Session, plan: Plan): Promise<void> {
  if (session.json) return session.printJson(plan);
  const { detailsText, stateText } = await import('../print.ts');
  const { paint } = session.terminal;
  const { source, lastTask } = plan;
  const rows = [
    ['ID', plan.id],
    ['Description', printable(plan.description)],
    ['Source', `${source.kind}, method ${plan.method}`],
    ...sourceRows(plan),
    ['Consistency', consistencyText(plan)],
    ['Vault', plan.vaultName],
    ['State', plan.state === 'available' ? undefined : `${stateText(plan.state, paint)} ${printable(plan.stateDetail)}`],
    ['Pool', plan.poolName],
    ['Continues', plan.base ?? undefined],
    ['Runs', plan.ruleText],
    ['Next start', plan.next === null ? undefined : formatTime(plan.next)],
    ['Window', plan.window ? `${plan.window.from}-${plan.window.to} (${plan.window.zone})` : undefined],
    ['Hooks', hooksText(plan)],
    ['Limits', limitsText(plan)],
    ['Last good', plan.lastGoodAt === null ? undefined : formatTime(plan.lastGoodAt)],
    ['Backups', String(plan.backups)],
    [
      'Last run',
      lastTask ? `${stateText(lastTask.state, paint)} ${formatTime(lastTask.endedAt)} (task ${shortId(lastTask.id)})` : undefined,
    ],
    ['Created', formatTime(plan.createdAt)],
    ['Changed', plan.updatedAt !== plan.createdAt ? formatTime(plan.updatedAt) : undefined],
  ] as const;
  session.print(detailsText(`plan ${paint('bold', plan.name)}`, rows, paint));
}
