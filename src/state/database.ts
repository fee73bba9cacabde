// The agent's database: SQLite with a write-ahead log, brought up to date when opened.
import { chmodSync, closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { fail, StillpointError } from '../base/errors.ts';
import { migrations } from './migrations.ts';

export type Row = Readonly<Record<string, SQLInputValue>>;
export type Values = Readonly<Record<string, SQLInputValue>>;

export interface Database {
  /** Statements are prepared once. Values are bound by name: `:name`. */
  all(sql: string, values?: Values): Row[];
  get(sql: string, values?: Values): Row | undefined;
  /** Answers how many rows changed. */
  run(sql: string, values?: Values): number;
  /** All or nothing; may be nested. */
  transaction<T>(work: () => T): T;
  close(): void;
}

/** SQLite's result codes of a full disk: SQLITE_FULL, and SQLITE_IOERR_SHMSIZE for the index of its journal (sqlite3.h). */
const fullCodes = [13, 10 | (19 << 8)];

/** The same of a broken file: SQLITE_CORRUPT, SQLITE_NOTADB and, whole, SQLITE_IOERR_SHORT_READ. */
const damageCodes = [11, 26];
const shortRead = 10 | (2 << 8);

/** Told of damage that shows after the opening. */
export type OnDamage = (detail: string) => void;

/** Throws STATE_NEWER (the file is left as it is), STATE_DAMAGED or STATE_FULL; every later call may throw STATE_FULL or STATE_DAMAGED. */
export function openDatabase(path: string, steps: readonly string[] = migrations, onDamage: OnDamage = () => undefined): Database {
  if (path !== ':memory:') makePrivate(path);
  let sqlite: DatabaseSync;
  try {
    sqlite = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: 5000 });
    sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -2000;');
    migrate(sqlite, path, steps);
  } catch (error) {
    if (error instanceof StillpointError) throw error;
    if (isFull(error)) fail('STATE_FULL', { path }, { cause: error });
    fail('STATE_DAMAGED', { path, detail: (error as Error).message }, { cause: error });
  }
  return wrap(sqlite, path, onDamage);
}

/** Created 0600 before SQLite does it; the journal's files inherit the mode. */
function makePrivate(path: string): void {
  closeSync(openSync(path, 'a', 0o600));
  chmodSync(path, 0o600);
}

function migrate(sqlite: DatabaseSync, path: string, steps: readonly string[]): void {
  const version = Number(sqlite.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (version > steps.length) {
    sqlite.close();
    fail('STATE_NEWER', { path, version, known: steps.length });
  }
  for (let step = version; step < steps.length; step++) {
    sqlite.exec('BEGIN IMMEDIATE');
    try {
      sqlite.exec(`${steps[step]}; PRAGMA user_version = ${step + 1};`);
      sqlite.exec('COMMIT');
    } catch (error) {
      sqlite.exec('ROLLBACK');
      throw error;
    }
  }
}

const isFull = (error: unknown): boolean => fullCodes.includes(Number((error as { errcode?: unknown }).errcode));

/** Whether SQLite says that the file itself is broken. */
export function isDamage(error: unknown): boolean {
  const code = Number((error as { errcode?: unknown }).errcode);
  return damageCodes.includes(code & 0xff) || code === shortRead;
}

function wrap(sqlite: DatabaseSync, path: string, onDamage: OnDamage): Database {
  const prepared = new Map<string, StatementSync>();
  let depth = 0;
  const statement = (sql: string) => {
    let found = prepared.get(sql);
    if (!found) {
      found = sqlite.prepare(sql);
      found.setAllowUnknownNamedParameters(true);
      prepared.set(sql, found);
    }
    return found;
  };
  const named = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      if (isFull(error)) fail('STATE_FULL', { path }, { cause: error });
      if (!isDamage(error)) throw error;
      const detail = (error as Error).message;
      onDamage(detail);
      fail('STATE_DAMAGED', { path, detail }, { cause: error });
    }
  };
  return {
    all: (sql, values = {}) => named(() => statement(sql).all(values) as Row[]),
    get: (sql, values = {}) => named(() => statement(sql).get(values) as Row | undefined),
    run: (sql, values = {}) => named(() => Number(statement(sql).run(values).changes)),
    transaction(work) {
      const name = `level${depth++}`;
      try {
        return named(() => {
          sqlite.exec(`SAVEPOINT ${name}`);
          const result = work();
          sqlite.exec(`RELEASE ${name}`);
          return result;
        });
      } catch (error) {
        // On a full disk SQLite may have rolled everything back by itself.
        if (sqlite.isTransaction) sqlite.exec(`ROLLBACK TO ${name}; RELEASE ${name}`);
        throw error;
      } finally {
        depth--;
      }
    },
    close() {
      prepared.clear();
      sqlite.close();
    },
  };
}
