// The bytes of an RDB, however they come: each read is a generator that asks for the next piece only when it needs one.
import { unpackLzf } from './lzf.ts';

/** Yields when it needs the next piece, which must not be empty. */
export type Reading<T> = Generator<void, T, Buffer>;

/** It is written in a way that is not known here, of a newer server or a module. */
export class UnknownRdb extends Error {}

export interface RdbBytes {
  /** Bytes of the current piece not read yet. */
  left(): number;
  byte(): Reading<number>;
  take(count: number): Reading<Buffer>;
  skip(count: number): Reading<void>;
  /** A length, or another number written as one. Above 2^53 it is not exact. */
  length(): Reading<number>;
  skipString(): Reading<void>;
  /** A string, unpacked. */
  text(): Reading<Buffer>;
  /** From here on what is read is told as it is, or no longer. */
  tell(on: boolean): void;
}

/** The longest name or code that is held (512 MB is Redis's own bound). */
const longestText = 512 * 1024 * 1024;

export function rdbBytes(tellPiece: (piece: Buffer) => void): RdbBytes {
  let piece: Buffer = Buffer.alloc(0);
  let at = 0;
  let told = -1;

  const flush = () => {
    if (told >= 0 && at > told) tellPiece(piece.subarray(told, at));
  };
  function* next(): Reading<void> {
    flush();
    piece = yield;
    at = 0;
    if (told >= 0) told = 0;
  }
  function* byte(): Reading<number> {
    if (at === piece.length) yield* next();
    return piece[at++]!;
  }
  function* take(count: number): Reading<Buffer> {
    if (piece.length - at >= count) {
      at += count;
      return piece.subarray(at - count, at);
    }
    if (count > longestText) throw new Error(`a text of ${count} bytes cannot be`);
    const parts: Buffer[] = [];
    for (let left = count; left > 0; ) {
      if (at === piece.length) yield* next();
      const part = piece.subarray(at, at + left);
      parts.push(part);
      at += part.length;
      left -= part.length;
    }
    return Buffer.concat(parts);
  }
  function* skip(count: number): Reading<void> {
    for (let left = count; ; ) {
      const now = Math.min(left, piece.length - at);
      at += now;
      left -= now;
      if (left === 0) return;
      yield* next();
    }
  }
  /** The length behind `first`, whose two highest bits are not both set. */
  function* lengthAfter(first: number): Reading<number> {
    if (first < 0x40) return first;
    if (first < 0x80) return ((first & 0x3f) << 8) | (yield* byte());
    if (first === 0x80) return (yield* take(4)).readUInt32BE(0);
    if (first === 0x81) return Number((yield* take(8)).readBigUInt64BE(0));
    throw new Error(`${first} begins no length`);
  }
  function* length(): Reading<number> {
    return yield* lengthAfter(yield* byte());
  }
  /** Skips a short string that lies in the piece as a whole: nearly all do, and a generator costs more than they. */
  const skippedShort = (): boolean => {
    const first = piece[at];
    if (first === undefined || first >= 0x40 || at + 1 + first > piece.length) return false;
    at += 1 + first;
    return true;
  };
  function* skipString(): Reading<void> {
    if (skippedShort()) return;
    const first = yield* byte();
    if (first < 0xc0) yield* skip(yield* lengthAfter(first));
    else if (first < 0xc3) yield* skip(1 << (first - 0xc0));
    else if (first === 0xc3) {
      const packed = yield* length();
      yield* length();
      yield* skip(packed);
    } else throw new Error(`${first} begins no string`);
  }
  function* text(): Reading<Buffer> {
    const first = yield* byte();
    if (first < 0xc0) return yield* take(yield* lengthAfter(first));
    if (first === 0xc0) return Buffer.from(String((yield* take(1)).readInt8(0)));
    if (first === 0xc1) return Buffer.from(String((yield* take(2)).readInt16LE(0)));
    if (first === 0xc2) return Buffer.from(String((yield* take(4)).readInt32LE(0)));
    if (first !== 0xc3) throw new Error(`${first} begins no string`);
    const packed = yield* length();
    const size = yield* length();
    if (size > longestText) throw new Error(`a text of ${size} bytes cannot be`);
    return unpackLzf(yield* take(packed), size);
  }
  return {
    left: () => piece.length - at,
    byte,
    take,
    skip,
    length,
    skipString,
    text,
    tell: (on) => {
      if (!on) flush();
      told = on ? at : -1;
    },
  };
}
