import type { KeyInfo } from '../model/task.ts';
import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

export interface VaultRow {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly poolId: string;
  /** Of the repository below the pool. */
  readonly path: string;
  /** What `restic -r` takes. */
  readonly location: string;
  readonly repositoryId: string;
  /** The agent's own password, sealed. */
  readonly password: string;
  readonly state: 'creating' | 'available' | 'locked' | 'deleting' | 'error';
  readonly stateDetail: string;
  readonly capacityGb: number;
  readonly usedBytes: number;
  /** As last seen. */
  readonly keys: readonly KeyInfo[];
  /** Which of the keys the recovery key opens, where that is known. */
  readonly recoveryKeyId: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export type VaultTable = Table<VaultRow>;

export const createVaultTable = (database: Database): VaultTable =>
  createTable<VaultRow>(database, {
    what: 'vault',
    table: 'vaults',
    named: true,
    order: 'name',
    columns: {
      id: 'plain',
      name: 'plain',
      description: 'plain',
      poolId: 'plain',
      path: 'plain',
      location: 'plain',
      repositoryId: 'plain',
      password: 'plain',
      state: 'plain',
      stateDetail: 'plain',
      capacityGb: 'plain',
      usedBytes: 'plain',
      keys: 'json',
      recoveryKeyId: 'plain',
      createdAt: 'plain',
      updatedAt: 'plain',
    },
  });
