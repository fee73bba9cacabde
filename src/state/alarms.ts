import type { Level, Subject } from '../model/event.ts';
import type { Alert } from '../ports/alarm-sink.ts';
import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

export interface AlarmRow {
  readonly id: string;
  readonly subjectKind: Subject['kind'];
  readonly subjectId: string;
  readonly subjectName: string;
  readonly type: string;
  readonly level: Level;
  readonly content: string;
  readonly count: number;
  readonly raisedAt: number;
  readonly lastAt: number;
  readonly clearedAt: number | null;
  readonly ackedAt: number | null;
  readonly ackedBy: string | null;
}

export type Metric = 'cpu' | 'memory' | 'network-in' | 'network-out';

/** An alarm when the metric of a running plan stays above the threshold so long. */
export interface AlarmRuleRow {
  readonly id: string;
  readonly planId: string;
  readonly metric: Metric;
  /** Percent of one processor, bytes, bytes a second. */
  readonly threshold: number;
  readonly seconds: number;
  readonly level: Level;
  readonly createdAt: number;
}

export interface AlarmSinkRow {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  /** As its adapter takes them, without secrets. */
  readonly settings: unknown;
  /** Sealed JSON. */
  readonly secret: string | null;
  /** It is told of alarms of this level and above. */
  readonly level: Level;
  /** Why the last alarm could not be told; empty when it was. */
  readonly trouble: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** An alert that waits for its receiver. */
export interface DeliveryRow {
  readonly id: string;
  readonly sinkId: string;
  readonly alert: Alert;
  readonly attempts: number;
  readonly nextAt: number;
  readonly createdAt: number;
}

export interface AlarmTable extends Table<AlarmRow> {
  /** Forgets what was cleared before `before` (ms); answers how many. */
  expire(before: number): number;
}

export interface AlarmTables {
  readonly alarms: AlarmTable;
  readonly rules: Table<AlarmRuleRow>;
  readonly sinks: Table<AlarmSinkRow>;
  readonly deliveries: Table<DeliveryRow>;
}

export const createAlarmTables = (database: Database): AlarmTables => ({
  alarms: {
    ...createTable<AlarmRow>(database, {
      what: 'alarm',
      table: 'alarms',
      named: false,
      order: 'raised_at DESC, rowid DESC',
      columns: {
        id: 'plain',
        subjectKind: 'plain',
        subjectId: 'plain',
        subjectName: 'plain',
        type: 'plain',
        level: 'plain',
        content: 'plain',
        count: 'plain',
        raisedAt: 'plain',
        lastAt: 'plain',
        clearedAt: 'plain',
        ackedAt: 'plain',
        ackedBy: 'plain',
      },
    }),
    expire: (before) => database.run('DELETE FROM alarms WHERE cleared_at < :before', { before }),
  },
  rules: createTable<AlarmRuleRow>(database, {
    what: 'alarm rule',
    table: 'alarm_rules',
    named: false,
    order: 'created_at, id',
    columns: {
      id: 'plain',
      planId: 'plain',
      metric: 'plain',
      threshold: 'plain',
      seconds: 'plain',
      level: 'plain',
      createdAt: 'plain',
    },
  }),
  sinks: createTable<AlarmSinkRow>(database, {
    what: 'receiver',
    table: 'alarm_sinks',
    named: true,
    order: 'name',
    columns: {
      id: 'plain',
      name: 'plain',
      kind: 'plain',
      settings: 'json',
      secret: 'plain',
      level: 'plain',
      trouble: 'plain',
      createdAt: 'plain',
      updatedAt: 'plain',
    },
  }),
  deliveries: createTable<DeliveryRow>(database, {
    what: 'delivery',
    table: 'alarm_deliveries',
    named: false,
    // As they were written: times may be equal, or jump.
    order: 'rowid',
    columns: { id: 'plain', sinkId: 'plain', alert: 'json', attempts: 'plain', nextAt: 'plain', createdAt: 'plain' },
  }),
});
