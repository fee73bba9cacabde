// The output of one dump of many tables, cut into one stream a table. Before the rows of each table the tool repeats the condition it was given:
// ours holds a number that nobody could know, so neither rows nor names can look like the beginning of a table.
import { fail } from '../../../base/errors.ts';
import type { TableName } from '../../../model/service.ts';
import { quoteName } from './sql.ts';

/** `--where`: all rows. */
export const everyRow = (nonce: string): string => `1 /*${nonce}*/`;

/** Longer than all that stands between the rows of two tables, names of 64 characters in it many times. */
const between = 16 << 10;

/** What closes the tables' part of a dump. */
const footer = '/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n';
/** MySQL's and MariaDB's words on transactions, before that. */
const gtidFooters = [
  'SET @@SESSION.SQL_LOG_BIN = @MYSQLDUMP_TEMP_LOG_BIN;\n',
  '\n--\n-- GTID state at the ',
  '\n-- The deferred gtid setting ',
];
const completed = /-- Dump completed on [^\n]*\n$/;

export interface TableRows extends TableName {
  /** INSERT statements; to be read to its end before the next table is asked for. */
  readonly rows: AsyncIterable<Buffer>;
}

export interface Split {
  readonly tables: AsyncIterable<TableRows>;
  /** What came before the first table, once that is there. */
  header(): string;
  /** What came after the last. */
  footer(): string;
}

/**
 * `expected`: the tables in the order in which they come. Throws DATABASE_CHANGED where others come, TOOL_FAILED where the dump is not what it
 * should be, or not whole.
 */
export function splitDump(output: AsyncIterable<Buffer>, nonce: string, expected: readonly TableName[], database: string): Split {
  const source = output[Symbol.asyncIterator]();
  const marker = Buffer.from(`\n-- WHERE:  ${everyRow(nonce)}\n\n`);
  let held: Buffer = Buffer.alloc(0);
  let tail = '';
  let ended = false;
  let header = '';
  let end = '';

  /** Up to the next marker, or to the end; what may belong to the marker is left in `tail`. */
  async function* untilMarker(): AsyncGenerator<Buffer> {
    let seen = 0;
    for (;;) {
      const at = held.indexOf(marker, seen);
      if (at !== -1) {
        const cut = Math.max(0, at - between);
        if (cut > 0) yield held.subarray(0, cut);
        tail = held.toString('latin1', cut, at);
        held = held.subarray(at + marker.length);
        return;
      }
      if (held.length > between + marker.length) {
        const keep = held.length - between - marker.length;
        yield held.subarray(0, keep);
        held = held.subarray(keep);
      }
      seen = Math.max(0, held.length - marker.length);
      const next = await source.next();
      if (next.done) {
        tail = held.toString('latin1');
        ended = true;
        return;
      }
      held = held.length === 0 ? next.value : Buffer.concat([held, next.value]);
    }
  }

  async function* rowsOf(following: TableName | undefined, now: TableName): AsyncGenerator<Buffer> {
    yield* untilMarker();
    if (ended !== (following === undefined))
      changed(ended ? `${textOf(following!)} did not come` : 'a table came that was not there before');
    if (following === undefined) end = footerOf(tail);
    const rows = following === undefined ? withoutFooter(tail) : withoutHeading(tail, following, now.database);
    if (rows !== '' && !rows.endsWith(');\n'))
      fail('TOOL_FAILED', { tool: 'the dump', detail: `what came for ${textOf(now)} does not end as rows do` });
    if (rows !== '') yield Buffer.from(rows, 'latin1');
  }

  const changed = (detail: string): never => fail('DATABASE_CHANGED', { database, detail });

  /** Without what stands between the rows of a table and those of the next one. */
  const withoutHeading = (text: string, next: TableName, before: string | undefined): string => {
    const heading = headings(next.table).find((one) => text.endsWith(one));
    if (heading === undefined) changed(`${textOf(next)} did not come when it should`);
    const rest = text.slice(0, -heading!.length);
    if (next.database === before) return rest;
    const use = bytesOf(`\nUSE ${quoteName(next.database)};\n`);
    const at = rest.lastIndexOf(use);
    if (at === -1) changed(`${textOf(next)} came in another database`);
    return rest.slice(0, Math.max(0, rest.lastIndexOf('\n--\n-- Current Database: ', at)));
  };

  async function* tables(): AsyncGenerator<TableRows> {
    const pieces: Buffer[] = [];
    for await (const piece of untilMarker()) pieces.push(piece);
    header = Buffer.concat(pieces).toString('utf8') + Buffer.from(tail, 'latin1').toString('utf8');
    if (ended) changed('no table came');
    withoutHeading(tail, expected[0]!, undefined);
    for (const [i, table] of expected.entries()) yield { ...table, rows: rowsOf(expected[i + 1], table) };
  }

  return { tables: tables(), header: () => header, footer: () => end };
}

/** As the tools write a name into a comment: a line break in it does not end the comment. */
const headings = (table: string): readonly string[] =>
  ['\n-- ', ' ', '\n'].map((instead) => bytesOf(`\n--\n-- Dumping data for table ${quoteName(table).replaceAll('\n', instead)}\n--`));

function withoutFooter(text: string): string {
  const at = text.lastIndexOf(footer);
  // A connection that breaks between two statements leaves what looks like whole rows.
  if (at === -1 || !completed.test(text)) fail('TOOL_FAILED', { tool: 'the dump', detail: 'it ended early' });
  const rows = text.slice(0, beforeGtid(text, at)).trimEnd();
  return rows === '' ? '' : `${rows}\n`;
}

const footerOf = (text: string): string => text.slice(beforeGtid(text, Math.max(0, text.lastIndexOf(footer))));

function beforeGtid(text: string, at: number): number {
  const found = gtidFooters.map((one) => text.lastIndexOf(one, at)).filter((place) => place !== -1);
  return Math.min(at, ...found);
}

const textOf = ({ database, table }: TableName): string => `${database}.${table}`;

/** One character a byte, as `tail` is. */
const bytesOf = (text: string): string => Buffer.from(text).toString('latin1');
