// The one face of the agent's memory.
import { randomBytes } from 'node:crypto';
import { type AlarmTables, createAlarmTables } from './alarms.ts';
import { type AuditTable, createAuditTable } from './audit.ts';
import { type BackupTable, createBackupTable } from './backups.ts';
import { type Database, type OnDamage, openDatabase } from './database.ts';
import { createEventTable, type EventTable } from './events.ts';
import { createFacts, type Facts } from './facts.ts';
import { createGatewayTable, type GatewayTable } from './gateways.ts';
import { createIdempotencyTable, type IdempotencyTable } from './idempotency.ts';
import { createInstanceTable, type InstanceTable } from './instances.ts';
import { createLockTable, type LockTable } from './locks.ts';
import { createPlanTable, type PlanTable } from './plans.ts';
import { createPolicyTable, type PolicyTable } from './policies.ts';
import { createPoolTable, type PoolTable } from './pools.ts';
import { createSampleTable, type SampleTable } from './samples.ts';
import { createStartTable, type StartTable } from './starts.ts';
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
  readonly policies: PolicyTable;
  readonly gateways: GatewayTable;
  readonly starts: StartTable;
  readonly events: EventTable;
  readonly alarming: AlarmTables;
  readonly audit: AuditTable;
  readonly samples: SampleTable;
  readonly facts: Facts;
  transaction<T>(work: () => T): T;
  close(): void;
}

/** Throws STATE_NEWER or STATE_DAMAGED. */
export function openState(path: string, onDamage?: OnDamage): State {
  const database = openDatabase(path, undefined, onDamage);
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
    policies: createPolicyTable(database),
    gateways: createGatewayTable(database),
    starts: createStartTable(database),
    events: createEventTable(database),
    alarming: createAlarmTables(database),
    audit: createAuditTable(database),
    samples: createSampleTable(database),
    facts: createFacts(database),
    transaction: (work) => database.transaction(work),
    close: () => database.close(),
  };
}

export const newId = (): string => randomBytes(8).toString('hex');

function identify(database: Database): string {
  database.run("INSERT OR IGNORE INTO identity (key, value) VALUES ('agentId', :id)", { id: newId() });
  return String(database.get("SELECT value FROM identity WHERE key = 'agentId'")?.['value']);
}
