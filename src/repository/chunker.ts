// Content-defined cuts with a gear hash: a cut falls where the content says so, so an insertion moves cuts only near itself.
// The table is derived from the repository's polynomial, so that cut points of one repository say nothing about another.
// Source of the method: Xia et al., "FastCDC", USENIX ATC 2016 (gear hash with two masks around the wanted mean).
import { createHash } from 'node:crypto';

export const minChunk = 512 << 10;
export const maxChunk = 8 << 20;
const normalChunk = 1 << 20;
/** 22 bits before 1 MiB, 18 after it: sizes gather around the mean. High bits, because they have seen the most bytes. */
const strictMask = 0xfffffc00 | 0;
const looseMask = 0xffffc000 | 0;

export interface Chunker {
  /**
   * Length of the first block of `bytes` (from `start` to `end`). `bytes` must hold at least maxChunk from there, or all that is left.
   */
  cut(bytes: Uint8Array, start: number, end: number): number;
}

export function gearTable(polynomial: string): Int32Array {
  const table = new Int32Array(256);
  for (let i = 0; i < 256; i++) table[i] = createHash('sha256').update(`stillpoint gear ${polynomial} ${i}`).digest().readInt32LE(0);
  return table;
}

export function contentChunker(polynomial: string): Chunker {
  const gear = gearTable(polynomial);
  return {
    cut: (bytes, start, end) => {
      const left = end - start;
      if (left <= minChunk) return left;
      const normal = start + Math.min(left, normalChunk);
      const limit = start + Math.min(left, maxChunk);
      let hash = 0;
      // 32 bytes of lead-in fill the hash's window, so that the decision at the first possible cut knows its own past.
      let at = start + minChunk - 32;
      for (const lead = start + minChunk; at < lead; at++) hash = ((hash << 1) + gear[bytes[at]!]!) | 0;
      for (; at < normal; at++) {
        hash = ((hash << 1) + gear[bytes[at]!]!) | 0;
        if ((hash & strictMask) === 0) return at + 1 - start;
      }
      for (; at < limit; at++) {
        hash = ((hash << 1) + gear[bytes[at]!]!) | 0;
        if ((hash & looseMask) === 0) return at + 1 - start;
      }
      return limit - start;
    },
  };
}
