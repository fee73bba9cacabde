// What a restore of a dump would do, before it touches anything.
import { fail } from '../../../base/errors.ts';
import type { Node } from '../../../model/node.ts';
import type { PostgresTarget } from '../../../model/service.ts';
import type { RestoreRun } from '../../../ports/restorer.ts';
import type { ServiceContext } from '../../../ports/service.ts';
import { type Asker, accessTo, openSession } from '../address.ts';
import { database as engine } from '../failures.ts';
import { ident } from '../text.ts';
import { findTool, type Tool } from '../tools.ts';
import { needNode, readFacts, readText, root } from '../tree.ts';
import { type DatabaseFacts, type DumpFacts, type ServerFacts, serverFacts } from './facts.ts';
import { type RoleStatement, roleStatements } from './globals.ts';
import { listDump } from './load.ts';
import { entriesOf, type TocEntry, tableText, tocOf } from './toc.ts';

export interface DatabasePlan {
  readonly facts: DatabaseFacts;
  readonly dump: Node;
  /** Its name at the server. */
  readonly name: string;
  /** `empty`: it is there, with nothing in it. */
  readonly there: 'no' | 'empty' | 'yes';
}

export interface TablePlan {
  readonly schema: string;
  readonly table: string;
  readonly there: boolean;
}

/** Tables of one database, restored in one transaction. */
export interface TablesPlan {
  readonly dump: Node;
  readonly name: string;
  readonly tables: readonly TablePlan[];
  readonly entries: readonly TocEntry[];
}

export interface DumpPlan {
  readonly server: ServerFacts;
  readonly tool: Tool;
  readonly roles: readonly RoleStatement[];
  readonly databases: readonly DatabasePlan[];
  readonly tables: readonly TablesPlan[];
  /** Tablespaces of the backup that the server lacks. */
  readonly lacking: readonly string[];
}

/** Throws what stands in the way: TARGET_EXISTS, DATABASE_UNKNOWN, NOT_IN_BACKUP, TOOL_…, USAGE. */
export async function planDump(
  target: PostgresTarget,
  run: RestoreRun,
  { scratch, signal }: ServiceContext,
  fresh: boolean,
): Promise<DumpPlan> {
  const { backup, reader } = run;
  const facts = await readFacts<DumpFacts>(backup, reader, 'logical');
  const whole = target.databases.length === 0 && target.tables.length === 0;
  const chosen = chooseFacts(facts, target, whole);
  const names = chosen.map((one) => nameOf(target, one.name));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) fail('USAGE', { detail: `two databases would be restored as ${twice}` });

  const session = await openSession(accessTo(target.server), signal);
  try {
    const server = await serverFacts(session);
    const tool = await findTool({ name: 'pg_restore', major: server.major, fit: 'newer' });
    if (tool.major < facts.toolMajor) {
      fail('TOOL_VERSION', {
        tool: 'pg_restore',
        have: tool.major,
        server: `the dump of ${facts.toolMajor}`,
        package: `postgresql-client-${facts.toolMajor}`,
      });
    }
    const known = new Set((await session.ask('list its roles', 'SELECT rolname FROM pg_roles')).map((row) => String(row['rolname'])));
    const globals = whole ? roleStatements(await readText(backup, reader, `${root}/globals.sql`)) : [];
    const roles = globals.filter(({ kind, role }) => (fresh && kind === 'change') || !known.has(role));
    const made = new Set(roles.map(({ role }) => role));

    const databases: DatabasePlan[] = [];
    for (const one of chosen) {
      const role = one.roles.find((name) => !known.has(name) && !made.has(name));
      if (role !== undefined)
        fail('DATABASE_UNKNOWN', {
          database: engine,
          what: `role ${role}, which owns or may use what is in ${one.name}: CREATE ROLE ${ident(role)}`,
        });
      const name = nameOf(target, one.name);
      const there = await lookFor(session, target, name, signal);
      if (there === 'yes' && target.existing === 'refuse') fail('TARGET_EXISTS', { what: `the database ${name}` });
      databases.push({ facts: one, dump: await needNode(backup, reader, `${root}/databases/${one.file}`), name, there });
    }
    const spaces = new Set(
      (await session.ask('list its tablespaces', 'SELECT spcname FROM pg_tablespace')).map((row) => String(row['spcname'])),
    );
    const lacking = [...new Set(facts.databases.flatMap(({ tablespaces }) => tablespaces))].filter((space) => !spaces.has(space));
    const tables: TablesPlan[] = [];
    for (const [name, wanted] of Map.groupBy(target.tables, ({ database }) => database)) {
      const one = facts.databases.find((database) => database.name === name) ?? fail('NOT_IN_BACKUP', { what: 'database', id: name });
      const dump = await needNode(backup, reader, `${root}/databases/${one.file}`);
      const access = accessTo(target.server, nameOf(target, name));
      const toc = tocOf(await listDump({ tool, access, scratch }, dump, run));
      tables.push(
        await planTables(
          toc,
          target,
          wanted.map(({ table }) => table),
          { dump, name: access.database },
          await openSession(access, signal),
        ),
      );
    }
    return { server, tool, roles, databases, tables, lacking };
  } finally {
    session.close();
  }
}

