import type { Policy } from '../model/policy.ts';
import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

export type PolicyTable = Table<Policy>;

export const createPolicyTable = (database: Database): PolicyTable =>
  createTable<Policy>(database, {
    what: 'policy',
    table: 'policies',
    named: true,
    order: 'name',
    columns: { id: 'plain', name: 'plain', type: 'plain', enabled: 'flag', rule: 'json', createdAt: 'plain', updatedAt: 'plain' },
  });
