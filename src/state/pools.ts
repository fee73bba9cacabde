import type { Place } from '../model/pool.ts';
import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

export interface PoolRow {
  readonly id: string;
  readonly name: string;
  readonly remark: string;
  readonly place: Place;
  /** Sealed JSON of Credentials. */
  readonly credentials: string | null;
  readonly bandwidth: number;
  readonly state: 'online' | 'offline';
  readonly stateDetail: string;
  readonly checkedAt: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export type PoolTable = Table<PoolRow>;

export const createPoolTable = (database: Database): PoolTable =>
  createTable<PoolRow>(database, {
    what: 'pool',
    table: 'pools',
    named: true,
    order: 'name',
    columns: {
      id: 'plain',
      name: 'plain',
      remark: 'plain',
      place: 'json',
      credentials: 'plain',
      bandwidth: 'plain',
      state: 'plain',
      stateDetail: 'plain',
      checkedAt: 'plain',
      createdAt: 'plain',
      updatedAt: 'plain',
    },
  });
