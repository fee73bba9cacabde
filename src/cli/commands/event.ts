// agentcli event …
import type { Command } from 'commander';
import { type Level, levels } from '../../model/event.ts';
import type { EventDocument } from '../../rpc/schemas-events.ts';
import { formatCount, formatTime } from '../format.ts';
import { printList, readPages } from '../list.ts';
import type { Session } from '../session.ts';
import { type Paint, printable } from '../terminal.ts';
import { choice, type ListOptions, listOptions, verb } from '../verb.ts';

export interface EventFilters {
  readonly subject?: string;
  readonly type?: string;
  readonly level?: Level;
}

export function addEvent(noun: Command, session: Session): void {
  eventFilters(
    listOptions(
      verb(
        noun,
        'list',
        'list what happened, newest first',
        'agentcli event list --plan etc --level major',
        'agentcli event list --type BACKUP_FAILED --from 2026-03-01',
      ),
    ),
  )
    .option('--plan <plan>', 'only events of this plan')
    .action(async (options: ListOptions & EventFilters & { readonly plan?: string }) => {
      const client = await session.agent();
      const filters = { ...eventFiltersFrom(options), ...(options.plan && { plan: options.plan }) };
      const page = await readPages(options, (query) => client.call('eventList', { query: { ...query, ...filters } }));
      const columns = [
        { title: 'LAST', value: (event: EventDocument) => formatTime(event.lastAt) },
        { title: 'TIMES', value: (event: EventDocument) => formatCount(event.count), align: 'right' as const },
        { title: 'FIRST', value: (event: EventDocument) => (event.count > 1 ? formatTime(event.firstAt) : '') },
        { title: 'LEVEL', value: (event: EventDocument, paint: Paint) => levelText(event.level, paint) },
        { title: 'ABOUT', value: (event: EventDocument) => subjectText(event.subject) },
        { title: 'TYPE', value: (event: EventDocument) => event.type },
        { title: 'WHAT', value: (event: EventDocument) => printable(event.content), flexible: true },
      ];
      await printList(session, page, () => columns, 'no event that matches');
    });
}

/** Of events and of alarms. */
export function eventFilters(command: Command): Command {
  return command
    .addOption(choice('--level <level>', 'only this level and above', levels).helpGroup('Filters:'))
    .option('--type <type>', 'only this type, for example BACKUP_FAILED')
    .option('--subject <name>', 'only about this plan, vault or pool (name or ID)');
}

export function eventFiltersFrom({ subject, type, level }: EventFilters): EventFilters {
  return { ...(subject && { subject }), ...(type && { type: type.toUpperCase() }), ...(level && { level }) };
}

const colours = { info: 'dim', minor: 'yellow', major: 'red', critical: 'red' } as const;

export const levelText = (level: Level, paint: Paint): string => paint(colours[level], level);

export function subjectText({ kind, name }: EventDocument['subject']): string {
  return kind === 'agent' ? printable(name ? `agent (${name})` : 'agent') : printable(`${kind} ${name}`);
}
