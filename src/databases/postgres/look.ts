// What must be known of a PostgreSQL server before it is frozen: may it be, and where do its files lie.
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../base/errors.ts';
import type { FreezeFacts } from '../../ports/quiescer.ts';
import { database } from './failures.ts';
import type { Session } from './session.ts';
import type { Access } from './settings.ts';
import { type Commands, commandsOf } from './statements.ts';

export interface Server {
  readonly commands: Commands;
  readonly standby: boolean;
  readonly facts: FreezeFacts;
}

/** Throws FREEZE_REFUSED, DATABASE_BUSY and DATABASE_RIGHT where nothing must be begun. */
export async function lookAtServer(name: string, session: Session, access: Access, tell: (line: string) => void): Promise<Server> {
  const [about] = (await session.query(
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
       pg_is_in_recovery() AS standby, current_setting('wal_level') AS wal, current_setting('archive_mode') AS archive`,
  )) as readonly { number: number; version: string; standby: boolean; wal: string; archive: string }[];
  const { number, version, standby, wal, archive } = about!;
  if (number < 90_600)
    fail('FREEZE_REFUSED', { name, detail: `PostgreSQL ${version} cannot bind a backup to a session; 9.6 and later can` });
  const commands = commandsOf(number);

  const [right] = await session.query(commands.rights);
  if (right?.['granted'] !== true) {
    fail('DATABASE_RIGHT', { database, user: access.user, right: `start and stop a backup (${commands.grant})` });
  }
  if (wal === 'minimal' && !standby) fail('FREEZE_REFUSED', { name, detail: 'wal_level is minimal; set it to replica' });
  const [exclusive] = commands.exclusive ? await session.query(commands.exclusive) : [];
  if (exclusive?.['busy'] === true) {
    fail('DATABASE_BUSY', { database, detail: 'an exclusive backup (pg_start_backup) is under way and its backup_label lies in the data' });
  }

  const [control] = await session.query(
    `SELECT (SELECT system_identifier::text FROM pg_control_system()) AS id, (SELECT timeline_id::text FROM pg_control_checkpoint()) AS timeline`,
  );
  const facts = {
    version,
    role: standby ? 'standby' : 'primary',
    systemIdentifier: String(control?.['id']),
    timeline: String(control?.['timeline']),
    archiveMode: archive,
    ...(await places(session, access, tell)),
  };
  return { commands, standby, facts };
}

/**
 * `dataDirectory`, `walDirectory`, `tablespace/<oid>`, and `oneFileSystem` (`yes`, `no`): a snapshot of one file system (one subvolume) that
 * holds them all is one point in time. What cannot be seen is left out.
 */
async function places(session: Session, access: Access, tell: (line: string) => void): Promise<FreezeFacts> {
  const [setting] = await session.query(`SELECT setting FROM pg_settings WHERE name = 'data_directory'`);
  const spaces = await session.query(`SELECT oid::text AS oid, pg_tablespace_location(oid) AS path FROM pg_tablespace ORDER BY oid`);
  const tablespaces: Record<string, string> = {};
  for (const { oid, path } of spaces) if (String(path).startsWith('/')) tablespaces[`tablespace/${oid}`] = String(path);
  const data = setting?.['setting'];
  if (typeof data !== 'string') {
    tell(`${access.user} does not see where the data lie: GRANT pg_read_all_settings TO ${access.user}`);
    return tablespaces;
  }
  const facts = { dataDirectory: data, ...tablespaces };
  if (!access.local) return facts;
  try {
    const walDirectory = await realpath(join(data, 'pg_wal')).catch(() => realpath(join(data, 'pg_xlog')));
    const devices = await Promise.all([data, walDirectory, ...Object.values(tablespaces)].map(async (path) => (await stat(path)).dev));
    return { ...facts, walDirectory, oneFileSystem: new Set(devices).size === 1 ? 'yes' : 'no' };
  } catch (error) {
    tell(`cannot see whether data, WAL and tablespaces are one file system: ${(error as Error).message}`);
    return facts;
  }
}
