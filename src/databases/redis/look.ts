// Before a restore writes: the whole copy is read once, and the server is asked for each name in it.
import { collector } from '../../base/collect.ts';
import { fail } from '../../base/errors.ts';
import { isExpired, keyText, libraryName } from './keys.ts';
import { type RdbKey, rdbReader } from './rdb.ts';
import { UnknownRdb } from './rdb-bytes.ts';
import type { Purpose, Session } from './session.ts';

export const restorePurpose: Purpose = {
  what: 'take back data',
  rights: ['+ping', '+info', '+select', '+exists', '+restore', '+function', '~*'],
};

/** From this size on (bytes) a value is not held, but passed on as it is read; its length must then be known beforehand. */
export const largeValue = 1 << 20;

/** What a server takes as one value, unless it says otherwise (proto-max-bulk-len). */
const usualLimit = 512 << 20;

export interface Look {
  readonly databases: ReadonlyMap<number, { keys: number; bytes: number; there: number }>;
  /** Bytes of the large values, by the number of their key in the copy, from 0. */
  readonly large: ReadonlyMap<number, number>;
  /** Left out because they have expired. */
  readonly expired: number;
  /** Libraries of functions to be loaded. */
  readonly libraries: ReadonlySet<string>;
  /** One that is there already, if any, and how many there are besides. */
  readonly clash?: { readonly what: string; readonly others: number };
}

export interface Wanted {
  readonly matches: (name: Buffer) => boolean;
  readonly libraries: boolean;
  readonly now: number;
}

/** Names that are asked for in one go. */
const batchSize = 1000;

/** Throws USAGE for a copy that cannot be restored by key, DATABASE_UNKNOWN for a database that the server does not have, DATABASE_… */
export async function lookAt(copy: AsyncIterable<Buffer>, session: Session, { matches, libraries, now }: Wanted): Promise<Look> {
  const databases = new Map<number, { keys: number; bytes: number; there: number }>();
  const large = new Map<number, number>();
  const names = new Set<string>();
  let [number, expired, there, size, largest] = [-1, 0, 0, 0, 0];
  let clash: string | undefined;
  let current: RdbKey | undefined;
  let asked: RdbKey[] = [];
  let code: Buffer[] = [];

  const reader = rdbReader({
    key: (key) => {
      number++;
      size = 0;
      current = undefined;
      if (!matches(key.name)) return;
      if (isExpired(key, now)) expired++;
      else current = key;
    },
    value: (piece) => {
      size += piece.length;
    },
    valueEnd: () => {
      if (!current) return;
      if (size >= largeValue) large.set(number, size);
      largest = Math.max(largest, size);
      const counts = databases.get(current.database) ?? { keys: 0, bytes: 0, there: 0 };
      databases.set(current.database, counts);
      counts.keys++;
      counts.bytes += size;
      asked.push(current);
    },
    library: (text) => {
      if (libraries) code.push(Buffer.from(text));
    },
  });

  const ask = async () => {
    for (const [database, keys] of Map.groupBy(asked, (key) => key.database)) {
      await select(session, database);
      const found = await presentOf(session, keys, clash === undefined);
      if (found.count === 0) continue;
      there += found.count;
      databases.get(database)!.there += found.count;
      if (found.one) clash ??= `the key ${keyText(found.one)} of database ${database}`;
    }
    asked = [];
  };
  const askForLibraries = async () => {
    for (const text of code) {
      const name = libraryName(text);
      const found = (await session.ask('FUNCTION', 'LIST', 'LIBRARYNAME', name, 'WITHCODE')) as readonly unknown[];
      if (found.flat(9).some((one) => Buffer.isBuffer(one) && one.equals(text))) continue;
      names.add(name);
      if (found.length === 0) continue;
      there++;
      clash ??= `the library ${name}`;
    }
    code = [];
  };

  for await (const block of copy) {
    // A block may hold many thousands of keys.
    for (const piece of partsOf(block)) {
      understood(() => reader.push(piece));
      if (asked.length >= batchSize) await ask();
      if (code.length > 0) await askForLibraries();
    }
    passed(block.length);
  }
  reader.end();
  await ask();
  await refuseTooLarge(session, largest);
  return { databases, large, expired, libraries: names, ...(clash !== undefined && { clash: { what: clash, others: there - 1 } }) };
}

/** Small enough that little is held of what lies in one. */
export function* partsOf(block: Buffer): Generator<Buffer> {
  for (let at = 0; at < block.length; at += partSize) yield block.subarray(at, at + partSize);
}

const partSize = 256 * 1024;

const passed = collector(8 << 20);

function understood(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof UnknownRdb)) throw error;
    fail('USAGE', { detail: `this backup cannot be restored key by key (${error.message}): start it as a new instance` }, { cause: error });
  }
}

async function select(session: Session, database: number): Promise<void> {
  try {
    await session.ask('SELECT', database);
  } catch (error) {
    if (!/out of range/.test((error as Error).message)) throw error;
    fail('DATABASE_UNKNOWN', { database: 'Redis', what: `database ${database}` }, { cause: error });
  }
}

/** How many of them there are, and one of these if it is wanted. */
async function presentOf(session: Session, keys: readonly RdbKey[], wantOne: boolean): Promise<{ count: number; one?: Buffer }> {
  const names = keys.map(({ name }) => name);
  try {
    const count = Number(await session.ask('EXISTS', ...names));
    if (count === 0 || !wantOne) return { count };
  } catch (error) {
    // A cluster takes only names together that lie together.
    if (!/CROSSSLOT/.test((error as Error).message)) throw error;
  }
  const answers = await session.askAll(names.map((name) => ['EXISTS', name]));
  for (const answer of answers) if (answer instanceof Error) throw answer;
  const one = names.find((_, i) => answers[i] === 1);
  return { count: answers.filter((answer) => answer === 1).length, ...(one && { one }) };
}

async function refuseTooLarge(session: Session, largest: number): Promise<void> {
  if (largest < usualLimit / 2) return;
  const answer = await session.ask('CONFIG', 'GET', 'proto-max-bulk-len').catch(() => []);
  const limit = Number(String((answer as unknown[])[1] ?? usualLimit));
  // What goes over the line has ten bytes more than the value, and one for its type.
  if (largest + 11 <= limit) return;
  fail('USAGE', {
    detail: `a value of ${largest} bytes is more than this server takes: raise its proto-max-bulk-len, or start a new instance`,
  });
}
