import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { contentChunker, gearTable, maxChunk, minChunk } from '../../../src/repository/chunker.ts';

const polynomial = '3da3358b4dc173';

/** Bytes that are the same in every run. */
function noise(length: number, seed = 'x'): Buffer {
  const out = Buffer.alloc(length);
  for (let at = 0, n = 0; at < length; n++) at += createHash('sha512').update(`${seed}${n}`).digest().copy(out, at);
  return out;
}

function cutAll(bytes: Buffer, hex = polynomial): Buffer[] {
  const chunker = contentChunker(hex);
  const blocks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = chunker.cut(bytes, at, bytes.length);
    blocks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return blocks;
}

const ids = (blocks: readonly Buffer[]) => blocks.map((block) => createHash('sha256').update(block).digest('hex'));

describe('content-defined chunking', () => {
  const data = noise(64 << 20);

  it('P7 blocks fill the data, keep to their limits and are about 1 MiB in the mean', () => {
    const blocks = cutAll(data);
    expect(Buffer.concat(blocks).equals(data)).toBe(true);
    for (const block of blocks.slice(0, -1)) {
      expect(block.length).toBeGreaterThanOrEqual(minChunk);
      expect(block.length).toBeLessThanOrEqual(maxChunk);
    }
    expect(data.length / blocks.length).toBeGreaterThan(0.75 * 2 ** 20);
    expect(data.length / blocks.length).toBeLessThan(1.6 * 2 ** 20);
  });

  it('P7 an insertion changes only the blocks near it', () => {
    const changed = Buffer.concat([data.subarray(0, 5_000_000), Buffer.from('inserted'), data.subarray(5_000_000)]);
    const before = new Set(ids(cutAll(data)));
    const fresh = ids(cutAll(changed)).filter((id) => !before.has(id));
    expect(fresh.length).toBeLessThanOrEqual(3);
    expect(fresh.length).toBeGreaterThan(0);
  });

  it('P7 where the cuts fall does not depend on how much lies behind them', () => {
    const chunker = contentChunker(polynomial);
    expect(chunker.cut(data, 0, maxChunk)).toBe(chunker.cut(data, 0, data.length));
  });

  it('P7 another repository cuts elsewhere', () => {
    expect(gearTable('3da3358b4dc173')).not.toEqual(gearTable('25b468838dcb75'));
    const lengths = (hex: string) => cutAll(data, hex).map((block) => block.length);
    expect(lengths('25b468838dcb75')).not.toEqual(lengths(polynomial));
  });

  it('P7 short data is one block', () => {
    expect(cutAll(randomBytes(10))).toHaveLength(1);
    expect(cutAll(randomBytes(minChunk))).toHaveLength(1);
  });
});
