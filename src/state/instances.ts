import type { Engine } from '../model/service.ts';
import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

/** A server that was started from a backup. */
export interface InstanceRow {
  readonly id: string;
  readonly engine: Engine;
  readonly directory: string;
  readonly port: number;
  readonly connect: string;
  readonly backupId: string | null;
  readonly createdAt: number;
}

export type InstanceTable = Table<InstanceRow>;

export const createInstanceTable = (database: Database): InstanceTable =>
  createTable<InstanceRow>(database, {
    what: 'instance',
    table: 'instances',
    order: 'created_at DESC, id',
    named: false,
    columns: {
      id: 'plain',
      engine: 'plain',
      directory: 'plain',
      port: 'plain',
      connect: 'plain',
      backupId: 'plain',
      createdAt: 'plain',
    },
  });