function chooseFacts(facts: DumpFacts, target: PostgresTarget, whole: boolean): readonly DatabaseFacts[] {
  const all = facts.databases.map(({ name }) => name);
  for (const name of [...target.databases, ...Object.keys(target.as)])
    if (!all.includes(name)) fail('NOT_IN_BACKUP', { what: 'database', id: name });
  for (const name of Object.values(target.as)) {
    if (name === '' || name.includes('\0') || Buffer.byteLength(name) > 63)
      fail('USAGE', { detail: `${name} cannot be the name of a database: 1 to 63 bytes` });
    if (/^template[01]$/.test(name)) fail('USAGE', { detail: `${name} is PostgreSQL's own: restore under another name` });
  }
  return whole ? facts.databases : facts.databases.filter(({ name }) => target.databases.includes(name));
}

const nameOf = ({ as }: PostgresTarget, name: string): string => (Object.hasOwn(as, name) ? as[name]! : name);

/** A database that nobody has put anything into (a new server has `postgres`) has nothing to lose. */
async function lookFor(session: Asker, target: PostgresTarget, name: string, signal: AbortSignal): Promise<DatabasePlan['there']> {
  const rows = await session.ask('list its databases', 'SELECT datallowconn AS open FROM pg_database WHERE datname = $1', [name]);
  if (rows.length === 0) return 'no';
  if (rows[0]!['open'] !== true) return 'yes';
  const inside = await openSession(accessTo(target.server, name), signal);
  try {
    const own = (oid: string) =>
      `oid >= 16384 AND ${oid} NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_' OR nspname = 'information_schema')`;
    const [row] = await inside.ask(
      `look into the database ${name}`,
      `SELECT EXISTS (SELECT FROM pg_class WHERE ${own('relnamespace')}) OR EXISTS (SELECT FROM pg_proc WHERE ${own('pronamespace')})
         OR EXISTS (SELECT FROM pg_type WHERE ${own('typnamespace')}) OR EXISTS (SELECT FROM pg_largeobject_metadata)
         OR EXISTS (SELECT FROM pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_') AS used`,
    );
    return row!['used'] === true ? 'yes' : 'empty';
  } finally {
    inside.close();
  }
}

/** `wanted`: `table` or `schema.table`. Closes the session. */
async function planTables(
  toc: readonly TocEntry[],
  target: PostgresTarget,
  wanted: readonly string[],
  { dump, name }: { readonly dump: Node; readonly name: string },
  session: Asker,
): Promise<TablesPlan> {
  try {
    const chosen = new Set<TocEntry>();
    const tables: TablePlan[] = [];
    for (const text of wanted) {
      const { entry, schema, table } = findTable(toc, text);
      const [row] = await session.ask(
        `look for ${text}`,
        'SELECT to_regclass($1) IS NOT NULL AS there, EXISTS (SELECT FROM pg_namespace WHERE nspname = $2) AS schema',
        [`${ident(schema)}.${ident(table)}`, schema],
      );
      const there = row!['there'] === true;
      if (there && target.existing === 'refuse') fail('TARGET_EXISTS', { what: `the table ${schema}.${table} of ${name}` });
      for (const one of entriesOf(toc, entry, schema, table)) chosen.add(one);
      if (row!['schema'] !== true)
        for (const one of toc.filter(({ text: line }) => line.startsWith(`SCHEMA - ${schema} `))) chosen.add(one);
      tables.push({ schema, table, there });
    }
    return { dump, name, tables, entries: toc.filter((entry) => chosen.has(entry)) };
  } finally {
    session.close();
  }
}

/** Every dot may be the one between schema and table; without a schema it is `public`. Throws NOT_IN_BACKUP. */
function findTable(toc: readonly TocEntry[], text: string): { entry: TocEntry; schema: string; table: string } {
  const dots = [...text.matchAll(/\./g)].map(({ index }) => ({ schema: text.slice(0, index), table: text.slice(index + 1) }));
  for (const { schema, table } of [...dots, { schema: 'public', table: text }]) {
    const [entry, second] = toc.filter((one) => one.text.startsWith(tableText(schema, table)));
    if (second) fail('AMBIGUOUS_ID', { id: text, count: 2, what: 'table' });
    if (entry) return { entry, schema, table };
  }
  return fail('NOT_IN_BACKUP', { what: 'table', id: text });
}
