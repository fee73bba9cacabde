// agentcli alarm …
import type { Command } from 'commander';
import type { Alarm } from '../../rpc/schemas-alarms.ts';
import { formatCount, formatTime, shortId } from '../format.ts';
import { printList, readPages } from '../list.ts';
import type { Session } from '../session.ts';
import { type Paint, printable } from '../terminal.ts';
import { type ListOptions, listOptions, verb } from '../verb.ts';
import { addAlarmRule } from './alarm-rule.ts';
import { addAlarmSink } from './alarm-sink.ts';
import { type EventFilters, eventFilters, eventFiltersFrom, levelText, subjectText } from './event.ts';

export function addAlarm(noun: Command, session: Session): void {
  eventFilters(listOptions(verb(noun, 'list', 'list what is wrong now', 'agentcli alarm list', 'agentcli alarm list --all --level major')))
    .option('--all', 'also alarms that are over')
    .action(async (options: ListOptions & EventFilters & { readonly all?: boolean }) => {
      const client = await session.agent();
      const filters = { ...eventFiltersFrom(options), ...(options.all && { all: true }) };
      const page = await readPages(options, (query) => client.call('alarmList', { query: { ...query, ...filters } }));
      const columns = [
        { title: 'ID', value: (alarm: Alarm) => shortId(alarm.id) },
        { title: 'LEVEL', value: (alarm: Alarm, paint: Paint) => levelText(alarm.level, paint) },
        { title: 'SINCE', value: (alarm: Alarm) => formatTime(alarm.raisedAt) },
        { title: 'STATE', value: stateOf },
        { title: 'TIMES', value: (alarm: Alarm) => formatCount(alarm.count), align: 'right' as const },
        { title: 'ABOUT', value: (alarm: Alarm) => subjectText(alarm.subject) },
        { title: 'TYPE', value: (alarm: Alarm) => alarm.type },
        { title: 'WHAT', value: (alarm: Alarm) => printable(alarm.content), flexible: true },
      ];
      await printList(session, page, () => columns, options.all ? 'there was no alarm' : 'no alarm: all is well');
    });

  verb(noun, 'show <alarm>', 'show an alarm', 'agentcli alarm show 3f2a').action(async (id: string) =>
    printAlarm(session, await (await session.agent()).call('alarmShow', { params: { id } })),
  );

  verb(noun, 'ack <alarm>', 'say that you look after an alarm; it stands until it is over', 'agentcli alarm ack 3f2a').action(
    async (id: string) => printAlarm(session, await (await session.agent()).call('alarmAck', { params: { id } })),
  );

  verb(noun, 'test [sink]', 'tell a receiver, or all of them, a test alarm', 'agentcli alarm test ops').action(
    async (sink: string | undefined) => {
      const tested = await (await session.agent()).call('alarmTest', { body: { ...(sink !== undefined && { sink }) } });
      const { paint } = session.terminal;
      if (tested.items.some(({ taken }) => !taken)) session.exitCode = 1;
      if (session.json) return session.printJson(tested);
      if (tested.items.length === 0) return session.remark('no receiver yet: agentcli alarm sink add --help\n');
      for (const { sink: name, taken, detail } of tested.items)
        session.print(taken ? `${paint('green', '✓')} ${name} took it\n` : `${paint('red', '✗')} ${printable(detail)}\n`);
    },
  );

  addAlarmSink(noun, session);
  addAlarmRule(noun, session);
}

function stateOf({ clearedAt, ackedBy }: Alarm): string {
  if (clearedAt !== null) return 'over';
  return ackedBy === null ? 'stands' : 'acknowledged';
}

async function printAlarm(session: Session, alarm: Alarm): Promise<void> {
  if (session.json) return session.printJson(alarm);
  const { detailsText } = await import('../print.ts');
  const { paint } = session.terminal;
  const rows = [
    ['ID', alarm.id],
    ['About', subjectText(alarm.subject)],
    ['What', printable(alarm.content)],
    ['Raised', formatTime(alarm.raisedAt)],
    ['Times', alarm.count > 1 ? `${formatCount(alarm.count)}, last ${formatTime(alarm.lastAt)}` : undefined],
    ['Over', alarm.clearedAt === null ? undefined : formatTime(alarm.clearedAt)],
    ['Acknowledged', alarm.ackedAt === null ? undefined : `by ${printable(alarm.ackedBy ?? '')}, ${formatTime(alarm.ackedAt)}`],
  ] as const;
  session.print(detailsText(`alarm ${paint('bold', alarm.type)} ${levelText(alarm.level, paint)}`, rows, paint));
}
