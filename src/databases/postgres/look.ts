// What must be known of a PostgreSQL server before it is frozen: may it be, and where do its files lie.
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../../base/errors.ts';
import type { DatabasePlace } from '../../ports/database.ts';
import type { FreezeFacts } from '../../ports/quiescer.ts';
import { filesFacts } from '../places.ts';
import { isThisHost } from '../settings.ts';
import { database } from './failures.ts';
import type { Session } from './session.ts';
import type { Access } from './settings.ts';
import { type Commands, commandsOf } from './statements.ts';
import { warningsOf } from './warnings.ts';

const name = 'postgres';

export interface Server {
  readonly commands: Commands;
  readonly standby: boolean;
  readonly facts: FreezeFacts;
}

/** Throws FREEZE_REFUSED, DATABASE_BUSY and DATABASE_RIGHT where nothing must be begun. */
export async function lookAtServer(session: Session, access: Access, tell: (line: string) => void): Promise<Server> {
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
  const warnings = await warningsOf(session, { standby, archive });
  for (const warning of warnings) tell(`PostgreSQL: ${warning}`);
  const facts = {
    version,
    role: standby ? 'standby' : 'primary',
    systemIdentifier: String(control?.['id']),
    timeline: String(control?.['timeline']),
    archiveMode: archive,
    ...(warnings.length > 0 && { warning: warnings.join('; ') }),
    ...(await places(session, access, tell)),
  };
  return { commands, standby, facts };
}

/**
 * `dataDirectory`, `walDirectory`, `tablespace/<oid>`, and `oneFileSystem` (`yes`, `no`): a snapshot of one file system (one subvolume) that
 * holds them all is one point in time. What cannot be seen is left out there, and told in the fact of all files.
 */
async function places(session: Session, access: Access, tell: (line: string) => void): Promise<FreezeFacts> {
  const [setting] = await session.query(`SELECT setting FROM pg_settings WHERE name = 'data_directory'`);
  const spaces = await session.query(`SELECT oid::text AS oid, pg_tablespace_location(oid) AS path FROM pg_tablespace ORDER BY oid`);
  const tablespaces: Record<string, string> = {};
  for (const { oid, path } of spaces) if (String(path).startsWith('/')) tablespaces[`tablespace/${oid}`] = String(path);
  const said = Object.values(tablespaces).map((path): DatabasePlace => ({ holds: 'a tablespace', path }));
  const data = setting?.['setting'];
  if (typeof data !== 'string') {
    const grant = `GRANT pg_read_all_settings TO ${access.user}`;
    tell(`${access.user} does not see where the data lie: ${grant}`);
    return { ...tablespaces, ...(await filesFacts(name, access.remote, [{ holds: 'its data', unseen: grant }, ...said])) };
  }
  const facts = { dataDirectory: data, ...tablespaces };
  const wal = await walOf(data);
  const all = await filesFacts(name, access.remote, [{ holds: 'its data', path: data }, { holds: 'its WAL', path: wal }, ...said]);
  if (access.remote !== '' && !isThisHost(access.remote)) return { ...facts, ...all };
  try {
    const devices = await Promise.all([data, wal, ...Object.values(tablespaces)].map(async (path) => (await stat(path)).dev));
    return { ...facts, walDirectory: wal, oneFileSystem: new Set(devices).size === 1 ? 'yes' : 'no', ...all };
  } catch (error) {
    tell(`cannot see whether data, WAL and tablespaces are one file system: ${(error as Error).message}`);
    return { ...facts, ...all };
  }
}

/** pg_wal may be a link; before version 10 it was pg_xlog. Where neither can be seen, the first. */
async function walOf(data: string): Promise<string> {
  const wal = join(data, 'pg_wal');
  return realpath(wal).catch(() => realpath(join(data, 'pg_xlog')).catch(() => wal));
}
