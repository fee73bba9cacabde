import { randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { blobIndex, createSharedIndex } from '../../../src/repository/blob-index.ts';

const location = (n: number) => ({ pack: n % 1000, offset: n * 7, length: 40 + n, plainLength: n });

describe('the shared index', () => {
  it('S1 finds every blob again after it has grown many times, at most 64 bytes each', () => {
    const index = blobIndex(createSharedIndex(0));
    const ids = Array.from({ length: 200_000 }, () => randomBytes(32));
    for (const [n, id] of ids.entries()) expect(index.add(id, n % 3 === 0, location(n))).toBe(n);
    for (const [n, id] of ids.entries()) {
      if (index.find(id, n % 3 === 0) !== n) throw new Error(`blob ${n} is lost`);
      if (index.find(id, n % 3 !== 0) !== -1) throw new Error(`blob ${n} has two types`);
    }
    expect(index.location(123_456)).toEqual(location(123_456));
    expect(index.idOf(199_999).equals(ids[199_999]!)).toBe(true);
    const bytes = index.shared.entries.byteLength + index.shared.slots.byteLength;
    expect(bytes / ids.length).toBeLessThanOrEqual(64 * 1.25); // the last step of growth reserves up to a quarter beyond
  });

  it('S1 a second copy of a blob does not hide the first; preferring it does', () => {
    const index = blobIndex(createSharedIndex(0));
    const id = randomBytes(32);
    const first = index.add(id, false, location(1));
    const second = index.add(id, false, location(2));
    expect(index.find(id, false)).toBe(first);
    index.prefer(second);
    expect(index.find(id, false)).toBe(second);
    index.hide(second);
    expect(index.find(id, false)).toBe(-1);
  });

  it('S1 a claimed blob is claimed once, and marks stay with what was known', () => {
    const index = blobIndex(createSharedIndex(0));
    const [old, fresh] = [randomBytes(32), randomBytes(32)];
    const entry = index.add(old, false, location(5));
    expect(index.claim(old, false, true)).toBe(-1);
    expect(index.isMarked(entry)).toBe(true);
    const claimed = index.claim(fresh, false, true);
    expect(claimed).toBeGreaterThan(entry);
    expect(index.claim(fresh, false, false)).toBe(-1);
    index.place(claimed, location(9));
    expect(index.location(claimed)).toEqual(location(9));
    expect(index.location(entry)).toEqual(location(5));
    index.clearMarks();
    expect(index.isMarked(entry)).toBe(false);
  });

  it('S1 threads that claim the same blobs at once get each of them once', async () => {
    const shared = createSharedIndex(0);
    const total = 60_000;
    const source = `
      const { workerData, parentPort } = require('node:worker_threads');
      import(workerData.module).then(({ blobIndex }) => {
        const index = blobIndex(workerData.shared);
        let got = 0;
        for (let n = 0; n < workerData.total; n++) {
          const id = require('node:crypto').hash('sha256', 'blob ' + n, 'buffer');
          if (index.claim(id, false, false) >= 0) got++;
        }
        parentPort.postMessage(got);
      });`;
    const module = new URL('../../../src/repository/blob-index.ts', import.meta.url).href;
    const run = () =>
      new Promise<number>((resolve, reject) => {
        const worker = new Worker(source, { eval: true, workerData: { shared, total, module } });
        worker.once('message', resolve).once('error', reject);
      });
    const got = await Promise.all([run(), run(), run()]);
    expect(got.reduce((sum, n) => sum + n, 0)).toBe(total);
    expect(blobIndex(shared).count()).toBe(total);
  });
});
