import { type Static, Type } from 'typebox';
import type { Subject } from '../model/event.ts';
import { listOf, listQuery, strict, Time } from './schemas-common.ts';

export const Level = Type.Union([Type.Literal('info'), Type.Literal('minor'), Type.Literal('major'), Type.Literal('critical')]);

export const SubjectDocument = Type.Unsafe<Subject>(
  strict({
    kind: Type.String({ description: 'plan, vault, pool, task or agent' }),
    id: Type.String({ description: 'empty for the agent' }),
    name: Type.String(),
  }),
);

export const EventDocument = strict({
  id: Type.String(),
  subject: SubjectDocument,
  type: Type.String({ description: 'BACKUP_DONE, BACKUP_FAILED, START_SKIPPED …' }),
  level: Level,
  content: Type.String(),
  count: Type.Integer({ description: 'how often it came, each time within a day of the one before' }),
  firstAt: Time,
  lastAt: Time,
});
export type EventDocument = Static<typeof EventDocument>;

export const EventQuery = listQuery({
  subject: Type.Optional(Type.String({ minLength: 1, description: 'ID or name of a plan, vault or pool' })),
  plan: Type.Optional(Type.String({ minLength: 1, description: 'ID or name of a plan; also of one that is gone' })),
  type: Type.Optional(Type.String({ minLength: 1 })),
  level: Type.Optional(Type.Union([...Level.anyOf], { description: 'this level and above' })),
});
export type EventQuery = Static<typeof EventQuery>;
export const EventList = listOf(EventDocument);
