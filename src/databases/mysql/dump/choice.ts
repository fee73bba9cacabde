// Which databases and tables are meant.
import { fail } from '../../../base/errors.ts';
import type { MysqlSource } from '../../../model/service.ts';
import { label, type Server } from '../server.ts';
import type { Ask } from '../session.ts';
import { type Relation, relationsOf } from './objects.ts';
import { quoteText } from './sql.ts';

export const systemDatabases = ['information_schema', 'mysql', 'performance_schema', 'sys'];

export interface ChosenDatabase {
  readonly name: string;
  /** Of its tables, views and sequences these only; all that it is, with routines and events, if left out. */
  readonly only?: ReadonlySet<string>;
}

export interface Choice {
  /** Nothing was chosen: all databases, and the accounts. */
  readonly whole: boolean;
  readonly databases: readonly ChosenDatabase[];
}

/** Throws DATABASE_UNKNOWN. */
export async function chooseDatabases(ask: Ask, server: Server, source: Pick<MysqlSource, 'databases' | 'tables'>): Promise<Choice> {
  const there = (await ask('SHOW DATABASES')).map((row) => String(Object.values(row)[0]));
  const { databases, tables } = source;
  if (databases.length + tables.length === 0) {
    const own = there.filter((name) => !systemDatabases.includes(name.toLowerCase()));
    return { whole: true, databases: own.toSorted().map((name) => ({ name })) };
  }
  const unknown = (what: string) => fail('DATABASE_UNKNOWN', { database: label(server), what });
  const byName = Map.groupBy(tables, ({ database }) => database);
  const chosen: ChosenDatabase[] = [];
  for (const name of [...new Set([...databases, ...byName.keys()])].toSorted()) {
    if (!there.includes(name) || systemDatabases.includes(name.toLowerCase())) unknown(`database ${name}`);
    if (databases.includes(name)) {
      chosen.push({ name });
      continue;
    }
    const only = new Set(byName.get(name)!.map(({ table }) => table));
    const relations = await relationsOf(ask, name);
    for (const table of only) if (!relations.some((one) => one.name === table)) unknown(`table ${name}.${table}`);
    chosen.push({ name, only });
  }
  return { whole: false, databases: chosen };
}

export interface ChosenTable {
  readonly database: string;
  readonly table: string;
  readonly engine: string;
  /** Rows of it can be read as they were at one moment, whatever is written. */
  readonly transactional: boolean;
}

/** What the dump is told to read, in the order in which it reads it, and what it is told to leave out. */
export interface DumpTables {
  readonly tables: readonly ChosenTable[];
  readonly left: readonly { readonly database: string; readonly table: string }[];
}

/** Their rows lie in other tables, or at another server. */
const holdsNothing = /^(MRG_MYISAM|MRG_ISAM|FEDERATED)$/i;

export async function dumpTables(ask: Ask, { databases }: Choice): Promise<DumpTables> {
  const safe = new Set(
    (await ask('SHOW ENGINES'))
      .filter((row) => row['Transactions'] === 'YES' || row['Engine'] === 'BLACKHOLE')
      .map((row) => String(row['Engine'])),
  );
  const tables: ChosenTable[] = [];
  const left: { database: string; table: string }[] = [];
  for (const { name: database, only } of databases) {
    const engines = await enginesOf(ask, database);
    for (const { name: table, kind } of await relationsOf(ask, database)) {
      const engine = engines.get(table) ?? '';
      if (isLeftOut({ name: table, kind }, engine, only)) left.push({ database, table });
      else tables.push({ database, table, engine, transactional: safe.has(engine) });
    }
  }
  return { tables, left };
}

const isLeftOut = ({ name, kind }: Relation, engine: string, only?: ReadonlySet<string>): boolean =>
  kind !== 'schema' || holdsNothing.test(engine) || (only !== undefined && !only.has(name));

async function enginesOf(ask: Ask, database: string): Promise<ReadonlyMap<string, string>> {
  const name = quoteText(database);
  const rows = await ask(`SELECT TABLE_NAME AS name, ENGINE AS engine FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${name}`);
  return new Map(rows.map((row) => [String(row['name']), String(row['engine'] ?? '')]));
}
