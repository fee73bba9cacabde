// agentcli alarm rule …
import type { Command } from 'commander';
import { fail } from '../../base/errors.ts';
import { type Level, levels } from '../../model/event.ts';
import type { AlarmRule } from '../../rpc/schemas-alarms.ts';
import { formatDuration, formatSize, shortId } from '../format.ts';
import { printList, readPages } from '../list.ts';
import { parseSize } from '../parse.ts';
import type { Session } from '../session.ts';
import type { Paint } from '../terminal.ts';
import { choice, type ListOptions, listOptions, verb } from '../verb.ts';
import { levelText } from './event.ts';

interface RuleOptions {
  readonly metric: AlarmRule['metric'];
  readonly above: string;
  readonly for: number;
  readonly level: Level;
}

const metrics: readonly AlarmRule['metric'][] = ['cpu', 'memory', 'network-in', 'network-out'];
const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

export function addAlarmRule(noun: Command, session: Session): void {
  const rule = noun.command('rule').summary('watch what running plans use').description('Alarms when a running plan uses too much.');
  rule.helpCommand(false).helpOption('-h, --help', 'show this help');

  verb(rule, 'add <plan>', 'watch a metric of a plan', 'agentcli alarm rule add shop --metric memory --above 2G --for 5m --level major')
    .addOption(choice('--metric <metric>', 'what is watched', metrics).makeOptionMandatory())
    .requiredOption('--above <n>', 'cpu: percent of one processor; memory: bytes (2G); network: bytes a second (20M)')
    .option('--for <time>', 'how long it has to be above (30s, 5m, 1h)', parseSeconds, 300)
    .addOption(choice('--level <level>', 'of the alarm', levels).default('minor'))
    .action(async (plan: string, { metric, above, level, ...options }: RuleOptions) => {
      const threshold = metric === 'cpu' ? percentOf(above) : parseSize(above);
      const client = await session.agent();
      const made = await client.call('alarmRuleCreate', { body: { plan, metric, threshold, seconds: options.for, level } });
      if (session.json) session.printJson(made);
      else session.print(`rule ${shortId(made.id)} added: ${ruleText(made)}\n`);
    });

  listOptions(verb(rule, 'list', 'list what is watched', 'agentcli alarm rule list --plan shop'))
    .option('--plan <plan>', 'only rules of this plan')
    .action(async (options: ListOptions & { readonly plan?: string }) => {
      const client = await session.agent();
      const { plan } = options;
      const page = await readPages(options, (query) => client.call('alarmRuleList', { query: { ...query, ...(plan && { plan }) } }));
      const columns = [
        { title: 'ID', value: (item: AlarmRule) => shortId(item.id) },
        { title: 'PLAN', value: (item: AlarmRule, paint: Paint) => paint('bold', item.planName) },
        { title: 'ALARM WHEN', value: whenText },
        { title: 'LEVEL', value: (item: AlarmRule, paint: Paint) => levelText(item.level, paint) },
      ];
      await printList(session, page, () => columns, 'no rule yet: agentcli alarm rule add --help');
    });

  verb(rule, 'remove <rule>', 'watch no longer', 'agentcli alarm rule remove 3f2a').action(async (id: string) => {
    const removed = await (await session.agent()).call('alarmRuleDelete', { params: { id } });
    if (session.json) session.printJson(removed);
    else session.print(`rule ${shortId(removed.id)} removed\n`);
  });
}

/** `30s`, `5m`, `1h` to seconds. Throws USAGE_VALUE. */
function parseSeconds(text: string): number {
  const match = /^(\d{1,6})([smh])$/.exec(text.trim());
  const seconds = Number(match?.[1]) * (secondsOf[match?.[2] ?? ''] ?? 0);
  if (!(seconds >= 1 && seconds <= 86_400))
    fail('USAGE_VALUE', { value: JSON.stringify(text), what: 'time', rule: 'seconds, minutes or hours up to a day (30s, 5m, 1h)' });
  return seconds;
}

/** More than 100 where several processors are used. */
function percentOf(text: string): number {
  const value = Number(text.replace(/%$/, ''));
  if (text.trim() === '' || !(value > 0 && value <= 100_000))
    fail('USAGE_VALUE', { value: JSON.stringify(text), what: 'percentage', rule: 'percent of one processor (80; 250 is two and a half)' });
  return value;
}

function whenText({ metric, threshold, seconds }: AlarmRule): string {
  const limit = metric === 'cpu' ? `${threshold} %` : `${formatSize(threshold)}${metric === 'memory' ? '' : '/s'}`;
  return `${metric} above ${limit} for ${formatDuration(seconds * 1000)}`;
}

const ruleText = (rule: AlarmRule) => `${whenText(rule)} is a ${rule.level} alarm of the plan ${rule.planName}`;
