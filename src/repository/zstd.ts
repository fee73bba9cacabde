// zstd as the format uses it. Level 1 keeps pace with two cores' SHA-256; restic reads frames of any level.
import { zstdEngine } from './zstd-engine.ts';

export type Compression = 'auto' | 'max' | 'off';

const levels = { auto: 1, max: 19, off: 1 } as const;

/** The frame, in memory that the next call of this thread uses again. */
export function compressShared(plain: Uint8Array, compression: Compression): Buffer {
  return zstdEngine(levels[compression]).compress(plain);
}

export function compress(plain: Uint8Array, compression: Compression): Buffer {
  return Buffer.from(compressShared(plain, compression));
}

/** The plain bytes, in memory that the next call of this thread uses again. Throws a plain Error for anything but a frame of at most `limit` bytes. */
export function decompressShared(packed: Uint8Array, limit: number): Buffer {
  const plain = zstdEngine(levels.auto).decompress(packed, limit);
  if (!plain || plain.length > limit) throw new Error('it does not decompress');
  return plain;
}

export function decompress(packed: Uint8Array, limit: number): Buffer {
  return Buffer.from(decompressShared(packed, limit));
}

/**
 * False for bytes that will not shrink (random, encrypted, compressed already), judged by packing two samples of 4 KiB:
 * trying costs some 20 µs where compressing a whole incompressible MiB costs a millisecond.
 */
export function looksCompressible(plain: Uint8Array): boolean {
  if (plain.length < 16_384) return plain.length > 0;
  const sample = 4096;
  const middle = (plain.length >> 1) & ~4095;
  for (const start of [0, middle]) {
    if (compressShared(plain.subarray(start, start + sample), 'auto').length < sample * 0.95) return true;
  }
  return false;
}
