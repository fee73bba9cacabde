// What must be known of a server and its databases before they are dumped, and what a restore needs besides the dumps.
import { fail } from '../../../base/errors.ts';
import type { Asker } from '../address.ts';
import { database as engine } from '../failures.ts';
import type { Access } from '../settings.ts';
import { fileNameOf } from '../text.ts';
import { grantAll } from '../tools.ts';

export interface DatabaseFacts {
  readonly name: string;
  /** In `/postgres/databases`. */
  readonly file: string;
  readonly owner: string;
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  /** `c`, `i` (ICU), `b` (built in); from 15 on. */
  readonly provider: string;
  readonly locale: string | null;
  readonly limit: number;
  readonly comment: string | null;
  /** Null: what a new database has. An empty grantee is everybody. */
  readonly rights: readonly { readonly grantee: string; readonly right: string; readonly grantable: boolean }[] | null;
  /** `name=value`, for all roles (empty) or one. */
  readonly settings: readonly { readonly role: string; readonly config: readonly string[] }[];
  /** Roles that own something in it or may do something there. */
  readonly roles: readonly string[];
  readonly tablespaces: readonly string[];
}

export interface DumpFacts {
  readonly format: 1;
  readonly engine: 'postgres';
  readonly method: 'logical';
  readonly serverVersion: string;
  readonly toolMajor: number;
  /** Whose the cluster is. */
  readonly superuser: string;
  /** Whether globals.sql holds the passwords of the roles. */
  readonly passwords: boolean;
  readonly consistency: string;
  readonly databases: readonly DatabaseFacts[];
}

export interface ServerFacts {
  /** server_version_num */
  readonly number: number;
  readonly major: number;
  readonly version: string;
  readonly superuser: string;
  readonly passwords: boolean;
}

export async function serverFacts(session: Asker): Promise<ServerFacts> {
  const [row] = await session.ask(
    'be asked for its version',
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
       (SELECT rolname FROM pg_roles WHERE oid = 10) AS superuser, has_table_privilege('pg_authid', 'SELECT') AS passwords`,
  );
  const { number, version, superuser, passwords } = row as { number: number; version: string; superuser: string; passwords: boolean };
  return { number, major: Math.floor(number / 10_000), version, superuser, passwords };
}

/** Names of those to dump, in order. Throws DATABASE_UNKNOWN, DATABASE_GRANTS. */
export async function chooseDatabases(session: Asker, wanted: readonly string[], { user }: Access): Promise<readonly string[]> {
  const rows = (await session.ask(
    'list its databases',
    `SELECT datname AS name, datallowconn AND NOT datistemplate AS usual, datallowconn AS open, has_database_privilege(oid, 'CONNECT') AS mine
     FROM pg_database ORDER BY datname COLLATE "C"`,
  )) as readonly { name: string; usual: boolean; open: boolean; mine: boolean }[];
  for (const name of wanted)
    if (!rows.some((row) => row.name === name && row.open)) fail('DATABASE_UNKNOWN', { database: engine, what: `database ${name}` });
  const chosen = wanted.length > 0 ? rows.filter(({ name }) => wanted.includes(name)) : rows.filter(({ usual }) => usual);
  const closed = chosen.filter(({ mine }) => !mine).map(({ name }) => name);
  if (closed.length > 0) {
    const statement = closed.map((name) => `GRANT CONNECT ON DATABASE "${name}" TO "${user}"`).join('; ');
    fail('DATABASE_GRANTS', { user, database: engine, missing: `CONNECT to ${closed.join(', ')}`, statement });
  }
  return chosen.map(({ name }) => name);
}

/** `session` is in that database. */
export async function databaseFacts(session: Asker, name: string, { number }: ServerFacts): Promise<DatabaseFacts> {
  const provider = number >= 150_000 ? 'datlocprovider::text' : `'c'`;
  const locale = number >= 170_000 ? 'datlocale' : number >= 150_000 ? 'daticulocale' : 'NULL';
  const [row] = await session.ask(
    `describe the database ${name}`,
    `SELECT pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datctype AS ctype,
       ${provider} AS provider, ${locale} AS locale, datconnlimit AS limit, shobj_description(d.oid, 'pg_database') AS comment,
       CASE WHEN datacl IS NOT NULL THEN (SELECT json_agg(json_build_object('grantee', CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee) END,
         'right', privilege_type, 'grantable', is_grantable)) FROM aclexplode(datacl)) END AS rights,
       (SELECT coalesce(json_agg(json_build_object('role', CASE setrole WHEN 0 THEN '' ELSE pg_get_userbyid(setrole) END, 'config', setconfig)
         ORDER BY setrole), '[]') FROM pg_db_role_setting WHERE setdatabase = d.oid) AS settings,
       (SELECT json_agg(DISTINCT rolname) FROM pg_roles r WHERE r.oid IN (10, datdba) OR EXISTS (SELECT FROM pg_shdepend s
         WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid AND s.dbid = d.oid)) AS roles,
       (SELECT coalesce(json_agg(DISTINCT spcname), '[]') FROM pg_tablespace t JOIN pg_class c ON c.reltablespace = t.oid
         WHERE spcname <> 'pg_global') AS tablespaces
     FROM pg_database d WHERE datname = current_database()`,
  );
  return { name, file: `${fileNameOf(name)}.dump`, ...(row as Omit<DatabaseFacts, 'name' | 'file'>) };
}

/** `session` is in that database. Throws DATABASE_GRANTS, naming what cannot be read. */
export async function needReadable(session: Asker, name: string, { user }: Access): Promise<void> {
  const rows = (await session.ask(
    `look for rights in the database ${name}`,
    `SELECT 'SELECT on ' || c.oid::regclass::text AS missing FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
         ELSE has_table_privilege(c.oid, 'SELECT') END)
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
     UNION ALL SELECT 'SELECT on large object ' || oid FROM pg_largeobject_metadata WHERE lomacl IS NULL AND NOT pg_has_role(lomowner, 'USAGE')
     LIMIT 6`,
  )) as readonly { missing: string }[];
  if (rows.length === 0) return;
  const some = rows.slice(0, 5).map(({ missing }) => missing);
  const missing = `in the database ${name}: ${some.join(', ')}${rows.length > 5 ? ' and more' : ''}`;
  fail('DATABASE_GRANTS', { user, database: engine, missing, statement: grantAll(user) });
}
