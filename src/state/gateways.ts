import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

/** By which address, and how fast, backups leave. */
export interface GatewayRow {
  readonly id: string;
  /** One a tenant; an agent alone has the tenant `default`. */
  readonly tenant: string;
  readonly name: string;
  /** IPv4 or IPv6 of this host; null: as the host's routes say. */
  readonly address: string | null;
  /** Bytes a second of all pools together; 0 for no limit. */
  readonly bandwidth: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export type GatewayTable = Table<GatewayRow>;

export const createGatewayTable = (database: Database): GatewayTable =>
  createTable<GatewayRow>(database, {
    what: 'gateway',
    table: 'gateways',
    named: true,
    order: 'name',
    columns: {
      id: 'plain',
      tenant: 'plain',
      name: 'plain',
      address: 'plain',
      bandwidth: 'plain',
      createdAt: 'plain',
      updatedAt: 'plain',
    },
  });
