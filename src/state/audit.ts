// The audit trail: rows that are only ever added, each bound to the one before.
import type { Deed } from '../model/trace.ts';
import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

export interface AuditRow extends Deed {
  readonly id: string;
  readonly seq: number;
  readonly at: number;
  /** Of the error, where it failed. */
  readonly code: string | null;
  readonly detail: string;
  readonly previous: string;
  readonly hash: string;
}

export interface AuditTable extends Table<AuditRow> {
  last(): AuditRow | undefined;
  /** At most 1000 rows that follow, in their order. */
  after(seq: number): AuditRow[];
  /** The name that the newest row about it had; empty if there is none. */
  nameOf(resourceId: string): string;
  /** Forgets all rows before this one. */
  removeBefore(seq: number): void;
}

export function createAuditTable(database: Database): AuditTable {
  const table = createTable<AuditRow>(database, {
    what: 'trace',
    table: 'audit',
    named: false,
    order: 'seq DESC',
    columns: {
      id: 'plain',
      seq: 'plain',
      at: 'plain',
      actor: 'plain',
      address: 'plain',
      trace: 'plain',
      resourceType: 'plain',
      resourceId: 'plain',
      resourceName: 'plain',
      result: 'plain',
      code: 'plain',
      detail: 'plain',
      previous: 'plain',
      hash: 'plain',
    },
  });
  return {
    ...table,
    last: () => table.where([], 'seq DESC', 1)[0],
    after: (seq) => table.where([{ sql: 'seq > :after_seq', values: { after_seq: seq } }], 'seq', 1000),
    nameOf(resourceId) {
      const sql =
        "SELECT resource_name AS name FROM audit WHERE resource_id = :resourceId AND resource_name <> '' ORDER BY seq DESC LIMIT 1";
      return String(database.get(sql, { resourceId })?.['name'] ?? '');
    },
    removeBefore: (seq) => void database.run('DELETE FROM audit WHERE seq < :seq', { seq }),
  };
}
