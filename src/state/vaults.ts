import type { KeyInfo } from '../model/task.ts';
import type { VaultNature } from '../model/vault.ts';
import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

/** When (ms) the agent last looked after the vault by itself; 0 for never. */
export interface Care {
  readonly checkedAt: number;
  /** Which of the shares of the data was read last, 1 to the number of days in which all is read. */
  readonly share: number;
  readonly readAt: number;
  readonly prunedAt: number;
  /** When something was begun that has not succeeded since; 0 otherwise. */
  readonly triedAt: number;
}

export const noCare: Care = { checkedAt: 0, share: 0, readAt: 0, prunedAt: 0, triedAt: 0 };

export interface VaultRow extends VaultNature {
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
  readonly policyId: string | null;
  /** How long (days) nothing in it can be removed by anyone (S3 Object Lock); 0 for not at all. */
  readonly immutableDays: number;
  readonly care: Care;
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
      type: 'plain',
      protection: 'plain',
      spec: 'plain',
      policyId: 'plain',
      immutableDays: 'plain',
      care: 'json',
      createdAt: 'plain',
      updatedAt: 'plain',
    },
  });
