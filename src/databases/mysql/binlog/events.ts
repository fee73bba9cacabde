// The frames of a binary log: magic, then events, each with a header of 19 bytes. They are looked at on their way and never held whole.
// Formats: MySQL's libbinlogevents, MariaDB's sql/log_event.h (versions 5.1 to 12 have the same header).

/** Numbers of the events that anybody here looks at. */
export const eventType = {
  query: 2,
  rotate: 4,
  stop: 3,
  intvar: 5,
  rand: 13,
  userVariable: 14,
  format: 15,
  xid: 16,
  beginLoad: 17,
  tableMap: 19,
  rowsQuery: 29,
  gtid: 33,
  anonymousGtid: 34,
  xaPrepare: 38,
  payload: 40,
  taggedGtid: 42,
  mariaAnnotate: 160,
  mariaGtid: 162,
  mariaCompressedQuery: 165,
} as const;

export interface EventHead {
  readonly type: number;
  /** Seconds since the epoch by the server's clock: when its statement began. */
  readonly time: number;
  readonly serverId: number;
  /** Bytes, header and checksum included. */
  readonly size: number;
  /** Place in the server's file; the same for events that the server made up for the sending. */
  readonly start: number;
  readonly end: number;
  /** What follows the header, without checksum; empty for most. */
  readonly body: Buffer;
}

/** `stop`: the log ends before this event. */
export type Judgement = 'keep' | 'drop' | 'stop';

export interface LogLaw {
  /** Position of the first event in the server's file. */
  readonly start: number;
  /** Whether to yield the four bytes that begin a file. */
  readonly magic: boolean;
  readonly judge: (head: EventHead) => Judgement;
  /** For what is no binary log, or ends in the middle of an event. */
  readonly broken: (detail: string) => never;
}

export const magic = Buffer.from([0xfe, 0x62, 0x69, 0x6e]);

const headSize = 19;
const artificial = 0x20;
/** Bytes of an event's body that are looked at; longer statements are none of those that begin or end a transaction. */
const longest = 128 * 1024;
const looked: ReadonlySet<number> = new Set([eventType.query, eventType.format, eventType.rotate, eventType.gtid, eventType.mariaGtid]);

/** Yields what `judge` keeps, byte by byte as it came. */
export async function* passEvents(log: AsyncIterable<Uint8Array>, law: LogLaw): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  /** Where in `held` the next event begins, beyond its end where the rest of one is still to come. */
  let next = 0;
  let keeping = law.magic;
  let begun = false;
  let checksum = 0;
  let position = law.start;

  const headAt = (at: number): EventHead | undefined => {
    if (held.length < at + headSize) return undefined;
    const type = held[at + 4]!;
    const size = held.readUInt32LE(at + 9);
    if (size < headSize) law.broken(`an event of ${size} bytes at ${position}`);
    const whole = looked.has(type) && size <= longest;
    if (whole && held.length < at + size) return undefined;
    if (type === eventType.format && whole) checksum = checksumBytes(held.subarray(at, at + size));
    const logPosition = held.readUInt32LE(at + 13);
    const made = logPosition === 0 || (held.readUInt16LE(at + 17) & artificial) !== 0;
    const end = made ? position : wide(logPosition, position + size);
    const start = made ? position : end - size;
    const tail = type === eventType.format ? 0 : checksum;
    const body = whole ? held.subarray(at + headSize, at + size - tail) : Buffer.alloc(0);
    return { type, time: held.readUInt32LE(at), serverId: held.readUInt32LE(at + 5), size, start, end, body };
  };

  for await (const piece of log) {
    held = held.length === 0 ? asBuffer(piece) : Buffer.concat([held, piece]);
    let from = 0;
    if (!begun) {
      if (held.length < magic.length) continue;
      if (!held.subarray(0, magic.length).equals(magic)) law.broken('it does not begin as one');
      begun = true;
      next = magic.length;
      if (!keeping) from = next;
    }
    while (next < held.length) {
      const head = headAt(next);
      if (head === undefined) break;
      const judgement = law.judge(head);
      if ((judgement === 'keep') !== keeping) {
        if (keeping && next > from) yield held.subarray(from, next);
        from = next;
        keeping = judgement === 'keep';
      }
      if (judgement === 'stop') return;
      next += head.size;
      position = head.end;
    }
    const ready = Math.min(next, held.length);
    if (keeping && ready > from) yield held.subarray(from, ready);
    held = held.subarray(ready);
    next -= ready;
  }
  if (held.length > 0 || next > 0 || !begun) law.broken(`it ends in the middle of an event, after ${position}`);
}

/** The header has the low 32 bits of an event's end; events only ever go on. */
function wide(low: number, atLeast: number): number {
  const high = Math.floor(atLeast / 2 ** 32) * 2 ** 32;
  // One that is a little less than expected is a log that was written on after a crash, not one of 4 GiB more.
  return high + low + (atLeast - (high + low) > 2 ** 31 ? 2 ** 32 : 0);
}

/** A format description ends with the kind of checksum (1: CRC32) and four bytes, since MySQL 5.6 and MariaDB 5.3. */
const checksumBytes = (event: Buffer): number => (event.at(-5) === 1 ? 4 : 0);

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
