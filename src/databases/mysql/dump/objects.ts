// Everything of a database but its rows, as scripts.
import { fail } from '../../../base/errors.ts';
import type { Row } from '../../sessions.ts';
import { label, type Server } from '../server.ts';
import type { Ask } from '../session.ts';
import type { FileOf } from './names.ts';
import { quoteName, quoteText, script } from './sql.ts';

export interface DatabaseObject extends FileOf {
  readonly text: string;
}

export interface Relation {
  readonly name: string;
  readonly kind: 'schema' | 'view' | 'sequence';
}

/** Tables, views and sequences in the server's own order, which is that of its dumps. */
export async function relationsOf(ask: Ask, database: string): Promise<readonly Relation[]> {
  const rows = await ask(`SHOW FULL TABLES FROM ${quoteName(database)}`);
  return rows.map((row) => {
    const [name, type] = Object.values(row).map(String) as [string, string];
    return { name, kind: type === 'VIEW' ? 'view' : type === 'SEQUENCE' ? 'sequence' : 'schema' };
  });
}

/** CREATE DATABASE, as the server has it. */
export async function databaseText(ask: Ask, database: string): Promise<string> {
  return script([String((await ask(`SHOW CREATE DATABASE ${quoteName(database)}`))[0]?.['Create Database'])]);
}

/**
 * `only`: these tables, views and sequences, with the triggers of the tables; else all, with routines and events. The session's database is
 * `database` afterwards: what is in it is then told without its name, and can be made in another one.
 */
export async function* objectsOf(ask: Ask, server: Server, database: string, only?: ReadonlySet<string>): AsyncGenerator<DatabaseObject> {
  await ask(`USE ${quoteName(database)}`);
  for (const relation of await relationsOf(ask, database)) {
    if (only && !only.has(relation.name)) continue;
    yield { ...relation, text: await relationText(ask, relation) };
  }
  yield* triggers(ask, database, only);
  if (only) return;
  yield* routines(ask, server, database);
  yield* events(ask, database);
}

async function relationText(ask: Ask, { name, kind }: Relation): Promise<string> {
  if (kind === 'view') {
    const row = await show(ask, `SHOW CREATE VIEW ${quoteName(name)}`);
    return script([contextOf(row), String(row['Create View'])]);
  }
  if (kind === 'sequence') {
    const row = await show(ask, `SHOW CREATE SEQUENCE ${quoteName(name)}`);
    const next = (await ask(`SELECT CAST(next_not_cached_value AS CHAR) AS next FROM ${quoteName(name)}`))[0]?.['next'];
    return script([String(row['Create Table']), `SELECT SETVAL(${quoteName(name)}, ${String(next)}, 0)`]);
  }
  const row = await show(ask, `SHOW CREATE TABLE ${quoteName(name)}`);
  return script(["SET SESSION foreign_key_checks = 0, unique_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'", String(row['Create Table'])]);
}

/** What is looked at to see whether a schema changed: counters go on while rows are written. */
export const withoutCounters = (text: string): string =>
  text.replaceAll(/ AUTO_INCREMENT=\d+/g, '').replaceAll(/^SELECT SETVAL\(.*$/gm, '');

async function* triggers(ask: Ask, database: string, only?: ReadonlySet<string>): AsyncGenerator<DatabaseObject> {
  const rows = await ask(`SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS owner FROM information_schema.TRIGGERS
    WHERE TRIGGER_SCHEMA = ${quoteText(database)} ORDER BY EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, ACTION_ORDER`);
  for (const [table, own] of Map.groupBy(rows, (row) => String(row['owner']))) {
    if (only && !only.has(table)) continue;
    const statements: string[] = [];
    for (const { name } of own) {
      const row = await show(ask, `SHOW CREATE TRIGGER ${quoteName(String(name))}`);
      statements.push(contextOf(row), String(row['SQL Original Statement']));
    }
    yield { kind: 'triggers', name: table, text: script(statements) };
  }
}

const routineKinds = { PROCEDURE: 'procedure', FUNCTION: 'function', PACKAGE: 'package', 'PACKAGE BODY': 'package-body' } as const;

async function* routines(ask: Ask, server: Server, database: string): AsyncGenerator<DatabaseObject> {
  const rows = await ask(`SELECT ROUTINE_NAME AS name, ROUTINE_TYPE AS type FROM information_schema.ROUTINES
    WHERE ROUTINE_SCHEMA = ${quoteText(database)} ORDER BY ROUTINE_TYPE, ROUTINE_NAME`);
  for (const { name, type } of rows) {
    const row = await show(ask, `SHOW CREATE ${String(type)} ${quoteName(String(name))}`);
    const statement = row[Object.keys(row).find((key) => /^Create /.test(key)) ?? ''];
    if (typeof statement !== 'string')
      fail('DATABASE_CHANGED', { database: label(server), detail: `the routine ${database}.${name} cannot be read` });
    const kind = routineKinds[String(type) as keyof typeof routineKinds];
    if (kind) yield { kind, name: String(name), text: script([contextOf(row), statement]) };
  }
}

async function* events(ask: Ask, database: string): AsyncGenerator<DatabaseObject> {
  const rows = await ask(
    `SELECT EVENT_NAME AS name FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ${quoteText(database)} ORDER BY EVENT_NAME`,
  );
  for (const { name } of rows) {
    const row = await show(ask, `SHOW CREATE EVENT ${quoteName(String(name))}`);
    yield { kind: 'event', name: String(name), text: script([contextOf(row), String(row['Create Event'])]) };
  }
}

async function show(ask: Ask, statement: string): Promise<Row> {
  return (await ask(statement))[0] ?? {};
}

/** What a stored program or view was made under, and goes on under. The text itself always comes as UTF-8. */
function contextOf(row: Row): string {
  const { sql_mode: mode, time_zone: zone, character_set_client: client, collation_connection: collation } = row;
  const statement = Object.entries(row).find(([key]) => /^Create |^SQL Original/.test(key))?.[1];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what is the same in every character set
  const plain = /^[\x00-\x7f]*$/.test(String(statement));
  const charset = plain || /^utf8/.test(String(client)) ? String(client) : 'utf8mb4';
  const settings = [
    `sql_mode = ${quoteText(mode === undefined ? '' : String(mode))}`,
    ...(zone === undefined ? [] : [`time_zone = ${quoteText(String(zone))}`]),
    ...(client === undefined ? [] : [`character_set_client = ${quoteText(charset)}`]),
    ...(collation === undefined ? [] : [`collation_connection = ${quoteText(String(collation))}`]),
  ];
  return `SET SESSION ${settings.join(', ')}`;
}
