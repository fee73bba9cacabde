// Routines, views, triggers and events: made from their scripts in any database.
import { type Ask, errorNumber } from '../session.ts';
import { quoteName, quoteText, statementsOf } from './sql.ts';

export interface Program {
  readonly kind: string;
  readonly name: string;
  readonly text: string;
}

/** The session's database is where it goes. Scripts set what their objects were made under; the next one finds none of it. */
export async function runScript(ask: Ask, text: string): Promise<void> {
  try {
    for (const statement of statementsOf(text)) await ask(statement);
  } finally {
    await ask('SET NAMES utf8mb4');
    await ask("SET SESSION sql_mode = '', time_zone = DEFAULT, foreign_key_checks = 0, unique_checks = 0");
  }
}

/** Routines and events, in the order given. */
export async function createPrograms(ask: Ask, database: string, programs: readonly Program[]): Promise<void> {
  await ask(`USE ${quoteName(database)}`);
  for (const { text } of programs) await runScript(ask, text);
}

export async function createTriggers(ask: Ask, database: string, scripts: readonly Program[]): Promise<void> {
  await createPrograms(ask, database, scripts);
}

/** What a view looks at is not there (yet): database, table, column, function; or that is a view which is broken itself. */
const looksAtNothing = new Set([1049, 1054, 1146, 1305, 1356]);

export interface BrokenView {
  readonly name: string;
  readonly detail: string;
}

/** Whichever can be made, until none can be any more; gives those that look at what is not there. */
export async function createViews(
  ask: Ask,
  database: string,
  views: readonly Program[],
  made: (name: string) => void = () => undefined,
): Promise<readonly BrokenView[]> {
  await ask(`USE ${quoteName(database)}`);
  let left = views;
  for (;;) {
    const broken: BrokenView[] = [];
    const later: Program[] = [];
    for (const view of left) {
      try {
        await runScript(ask, view.text);
        made(view.name);
      } catch (error) {
        if (!looksAtNothing.has(errorNumber(error))) throw error;
        later.push(view);
        broken.push({ name: view.name, detail: (error as Error).message });
      }
    }
    if (later.length === 0 || later.length === left.length) return broken;
    left = later;
  }
}

/** A table with triggers cannot be moved into another database. */
export async function dropTriggers(ask: Ask, database: string, tables: ReadonlySet<string>): Promise<void> {
  const rows = await ask(`SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS owner FROM information_schema.TRIGGERS
    WHERE TRIGGER_SCHEMA = ${quoteText(database)}`);
  for (const { name, owner } of rows)
    if (tables.has(String(owner))) await ask(`DROP TRIGGER ${quoteName(database)}.${quoteName(String(name))}`);
}

export const dropProgram = (database: string, kind: string, name: string): string =>
  `DROP ${kind.toUpperCase().replace('-', ' ')} IF EXISTS ${quoteName(database)}.${quoteName(name)}`;
