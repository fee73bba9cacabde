// Reads an RDB as it comes, whole or in pieces, without holding values: what keys there are, and that nothing is missing.
// Facts: the layout that Redis 5 to 7.4 write (rdb.h: versions 9 to 12).
import { type RdbBytes, type Reading, rdbBytes, UnknownRdb } from './rdb-bytes.ts';
import { skipModuleParts, skipValue } from './rdb-values.ts';

export interface RdbKey {
  readonly database: number;
  readonly name: Buffer;
  /** The byte that says how the value is written. */
  readonly type: number;
  /** ms since the epoch. */
  readonly expiresAt?: number;
  /** Seconds since it was last used. */
  readonly idle?: number;
  /** How often it was used, 0 to 255. */
  readonly frequency?: number;
}

export interface RdbEvents {
  /** What the server noted at the beginning: redis-ver, repl-offset … */
  note?(name: string, value: string): void;
  /** The code of a library of functions. */
  library?(code: Buffer): void;
  /** Data that a module keeps beside the keys. */
  moduleData?(): void;
  key?(key: RdbKey): void;
  /** A part of the value of the key that was told last, as it is written, without its type. */
  value?(piece: Buffer): void;
  /** The value is whole. */
  valueEnd?(): void;
}

export interface RdbReader {
  /** Throws UnknownRdb, or Error for what is damaged. */
  push(piece: Buffer): void;
  /** Throws unless the end was reached, with nothing behind it. */
  end(): void;
  /** Of the format; known after the first nine bytes. */
  version(): number;
}

export function rdbReader(events: RdbEvents): RdbReader {
  const bytes = rdbBytes((piece) => events.value?.(piece));
  let version = 0;
  const reading = read(bytes, events, (found) => {
    version = found;
  });
  let done = reading.next().done === true;
  return {
    push: (piece) => {
      if (piece.length === 0) return;
      if (done) throw new Error('bytes follow the end');
      done = reading.next(piece).done === true;
      if (done && bytes.left() > 0) throw new Error('bytes follow the end');
    },
    end: () => {
      if (!done) throw new Error('it ends too early');
    },
    version: () => version,
  };
}

const opcodes = {
  slotInfo: 244,
  library: 245,
  libraryBeforeRelease: 246,
  moduleData: 247,
  idle: 248,
  frequency: 249,
  note: 250,
  sizes: 251,
  expiresMs: 252,
  expires: 253,
  database: 254,
  end: 255,
} as const;

function* read(bytes: RdbBytes, events: RdbEvents, onVersion: (version: number) => void): Reading<void> {
  const magic = (yield* bytes.take(9)).toString('latin1');
  const digits = /^(?:REDIS(\d{4})|VALKEY(\d{3}))$/.exec(magic);
  if (!digits) throw new Error('it does not begin as an RDB does');
  const version = Number(digits[1] ?? digits[2]);
  onVersion(version);
  let database = 0;
  let about: Partial<Pick<RdbKey, 'expiresAt' | 'idle' | 'frequency'>> = {};
  for (;;) {
    const code = yield* bytes.byte();
    switch (code) {
      case opcodes.end:
        // The checksum is somebody else's business.
        if (version >= 5) yield* bytes.skip(8);
        return;
      case opcodes.database:
        database = yield* bytes.length();
        break;
      case opcodes.sizes:
        yield* bytes.length();
        yield* bytes.length();
        break;
      case opcodes.slotInfo:
        for (let i = 0; i < 3; i++) yield* bytes.length();
        break;
      case opcodes.expiresMs:
        about = { ...about, expiresAt: Number((yield* bytes.take(8)).readBigInt64LE(0)) };
        break;
      case opcodes.expires:
        about = { ...about, expiresAt: (yield* bytes.take(4)).readInt32LE(0) * 1000 };
        break;
      case opcodes.idle:
        about = { ...about, idle: yield* bytes.length() };
        break;
      case opcodes.frequency:
        about = { ...about, frequency: yield* bytes.byte() };
        break;
      case opcodes.note: {
        const name = yield* bytes.text();
        const value = yield* bytes.text();
        events.note?.(name.toString('latin1'), value.toString('latin1'));
        break;
      }
      case opcodes.library: {
        const text = yield* bytes.text();
        events.library?.(text);
        break;
      }
      case opcodes.moduleData:
        events.moduleData?.();
        yield* bytes.length();
        yield* skipModuleParts(bytes);
        break;
      default:
        if (code === opcodes.libraryBeforeRelease || code > 200) throw new UnknownRdb(`its part ${code} is not known`);
        yield* readKey(bytes, events, { database, type: code, ...about });
        about = {};
    }
  }
}

function* readKey(bytes: RdbBytes, events: RdbEvents, about: Omit<RdbKey, 'name'>): Reading<void> {
  const name = yield* bytes.text();
  events.key?.({ ...about, name });
  bytes.tell(true);
  yield* skipValue(bytes, about.type);
  bytes.tell(false);
  events.valueEnd?.();
}
