// All-zero stretches. They are stored as one 512 KiB zero block, for long ones one of 4 MiB: stock restic restores a file sparsely only if
// its content holds the block of exactly 512 KiB zeros (restic: internal/restorer, zeroChunk).
import { hash } from 'node:crypto';

export const zeroBlock = 512 << 10;
export const bigZeroBlock = 4 << 20;

export const zeros = Buffer.alloc(bigZeroBlock);

export function isZero(bytes: Uint8Array): boolean {
  if (bytes.length === 0) return true;
  // Most data shows in the first word; the full comparison is a memcmp.
  if (bytes[0] !== 0 || bytes[bytes.length >> 1] !== 0 || bytes[bytes.length - 1] !== 0) return false;
  for (let at = 0; at < bytes.length; at += zeros.length) {
    const part = bytes.subarray(at, at + zeros.length);
    if (zeros.compare(part, 0, part.length, 0, part.length) !== 0) return false;
  }
  return true;
}

/** Lengths of the zero blocks that make up a hole of `length` bytes; the first is a 512 KiB one whenever it fits. */
export function zeroLengths(length: number): number[] {
  const lengths: number[] = [];
  let left = length;
  if (left >= zeroBlock) {
    lengths.push(zeroBlock);
    left -= zeroBlock;
  }
  for (; left >= bigZeroBlock; left -= bigZeroBlock) lengths.push(bigZeroBlock);
  for (; left >= zeroBlock; left -= zeroBlock) lengths.push(zeroBlock);
  if (left > 0) lengths.push(left);
  return lengths;
}

const ids = new Map<number, Buffer>();

/** The id of a zero block of one of the two usual lengths, hashed once a thread: a hole of a terabyte has a quarter of a million of them. */
export function zeroId(length: number): Buffer | undefined {
  if (length !== zeroBlock && length !== bigZeroBlock) return undefined;
  const known = ids.get(length);
  if (known) return known;
  const id = hash('sha256', zeros.subarray(0, length), 'buffer');
  ids.set(length, id);
  return id;
}
