import type { Level, Subject } from '../model/event.ts';
import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

export interface EventRow {
  readonly id: string;
  readonly subjectKind: Subject['kind'];
  readonly subjectId: string;
  readonly subjectName: string;
  readonly type: string;
  readonly level: Level;
  readonly content: string;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

export interface EventTable extends Table<EventRow> {
  /** Forgets what last happened before `before` (ms), and the oldest of more than `most`; answers how many. */
  expire(before: number, most: number): number;
}

export const createEventTable = (database: Database): EventTable => ({
  ...createTable<EventRow>(database, {
    what: 'event',
    table: 'events',
    named: false,
    order: 'last_at DESC, rowid DESC',
    columns: {
      id: 'plain',
      subjectKind: 'plain',
      subjectId: 'plain',
      subjectName: 'plain',
      type: 'plain',
      level: 'plain',
      content: 'plain',
      count: 'plain',
      firstAt: 'plain',
      lastAt: 'plain',
    },
  }),
  expire: (before, most) =>
    database.run('DELETE FROM events WHERE last_at < :before', { before }) +
    database.run('DELETE FROM events WHERE rowid IN (SELECT rowid FROM events ORDER BY last_at DESC, rowid DESC LIMIT -1 OFFSET :most)', {
      most,
    }),
});
