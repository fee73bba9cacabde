// Where statements begin and end among the rows. The tool begins a new statement after so many bytes, so that one row more at the front of a table
// would move them all and every block would be another one; here the rows themselves say where, so blocks behind the change stay as they are.
import { quoteName } from './sql.ts';

/** Bytes of a statement: it does not end before, and ends with the next row after. */
const least = 512 << 10;
const most = 1 << 20;
/** Mean distance of places where a statement may end (bytes), and rows at most between them. */
const apart = 8 << 10;
const rowsApart = 64;
/** Bytes on each side of a row's end that decide. */
const sight = 32;

const rowEnd = Buffer.from('),\n(');

/** What every file of rows begins with: it can be loaded by itself. */
export const prologue = Buffer.from(
  "SET NAMES utf8mb4;\nSET SESSION time_zone = '+00:00', foreign_key_checks = 0, unique_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO';\n",
);

/** The same rows in statements of their own choice of length; what is not one row a line (MySQL's own tool) comes as it is. */
export async function* evenStatements(rows: AsyncIterable<Buffer>, table: string): AsyncGenerator<Buffer> {
  const head = Buffer.from(`INSERT INTO ${quoteName(table)} VALUES\n`);
  const joint = Buffer.concat([Buffer.from(';\n'), head]);
  yield* parted(joined(rows, head, joint), joint);
}

const comma = Buffer.from(',\n');

/** One statement of all. */
async function* joined(rows: AsyncIterable<Buffer>, head: Buffer, joint: Buffer): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  let plain: boolean | undefined;
  for await (const piece of rows) {
    held = held.length === 0 ? piece : Buffer.concat([held, piece]);
    if (plain === undefined) {
      if (held.length <= head.length) continue;
      plain = !held.subarray(0, head.length).equals(head);
    }
    let from = 0;
    for (let at = plain ? -1 : held.indexOf(joint); at !== -1; at = held.indexOf(joint, from)) {
      yield held.subarray(from, at);
      yield comma;
      from = at + joint.length;
    }
    const to = plain ? held.length : Math.max(from, held.length - joint.length);
    if (to > from) yield held.subarray(from, to);
    held = held.subarray(to);
  }
  if (held.length > 0) yield held;
}

async function* parted(rows: AsyncIterable<Buffer>, joint: Buffer): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  /** Of `held`: how far it was looked through, and where the row before ended (none yet in this statement). */
  let looked = 0;
  let before = -1;
  let size = 0;
  for await (const piece of rows) {
    if (size + held.length + piece.length < least - 2 * sight) {
      if (held.length > 0) yield held;
      yield piece;
      size += held.length + piece.length;
      held = Buffer.alloc(0);
      looked = 0;
      continue;
    }
    held = held.length === 0 ? piece : Buffer.concat([held, piece]);
    looked = Math.max(looked, least - size);
    for (;;) {
      const at = held.indexOf(rowEnd, looked);
      if (at === -1 || at + sight + rowEnd.length > held.length) {
        if (at !== -1) looked = at;
        break;
      }
      const length = before === -1 ? 0 : at - before;
      before = at;
      looked = at + 1;
      if (!endsHere(held, at, length) && size + at < most) continue;
      yield held.subarray(0, at + 1);
      yield joint;
      held = held.subarray(at + 1 + comma.length);
      size = 0;
      before = -1;
      looked = least;
    }
    const done = held.length - 4 * sight;
    if (done <= 0) continue;
    yield held.subarray(0, done);
    held = held.subarray(done);
    size += done;
    looked = Math.max(0, looked - done);
    if (before !== -1) before -= done;
  }
  if (held.length > 0) yield held;
}

/** By the bytes around it, so that the same rows give the same places wherever they stand. */
function endsHere(bytes: Buffer, at: number, length: number): boolean {
  let hash = 0x811c9dc5;
  for (let i = at - sight; i < at + sight; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3ca5);
  const chance = Math.min(1, Math.max(1 / rowsApart, length / apart));
  return (hash >>> 0) / 2 ** 32 < chance;
}
