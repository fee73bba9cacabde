// A backup that may not read or compute as fast as it could.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failure } from '../../../src/base/errors.ts';
import type { Limits, SourceSettings } from '../../../src/model/plan.ts';
import { backupTask, filesOf, testVault, type Vault } from '../../beds/vault.ts';
import { noise } from '../../beds/vaults.ts';

const size = 3_000_000;
const content = noise('limits', size);
let root: string;
let file: string;
let vault: Vault;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'engine-limits-'));
  file = join(root, 'file');
  writeFileSync(file, content);
  vault = testVault(join(root, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const backUp = (source: SourceSettings, limits: Partial<Limits>, signal = new AbortController().signal) =>
  vault.run({ ...backupTask(source), full: true, limits: { readBytesPerSecond: 0, cpuPercent: 0, ...limits } }, { signal });

/** Milliseconds, and those of processor time, that the work takes. */
async function measured(work: () => Promise<unknown>) {
  const [from, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { ms: performance.now() - from, cpu: (user + system) / 1000 };
}

describe('the limits of a plan', () => {
  const stream: SourceSettings = { kind: 'command', fileName: 'dump', minBytes: 0, shell: '' };

  it('B1 files and streams are read no faster than it says, and whole', async () => {
    for (const [source, path] of [
      [filesOf(file), file],
      [{ ...stream, shell: `cat ${file}` }, '/dump'],
    ] as const) {
      let record = '';
      const { ms } = await measured(async () => {
        record = (await backUp(source, { readBytesPerSecond: 1_500_000 })).record!.id;
      });
      expect(ms).toBeGreaterThan(1_700);
      const found = (await vault.ls(record)).find((one) => one.type === 'file' && one.path.endsWith(path))!;
      expect((await vault.cat(record, found.path)).equals(content)).toBe(true);
    }
  });

  it('B1 its threads together have no more of the processor than it says', async () => {
    const many = noise('processor', 12_000_000);
    writeFileSync(join(root, 'many'), many);
    const { ms, cpu } = await measured(() => backUp(filesOf(join(root, 'many')), { cpuPercent: 20 }));
    expect(cpu / ms).toBeLessThan(0.5);
  });

  it('B1 a backup that waits is cancelled at once', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(failure('TASK_CANCELLED')), 1_000);
    const slow = { readBytesPerSecond: 4_096 };
    await expect(backUp(filesOf(file), slow, stop.signal)).rejects.toMatchObject({ code: 'TASK_CANCELLED' });
    const other = new AbortController();
    setTimeout(() => other.abort(failure('TASK_CANCELLED')), 1_000);
    await expect(backUp({ ...stream, shell: `cat ${file}` }, slow, other.signal)).rejects.toMatchObject({ code: 'TASK_CANCELLED' });
  });
});
