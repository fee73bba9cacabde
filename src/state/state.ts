// The one face of the agent's memory.
import { randomBytes } from 'node:crypto';
import { type BackupTable, createBackupTable } from './backups.ts';
import { type Database, openDatabase } from './database.ts';
import { createIdempotencyTable, type IdempotencyTable } from './idempotency.ts';
import { createInstanceTable, type InstanceTable } from './instances.ts';
import { createLockTable, type LockTable } from './locks.ts';
import { createPlanTable, type PlanTable } from './plans.ts';
import { createPoolTable, type PoolTable } from './pools.ts';
import { createTaskTable, type TaskTable } from './tasks.ts';
import { createVaultTable, type VaultTable } from './vaults.ts';

export interface State {
  /** Names this agent for ever: the last part of the path of its repositories. */
  readonly agentId: string;
  readonly pools: PoolTable;
  readonly vaults: VaultTable;
  readonly plans: PlanTable;
  readonly backups: BackupTable;
  readonly tasks: TaskTable;
  readonly instances: InstanceTable;
  readonly locks: LockTable;
  readonly idempotency: IdempotencyTable;
  transaction<T>(work: () => T): T;
  close(): void;
}

/** Throws STATE_NEWER or STATE_DAMAGED. */
export function openState(path: string): State {
  const database = openDatabase(path);
  return {
    agentId: identify(database),
    pools: createPoolTable(database),
    vaults: createVaultTable(database),
    plans: createPlanTable(database),
    backups: createBackupTable(database),
    tasks: createTaskTable(database),
    instances: createInstanceTable(database),
    locks: createLockTable(database),
    idempotency: createIdempotencyTable(database),
    transaction: (work) => database.transaction(work),
    close: () => database.close(),
  };
}

export const newId = (): string => randomBytes(8).toString('hex');

function identify(database: Database): string {
  database.run("INSERT OR IGNORE INTO identity (key, value) VALUES ('agentId', :id)", { id: newId() });
  return String(database.get("SELECT value FROM identity WHERE key = 'agentId'")?.['value']);
}
