// What the account may do where, and the statements that would let it do the rest.
import { fail } from '../../../base/errors.ts';
import { isAtLeast, label, type Server } from '../server.ts';
import type { Ask } from '../session.ts';
import type { ChosenDatabase, ChosenTable } from './choice.ts';
import { quoteName, quoteText } from './sql.ts';

interface Grant {
  readonly rights: ReadonlySet<string>;
  /** `*` for all; MySQL's wildcards stand in it otherwise. */
  readonly database: string;
  readonly table: string;
}

const quoted = '`((?:[^`]|``)*)`';
const line = new RegExp(`^GRANT (.+?) ON (?:TABLE |PROCEDURE |FUNCTION |PACKAGE )?(?:\\*|${quoted})\\.(?:\\*|${quoted}) TO `, 's');

/** The lines of SHOW GRANTS hold hashes of passwords: they go nowhere. */
export function grantsIn(lines: readonly string[]): readonly Grant[] {
  return lines.flatMap((text) => {
    const [, list, database, table] = line.exec(text) ?? [];
    if (list === undefined) return [];
    const rights = new Set(
      list
        .replace(/\([^)]*\)/g, '(columns)')
        .split(',')
        .map((right) => right.trim().toUpperCase()),
    );
    return [{ rights, database: unquoted(database), table: unquoted(table) }];
  });
}

const unquoted = (name: string | undefined): string => name?.replaceAll('``', '`') ?? '*';

/** `_` and `%` stand for anything in the database of a grant, unless a backslash is before them. */
function covers(pattern: string, database: string): boolean {
  if (pattern === '*') return true;
  const source = pattern.replace(/\\[_%]|[_%]|[\s\S]/g, (one) => {
    if (one === '_') return '[\\s\\S]';
    if (one === '%') return '[\\s\\S]*';
    return one.at(-1)!.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  });
  return new RegExp(`^${source}$`).test(database);
}

export interface Need {
  readonly right: string;
  readonly database: string;
  /** `*`: all of the database. */
  readonly table: string;
}

export function lacking(grants: readonly Grant[], needs: readonly Need[]): readonly Need[] {
  const has = (grant: Grant, right: string) => grant.rights.has(right) || grant.rights.has('ALL PRIVILEGES') || grant.rights.has('ALL');
  return needs.filter(({ right, database, table }) => !inForce(grants, database, table).some((grant) => has(grant, right)));
}

/** Of several grants on a database only that of the closest name counts. */
function inForce(grants: readonly Grant[], database: string, table: string): readonly Grant[] {
  const everywhere = grants.filter((grant) => grant.database === '*');
  if (database === '*') return everywhere;
  const matching = grants.filter((grant) => grant.database !== '*' && grant.table === '*' && covers(grant.database, database));
  const closest = matching.filter((grant) => !/(^|[^\\])[_%]/.test(grant.database));
  const ofTable = grants.filter((grant) => grant.table !== '*' && grant.table === table && grant.database === database);
  return [...everywhere, ...(closest.length > 0 ? closest : matching), ...ofTable];
}

const ofDatabase = ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT'];
const ofTable = ['SELECT', 'SHOW VIEW', 'TRIGGER'];

export interface Wanted {
  readonly whole: boolean;
  readonly databases: readonly ChosenDatabase[];
  readonly locked: readonly ChosenTable[];
}

/** In the order in which they would be granted. */
export function needsOf(server: Server, { whole, databases, locked }: Wanted): readonly Need[] {
  const all = (right: string): Need => ({ right, database: '*', table: '*' });
  const on = (rights: readonly string[], database: string, tables: Iterable<string>): Need[] =>
    [...tables].flatMap((table) => rights.map((right) => ({ right, database, table })));
  const lockable = new Set(locked.map(({ database }) => database));
  return [
    ...(whole ? [...ofDatabase, ...(lockable.size > 0 ? ['LOCK TABLES'] : [])].map(all) : []),
    ...(whole ? [] : databases.flatMap(({ name, only }) => (only ? on(ofTable, name, only) : on(ofDatabase, name, ['*'])))),
    ...(whole ? [] : [...lockable].flatMap((name) => on(['LOCK TABLES'], name, ['*']))),
    ...(databases.some(({ only }) => !only) ? routineNeeds(server) : []),
    ...(server.kind === 'MySQL' && server.binaryLog ? ['RELOAD', 'REPLICATION CLIENT'].map(all) : []),
  ];
}

/** What shows the texts of routines that are not the account's own. */
function routineNeeds(server: Server): readonly Need[] {
  if (server.kind === 'MySQL' && isAtLeast(server.version, '8.0.20')) return [{ right: 'SHOW_ROUTINE', database: '*', table: '*' }];
  if (server.kind === 'MariaDB' && isAtLeast(server.version, '11.3.0'))
    return [{ right: 'SHOW CREATE ROUTINE', database: '*', table: '*' }];
  return [{ right: 'SELECT', database: 'mysql', table: 'proc' }];
}

/** Throws DATABASE_GRANTS with all that are missing, before anything is read. */
export async function needGrants(ask: Ask, server: Server, wanted: Wanted): Promise<void> {
  const lines = (await ask('SHOW GRANTS')).map((row) => String(Object.values(row)[0]));
  const needed = needsOf(server, wanted);
  const missing = lacking(grantsIn(lines), needed);
  if (missing.length === 0) return;
  const account = await accountOf(ask);
  const places = new Set(missing.map(placeOf));
  // All of a place and not what is missing only: a grant on a name hides those on patterns that match it.
  const whole = needed.filter((need) => places.has(placeOf(need)));
  fail('DATABASE_GRANTS', {
    user: account,
    database: label(server),
    missing: texts(missing).join('; '),
    statement: texts(whole)
      .map((text) => `GRANT ${text} TO ${account}`)
      .join('; '),
  });
}

const texts = (needs: readonly Need[]): readonly string[] =>
  [...Map.groupBy(needs, placeOf)].map(([place, own]) => `${[...new Set(own.map(({ right }) => right))].join(', ')} ON ${place}`);

function placeOf({ database, table }: Need): string {
  const name = (text: string) => (text === '*' ? '*' : quoteName(text));
  return `${name(table === '*' ? database.replaceAll(/[_%]/g, '\\$&') : database)}.${name(table)}`;
}

async function accountOf(ask: Ask): Promise<string> {
  const [user = '', host = ''] = String((await ask('SELECT CURRENT_USER() AS me'))[0]?.['me']).split(/@(?=[^@]*$)/);
  return `${quoteText(user)}@${quoteText(host)}`;
}
