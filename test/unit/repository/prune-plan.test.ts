import { describe, expect, it } from 'vitest';
import { type PackUse, planPrune } from '../../../src/repository/prune-plan.ts';

const options = { maxUnusedPercent: 5, smallPack: 1000 };

function use(pack: number, usedBytes: number, unusedBytes: number, more: Partial<PackUse> = {}): PackUse {
  return {
    pack,
    size: usedBytes + unusedBytes + 100,
    kind: 'data',
    usedBlobs: usedBytes > 0 ? 1 : 0,
    usedBytes,
    unusedBlobs: unusedBytes > 0 ? 1 : 0,
    unusedBytes,
    rawTrees: false,
    broken: false,
    ...more,
  };
}

describe('plan of a prune', () => {
  it('P7 drops packs that nobody needs and leaves whole ones alone', () => {
    expect(planPrune([use(0, 5000, 0), use(1, 0, 5000)], options)).toEqual({ drop: [1], repack: [], freed: 5100 });
  });

  it('P7 repacks data packs, the worst first, until so little is unused', () => {
    const packs = [use(0, 90_000, 2000), use(1, 5000, 5000), use(2, 90_000, 3000), use(3, 8000, 2000)];
    expect(planPrune(packs, options).repack).toEqual([1]);
    expect(planPrune(packs, { ...options, maxUnusedPercent: 3 }).repack).toEqual([1, 3]);
    expect(planPrune(packs, { ...options, maxUnusedPercent: 0 }).repack).toEqual([0, 1, 2, 3]);
    expect(planPrune(packs, { ...options, maxUnusedPercent: 100 }).repack).toEqual([]);
  });

  it('P7 counts the unused share of all that stays, not of one pack', () => {
    expect(planPrune([use(0, 1_000_000, 0), use(1, 10_000, 50_000)], options).repack).toEqual([]);
  });

  it('P7 tree packs are kept free of waste, compressed, and apart from data', () => {
    const packs = [
      use(0, 9000, 1, { kind: 'tree' }),
      use(1, 9000, 0, { kind: 'tree', rawTrees: true }),
      use(2, 9000, 0, { kind: 'mixed' }),
      use(3, 9000, 0, { kind: 'tree' }),
    ];
    expect(planPrune(packs, options).repack).toEqual([0, 1, 2]);
  });

  it('P7 a broken pack is always repacked', () => {
    expect(planPrune([use(0, 9000, 0, { broken: true })], { ...options, maxUnusedPercent: 100 }).repack).toEqual([0]);
  });

  it('P7 small packs are merged once there are ten of a kind', () => {
    const small = Array.from({ length: 9 }, (_, pack) => use(pack, 500, 0));
    expect(planPrune([...small, use(9, 500, 0, { kind: 'tree' }), use(10, 5000, 0)], options).repack).toEqual([]);
    expect(planPrune([...small, use(9, 500, 0), use(10, 5000, 0)], options).repack).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('P7 tells what will be freed', () => {
    expect(planPrune([use(0, 0, 700), use(1, 300, 700), use(2, 90_000, 0)], { ...options, maxUnusedPercent: 0 })).toMatchObject({
      freed: 800 + 800,
    });
  });
});
