import type { Plan } from '../model/plan.ts';
import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

export type PlanTable = Table<Plan>;

export const createPlanTable = (database: Database): PlanTable =>
  createTable<Plan>(database, {
    what: 'plan',
    table: 'plans',
    named: true,
    order: 'name',
    columns: {
      id: 'plain',
      name: 'plain',
      description: 'plain',
      vaultId: 'plain',
      source: 'json',
      method: 'plain',
      secret: 'plain',
      timing: 'json',
      consistency: 'json',
      window: 'json',
      hooks: 'json',
      limits: 'json',
      retries: 'plain',
      spreadMinutes: 'plain',
      missed: 'plain',
      maxAgeHours: 'plain',
      pause: 'json',
      heartbeat: 'plain',
      associated: 'flag',
      renew: 'flag',
      accountedUntil: 'plain',
      createdAt: 'plain',
      updatedAt: 'plain',
    },
  });
