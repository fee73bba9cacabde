// An image file that is nearly all holes: nothing but its data is read, stored and written back, whatever its size.
import { mkdirSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TaskSpec } from '../../src/model/task.ts';
import { allocated } from '../beds/disk-image.ts';
import { run } from '../beds/programs.ts';
import { dataOf, firstDifference, type SparseShape, writeSparseImage } from '../beds/sparse-image.ts';
import { backupOf, blobCount, full, megabytes, memoryBound, onlyFull, recordOf, reporter, runTaskProcess } from '../beds/task-runner.ts';
import { testVault } from '../beds/vault.ts';

const segment = 64 * 2 ** 30;
const block = 1 << 20;
const password = 'password of the agent';

describe('a sparse image', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'sparse-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  /** Backs it up twice, restores it and compares; gives the lines of a report. */
  async function roundTrip(shape: SparseShape, title: string) {
    const image = join(home, 'disk.img');
    const restored = join(home, 'restored.img');
    const report = reporter('1-sparse-disk', title);
    mkdirSync(join(home, 'pool'));
    writeSparseImage(image, shape);
    const data = allocated(image);
    report.say(`${shape.size / 2 ** 30} GiB of image, ${megabytes(data)} of them data in ${dataOf(image).length} places`);

    const vault = testVault(join(home, 'pool'), 'shop/agent', password);
    await vault.create('recovery key');
    const stock = (...args: readonly string[]) =>
      run('restic', ['-r', vault.location, '--no-cache', ...args], { env: { RESTIC_PASSWORD: password }, timeout: 900_000 });
    const step = async (what: string, spec: TaskSpec, note?: string) => {
      const done = await runTaskProcess(spec, home);
      const bound = memoryBound(await blobCount(vault.access));
      report.row(what, done.seconds, { peak: done.peak, bound, ...(note ? { note } : {}) });
      expect(done.peak, `peak memory of the ${what}`).toBeLessThanOrEqual(bound);
      return done;
    };
    const backup = backupOf(vault.access, { kind: 'disk', paths: [image] });

    const first = recordOf(await step('first backup', backup));
    expect(first.summary!.totalBytes).toBeGreaterThanOrEqual(shape.size);
    expect(first.summary!.dataAdded).toBeLessThan(data + shape.stretches * block + 16 * block);

    utimesSync(image, new Date(), new Date());
    const second = recordOf(await step('second backup, touched', backup));
    expect(second.summary!.dataBlobs).toBe(0);

    const target = { kind: 'disk', map: { [image]: restored }, verify: false } as const;
    const back = await step('restore', { type: 'restore', vault: vault.access, record: second.id, target, dryRun: false });
    expect(back.warnings).toEqual([]);
    expect(back.result.restore!.bytesWritten).toBeLessThan(data + shape.stretches * block);
    expect(allocated(restored)).toBeLessThan(data + shape.stretches * block);
    expect(firstDifference(image, restored)).toBe(-1);
    for (const extent of dataOf(restored)) expect(extent.end - extent.start).toBeLessThanOrEqual(shape.stretch + 2 * block);

    const check = await step('check', { type: 'check', vault: vault.access, readData: false });
    expect(check.result.check!.errors).toEqual([]);
    const began = performance.now();
    expect(await stock('check', '--read-data')).toContain('no errors were found');
    report.row('stock restic check --read-data', (performance.now() - began) / 1000);

    const files = (await stock('ls', '--json', second.id.slice(0, 12)))
      .split('\n')
      .filter((line) => line.includes('"struct_type":"node"'))
      .map((line) => JSON.parse(line) as { path: string; type: string; size?: number })
      .filter(({ type, path }) => type === 'file' && path.startsWith(image));
    expect(files.map(({ size }) => size)).toEqual(
      Array.from({ length: Math.ceil(shape.size / segment) }, (_, i) => Math.min(segment, shape.size - i * segment)),
    );
    if (files.length > 1) expect(files[1]!.path).toBe(`${image}/00001/data`);
    return report;
  }

  it('B8 S3 of 4 GiB goes through the vault by its data alone', async () => {
    await roundTrip({ size: 4 * 2 ** 30 + 4096, stretches: 8, stretch: 2 << 20 }, 'A sparse image of 4 GiB');
  });

  it.skipIf(!full)(
    `B8 S3 of 1 TiB with 3 GiB of data stays within the memory of any task${onlyFull}`,
    async () => {
      const report = await roundTrip({ size: 2 ** 40, stretches: 96, stretch: 32 << 20 }, 'A sparse image of 1 TiB with 3 GiB of data');
      report.write();
    },
    45 * 60_000,
  );
});
