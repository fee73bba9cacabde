// What all tables have in common: rows to objects and back, filters, pages, and finding one thing by what a person typed.
import type { SQLInputValue } from 'node:sqlite';
import { fail } from '../base/errors.ts';
import type { Database, Row } from './database.ts';

/** How a property is kept: as it is, as JSON text, or as 0 and 1. */
export type Column = 'plain' | 'json' | 'flag';
export type Columns<T> = { readonly [K in keyof Required<T>]: Column };

export interface Filter {
  /** SQL with one or more `:name` values, e.g. `state = :state`. */
  readonly sql: string;
  readonly values: Readonly<Record<string, SQLInputValue>>;
}

export interface PageOptions {
  readonly filters: readonly Filter[];
  /** 1 to 1000; 100 if not given. */
  readonly limit?: number;
  /** `nextCursor` of the page before. */
  readonly cursor?: string;
}

export interface PageOf<T> {
  readonly items: readonly T[];
  readonly total: number;
  readonly nextCursor: string | null;
}

export interface Table<T> {
  insert(item: T): void;
  /** Changes the given properties; answers whether there is such a row. */
  update(id: string, change: Partial<T>): boolean;
  remove(id: string): boolean;
  get(id: string): T | undefined;
  where(filters: readonly Filter[], order?: string, limit?: number): T[];
  page(options: PageOptions): PageOf<T>;
  count(filters?: readonly Filter[]): number;
  /** By whole ID, by name where there are names, by a unique beginning of an ID. Throws NOT_FOUND or AMBIGUOUS_ID. */
  find(reference: string): T;
}

interface TableSettings<T> {
  /** In words of the command line: pool, vault, backup … */
  readonly what: string;
  readonly table: string;
  readonly columns: Columns<T>;
  readonly order: string;
  /** Whether `name` is unique, so that it finds an item. */
  readonly named: boolean;
}

/** Beginnings of IDs that are shorter are not looked at. */
const shortestPrefix = 4;

export const equals = (column: string, value: SQLInputValue): Filter => ({ sql: `${column} = :${column}`, values: { [column]: value } });
export const contains = (column: string, part: string): Filter => ({
  sql: `instr(lower(${column}), lower(:part_${column})) > 0`,
  values: { [`part_${column}`]: part },
});
export const startsWith = (column: string, prefix: string): Filter => ({
  sql: `substr(${column}, 1, :length_${column}) = :prefix_${column}`,
  values: { [`length_${column}`]: prefix.length, [`prefix_${column}`]: prefix },
});
export const atLeast = (column: string, value: number): Filter => ({
  sql: `${column} >= :min_${column}`,
  values: { [`min_${column}`]: value },
});
export const atMost = (column: string, value: number): Filter => ({
  sql: `${column} <= :max_${column}`,
  values: { [`max_${column}`]: value },
});
export const oneOf = (column: string, values: readonly string[]): Filter => ({
  sql: `${column} IN (SELECT value FROM json_each(:any_${column}))`,
  values: { [`any_${column}`]: JSON.stringify(values) },
});

export function createTable<T extends { readonly id: string }>(database: Database, settings: TableSettings<T>): Table<T> {
  const { table, columns, what } = settings;
  const names = Object.keys(columns) as (keyof T & string)[];
  const decode = (row: Row) => Object.fromEntries(names.map((name) => [name, fromColumn(columns[name], row[snake(name)])])) as T;
  const encode = (item: Partial<T>) =>
    Object.fromEntries(names.filter((name) => item[name] !== undefined).map((name) => [snake(name), toColumn(columns[name], item[name])]));
  const select = (filters: readonly Filter[], tail: string, extra: Row = {}) =>
    database.all(`SELECT * FROM ${table}${clause(filters)} ${tail}`, { ...merged(filters), ...extra }).map(decode);

  /** Rows that are passed over cost time, too: a page of the second half is read from the end. */
  function pageFrom(filters: readonly Filter[], total: number, offset: number, limit: number): T[] {
    const fromEnd = total - offset - limit;
    const part = (order: string, skip: number) =>
      select(filters, `ORDER BY ${order} LIMIT :limit_rows OFFSET :offset_rows`, { limit_rows: limit, offset_rows: skip });
    return fromEnd < offset ? part(reversed(settings.order), fromEnd).reverse() : part(settings.order, offset);
  }

  const self: Table<T> = {
    insert(item) {
      const values = encode(item);
      const keys = Object.keys(values);
      database.run(`INSERT INTO ${table} (${keys.join(', ')}) VALUES (${keys.map((key) => `:${key}`).join(', ')})`, values);
    },
    update(id, change) {
      const values = encode(change);
      const keys = Object.keys(values);
      if (keys.length === 0) return self.get(id) !== undefined;
      const assignments = keys.map((key) => `${key} = :${key}`).join(', ');
      return database.run(`UPDATE ${table} SET ${assignments} WHERE id = :row_id`, { ...values, row_id: id }) > 0;
    },
    remove: (id) => database.run(`DELETE FROM ${table} WHERE id = :id`, { id }) > 0,
    get: (id) => select([equals('id', id)], '')[0],
    where: (filters, order = settings.order, limit = -1) => select(filters, `ORDER BY ${order} LIMIT :limit_rows`, { limit_rows: limit }),
    page({ filters, limit = 100, cursor }) {
      const offset = cursor === undefined ? 0 : Number(cursor);
      if (!Number.isSafeInteger(offset) || offset < 0) fail('USAGE', { detail: `${cursor} is no cursor of an earlier page` });
      const total = self.count(filters);
      const items = pageFrom(filters, total, offset, Math.max(0, Math.min(limit, total - offset)));
      const next = offset + items.length;
      return { items, total, nextCursor: items.length > 0 && next < total ? String(next) : null };
    },
    count: (filters = []) => Number(database.get(`SELECT count(*) AS n FROM ${table}${clause(filters)}`, merged(filters))?.['n'] ?? 0),
    find(reference) {
      const exact = self.get(reference) ?? (settings.named ? select([equals('name', reference)], '')[0] : undefined);
      if (exact) return exact;
      const matches = reference.length < shortestPrefix ? [] : select([startsWith('id', reference)], 'LIMIT 100');
      if (matches.length > 1) fail('AMBIGUOUS_ID', { id: reference, count: matches.length, what });
      return matches[0] ?? fail('NOT_FOUND', { what, id: reference });
    },
  };
  return self;
}

/** `time DESC, id` to `time, id DESC`. */
function reversed(order: string): string {
  const terms = order.split(', ');
  return terms.map((term) => (term.endsWith(' DESC') ? term.slice(0, -' DESC'.length) : `${term} DESC`)).join(', ');
}

function clause(filters: readonly Filter[]): string {
  return filters.length === 0 ? '' : ` WHERE ${filters.map((filter) => `(${filter.sql})`).join(' AND ')}`;
}

function merged(filters: readonly Filter[]): Row {
  return Object.assign({}, ...filters.map((filter) => filter.values)) as Row;
}

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function toColumn(column: Column, value: unknown): SQLInputValue {
  if (value === null) return null;
  if (column === 'json') return JSON.stringify(value);
  return column === 'flag' ? (value ? 1 : 0) : (value as SQLInputValue);
}

function fromColumn(column: Column, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (column === 'json') return JSON.parse(value as string);
  return column === 'flag' ? value === 1 : value;
}
