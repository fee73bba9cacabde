// Whose log it is: a cluster and its time line, as the tags of a backup name it.
import { fail } from '../../base/errors.ts';
import type { Asker } from './address.ts';
import { database } from './failures.ts';

export interface Cluster {
  readonly major: number;
  readonly version: string;
  readonly superuser: string;
  readonly systemId: string;
  readonly standby: boolean;
  readonly walLevel: string;
  /** Bytes. */
  readonly segment: bigint;
  readonly timeZone: string;
  readonly libraries: string;
}

/** Throws DATABASE_FAILED for versions before 15, whose copies come in another way. */
export async function readCluster(session: Asker): Promise<Cluster> {
  const [row] = await session.ask(
    'be asked for its state',
    `SELECT current_setting('server_version_num')::int / 10000 AS major, current_setting('server_version') AS version,
       (SELECT rolname FROM pg_roles WHERE oid = 10) AS superuser, (SELECT system_identifier::text FROM pg_control_system()) AS "systemId",
       pg_is_in_recovery() AS standby, current_setting('wal_level') AS "walLevel",
       (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size') AS segment, (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone') AS "timeZone",
       coalesce((SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries'), '') AS libraries`,
  );
  const cluster = { ...row, segment: BigInt(String(row!['segment'])) } as Cluster;
  if (cluster.major < 15)
    fail('DATABASE_FAILED', { database, what: 'be copied physically', detail: `it is ${cluster.version}; 15 and later can` });
  return cluster;
}

/** The server's own clock, ms since the epoch: times of its log are its times. */
export async function serverTime(session: Asker): Promise<number> {
  const [row] = await session.ask('be asked for the time', 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now');
  return Number(row!['now']);
}

export const serverMark = (systemId: string, timeline: number): string => `${systemId}/${timeline}`;
