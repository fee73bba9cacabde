// The second half of a restore: what was loaded beside takes the places of the real tables in one statement, and the programs follow. Every step
// says first how it is undone; what fails is taken back to the beginning.
import type { Warn } from '../../../ports/source.ts';
import type { Server } from '../server.ts';
import type { Ask } from '../session.ts';
import type { StoredDatabase } from './catalogue.ts';
import { repointed } from './foreign-keys.ts';
import { isThere, type Live } from './live.ts';
import { objectsOf } from './objects.ts';
import { createPrograms, createTriggers, createViews, dropProgram, dropTriggers, type Program } from './programs.ts';
import { quoteName } from './sql.ts';

/** One database on its way. */
export interface Move {
  readonly database: StoredDatabase;
  readonly live: Live;
  /** Where it was loaded. */
  readonly staged: string;
  /** Where the tables go that it replaces. */
  readonly aside: string;
  /** In the order in which they are made. */
  readonly programs: readonly Program[];
  readonly views: readonly Program[];
  readonly triggers: readonly Program[];
}

export interface Switching {
  readonly ask: Ask;
  readonly server: Server;
  readonly warn: Warn;
  readonly create: (database: StoredDatabase, name: string) => Promise<void>;
}

type Undo = () => Promise<unknown>;

/** Throws what went wrong first, after it undid everything; `undone` is told of what could not be. */
export async function switchOver(moves: readonly Move[], doing: Switching, undone: (error: unknown) => void): Promise<void> {
  const undo: Undo[] = [];
  try {
    for (const move of moves) await makePlace(move, doing, undo);
    await moveTables(moves, doing, undo);
    await repoint(moves, doing, undo);
    for (const move of moves) await replacePrograms(move, doing, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(undone);
    throw error;
  }
}

const tableKinds: readonly string[] = ['schema', 'sequence'];

const at = (database: string, name: string): string => `${quoteName(database)}.${quoteName(name)}`;

/** Tables and sequences that come. */
const coming = ({ database }: Move): readonly string[] =>
  database.objects.filter(({ kind }) => tableKinds.includes(kind)).map(({ name }) => name);

/** Tables and sequences that are there under a name of what comes: they go aside. */
const going = ({ database, live }: Move): readonly string[] => {
  const names = database.objects.filter(({ kind }) => kind === 'view' || tableKinds.includes(kind)).map(({ name }) => name);
  return names.filter((name) => live.relations.has(name) && live.relations.get(name) !== 'view');
};

/** The database is there, and nothing hangs on the tables that go, nor stands where one comes. */
async function makePlace(move: Move, { ask, server, create }: Switching, undo: Undo[]): Promise<void> {
  const { database, live, aside } = move;
  const { target, objects } = database;
  if (!live.there) {
    undo.push(() => ask(`DROP DATABASE IF EXISTS ${quoteName(target)}`));
    await create(database, target);
    return;
  }
  const leaving = new Set(going(move));
  if (leaving.size > 0) await ask(`CREATE DATABASE ${quoteName(aside)}`);
  const named = new Set(objects.map(({ name }) => name));
  const old: Program[] = [];
  for await (const object of objectsOf(ask, server, target, named)) old.push(object);
  const triggers = old.filter(({ kind, name }) => kind === 'triggers' && leaving.has(name));
  const views = old.filter(({ kind }) => kind === 'view');
  undo.push(async () => {
    await createViews(ask, target, views);
    await dropTriggers(ask, target, leaving);
    await createTriggers(ask, target, triggers);
  });
  await dropTriggers(ask, target, leaving);
  for (const { name } of views) await ask(dropProgram(target, 'view', name));
}

/** All of them at once: the server does all or nothing. */
async function moveTables(moves: readonly Move[], { ask }: Switching, undo: Undo[]): Promise<void> {
  const steps = moves.flatMap((move) => going(move).map((name) => [at(move.database.target, name), at(move.aside, name)] as const));
  steps.push(...moves.flatMap((move) => coming(move).map((name) => [at(move.staged, name), at(move.database.target, name)] as const)));
  if (steps.length === 0) return;
  const text = (pairs: readonly (readonly [string, string])[]) =>
    `RENAME TABLE ${pairs.map(([from, to]) => `${from} TO ${to}`).join(', ')}`;
  await ask(text(steps));
  undo.push(() => ask(text(steps.map(([from, to]) => [to, from] as const).reverse())));
}

/** Foreign keys of others follow the tables that went, and some of those that came look where they were loaded. */
async function repoint(moves: readonly Move[], { ask }: Switching, undo: Undo[]): Promise<void> {
  const own = new Set(moves.flatMap(({ staged, aside }) => [staged, aside]));
  for (const { staged, aside, database } of moves) {
    for (const from of [staged, aside]) {
      for (const { forth, back } of await repointed(ask, from, database.target, own)) {
        undo.push(async () => {
          for (const statement of back) await ask(statement);
        });
        for (const statement of forth) await ask(statement);
      }
    }
  }
}

async function replacePrograms(move: Move, { ask, server, warn }: Switching, undo: Undo[]): Promise<void> {
  const { database, live, programs, views, triggers } = move;
  const { target } = database;
  const before = programs.filter(({ kind, name }) => isThere(live, kind, name));
  const old: Program[] = [];
  if (before.length > 0) {
    for await (const object of objectsOf(ask, server, target))
      if (before.some(({ kind, name }) => kind === object.kind && name.toLowerCase() === object.name.toLowerCase())) old.push(object);
  }
  undo.push(async () => {
    for (const { kind, name } of programs) await ask(dropProgram(target, kind, name));
    for (const { name } of views) await ask(dropProgram(target, 'view', name));
    await dropTriggers(ask, target, new Set(triggers.map(({ name }) => name)));
    await createPrograms(ask, target, old);
  });
  for (const { kind, name } of before) await ask(dropProgram(target, kind, name));
  const events = programs.filter(({ kind }) => kind === 'event');
  await createPrograms(
    ask,
    target,
    programs.filter(({ kind }) => kind !== 'event'),
  );
  for (const { name, detail } of await createViews(ask, target, views))
    warn({ item: `${target}.${name}`, detail: `the view was not made, what it looks at is not there: ${detail}` });
  await createTriggers(ask, target, triggers);
  await createPrograms(ask, target, events);
}
