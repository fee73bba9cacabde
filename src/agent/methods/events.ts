import { type Level, levels } from '../../model/event.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { EventDocument } from '../../rpc/schemas-events.ts';
import type { EventRow } from '../../state/events.ts';
import type { State } from '../../state/state.ts';
import { contains, equals, type Filter, oneOf } from '../../state/table.ts';
import type { AgentContext } from '../context.ts';
import { pageOptions } from '../queries.ts';
import type { TaskDesk } from '../task-desk.ts';

type Methods = Pick<Handlers, 'eventList'>;

export function eventMethods({ state }: AgentContext, _desk: TaskDesk): Methods {
  return {
    eventList({ query }) {
      const { name, ...rest } = query;
      const page = state.events.page(
        pageOptions(rest, 'last_at', [
          name === undefined ? undefined : contains('subject_name', name),
          query.subject === undefined ? undefined : aboutFilter(state, query.subject),
          query.plan === undefined ? undefined : equals('subject_kind', 'plan'),
          query.plan === undefined ? undefined : planFilter(state, query.plan),
          query.type === undefined ? undefined : equals('type', query.type),
          query.level === undefined ? undefined : levelFilter(query.level),
        ]),
      );
      return { ...page, items: page.items.map(eventView) };
    },
  };
}

/** Of what has the name or the ID now (an index knows its events); else of what had it: its events are all that is left of it. */
export function aboutFilter({ plans, vaults, pools }: State, subject: string): Filter {
  const ids = [plans, vaults, pools].flatMap((table) => [table.get(subject), ...table.where([equals('name', subject)])]);
  const known = ids.flatMap((row) => row?.id ?? []);
  return known.length > 0
    ? oneOf('subject_id', known)
    : { sql: 'subject_id = :about OR subject_name = :about', values: { about: subject } };
}

/** A plan keeps its events when it is renamed, and when it is gone. Throws NOT_FOUND if there is neither the plan nor an event of it. */
function planFilter({ plans, events }: State, plan: string): Filter {
  try {
    return equals('subject_id', plans.find(plan).id);
  } catch (error) {
    const gone = { sql: 'subject_id = :plan OR subject_name = :plan', values: { plan } };
    if (events.where([equals('subject_kind', 'plan'), gone], 'rowid', 1).length > 0) return gone;
    throw error;
  }
}

export const levelFilter = (least: Level): Filter => oneOf('level', levels.slice(levels.indexOf(least)));

function eventView({ subjectKind: kind, subjectId: id, subjectName: name, ...rest }: EventRow): EventDocument {
  return { ...rest, subject: { kind, id, name } };
}
