// What must be known of a SQL Server before it is frozen.
import { fail } from '../../base/errors.ts';
import type { FreezeFacts } from '../../ports/quiescer.ts';
import { filesFacts } from '../places.ts';
import { database } from './failures.ts';
import type { Session } from './session.ts';
import type { Access } from './settings.ts';
import { about, backups, databases, secondaries, status } from './statements.ts';

export interface Server {
  /** Ids of the databases that must be suspended. */
  readonly ids: ReadonlySet<number>;
  readonly facts: FreezeFacts;
}

const most = 64;

/** Throws FREEZE_REFUSED, DATABASE_CLUSTER and DATABASE_BUSY where nothing must be begun. */
export async function lookAtServer(name: string, session: Session, access: Access): Promise<Server> {
  const [server] = await session.query(about);
  const version = String(server?.['version']);
  if (Number(server?.['major']) < 16) {
    fail('FREEZE_REFUSED', { name, detail: `SQL Server ${version} cannot suspend its databases on Linux; 2022 (16) and later can` });
  }
  if (Number(server?.['clustered']) === 1) fail('DATABASE_CLUSTER', { database, detail: 'a failover cluster instance' });
  const group = Number(server?.['hadr']) === 1;
  const [secondary] = group ? await session.query(secondaries) : [];
  if (secondary) {
    fail('DATABASE_CLUSTER', { database, detail: `it holds the secondary copy of ${secondary['name']} in an availability group` });
  }

  const [suspended] = await session.query(status);
  if (suspended) {
    fail('DATABASE_BUSY', { database, detail: `session ${suspended['session']} has suspended ${suspended['name']} for a snapshot` });
  }
  const [backup] = await session.query(backups);
  if (backup) fail('DATABASE_BUSY', { database, detail: `session ${backup['session']} runs ${backup['command']} of ${backup['name']}` });

  const files = new Map<string, string[]>();
  const ids = new Set<number>();
  for (const { id, name: owner, path } of await session.query(databases)) {
    ids.add(Number(id));
    files.set(String(owner), [...(files.get(String(owner)) ?? []), String(path)]);
  }
  if (ids.size === 0) fail('FREEZE_REFUSED', { name, detail: 'it has no user database that is online and can be written to' });
  if (ids.size > most) fail('FREEZE_REFUSED', { name, detail: `it has ${ids.size} databases; ${most} can be suspended together` });
  // System databases cannot be suspended; a plan may leave them out, and attach the others to a new server.
  const places = [...files].flatMap(([owner, paths]) => paths.map((path) => ({ holds: `its database ${owner}`, path })));
  return { ids, facts: { ...factsOf(server!, group, files), ...(await filesFacts(name, access.host, places)) } };
}

/** `database/<name>`: its files, one a line. */
function factsOf(server: Readonly<Record<string, unknown>>, group: boolean, files: ReadonlyMap<string, readonly string[]>): FreezeFacts {
  return {
    version: String(server['version']),
    edition: String(server['edition']),
    role: group ? 'primary of availability groups' : 'single',
    mode: 'COPY_ONLY',
    systemDatabases: 'not suspended: SQL Server cannot; master, model and msdb recover as after a crash',
    ...Object.fromEntries([...files].map(([owner, paths]) => [`database/${owner}`, paths.join('\n')])),
  };
}
