// A task is killed at its n-th operation on the vault: whatever n is, nothing is lost and the next run goes on from there.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  backupSpec,
  bytesOf,
  chosen,
  each,
  type FaultHome,
  faultHome,
  full,
  noFault,
  type StoredPack,
  tiny,
  withHome,
  writeFiles,
} from '../beds/fault-home.ts';
import { rsyncDifferences } from '../beds/nasty-tree.ts';
import { testHost } from '../beds/vault.ts';

const moments = ['before', 'during', 'after'] as const;
const momentOf = (n: number) => moments[n % 3]!;
const minutes = full ? 240 : 10;
const namesOf = (packs: readonly StoredPack[]) => new Set(packs.map(({ name }) => name));

/** The locks of the dead task go by their names, then stock restic finds nothing wrong. */
async function expectSound(bed: FaultHome, locks: readonly string[], readData: boolean): Promise<void> {
  const removed = await bed.unlock(locks);
  for (const name of removed) expect(locks).toContain(name);
  expect(bed.lockFiles()).toEqual([]);
  expect(await bed.stock.run('check', ...(readData ? ['--read-data'] : []))).toContain('no errors were found');
}

async function expectRestored(bed: FaultHome, record: string, tree: string): Promise<void> {
  const target = join(bed.home, `restored-${record.slice(0, 8)}`);
  await bed.vault.restore(record, { kind: 'files', path: target, include: [], overwrite: 'always', delete: false, verify: false });
  expect(await rsyncDifferences(tree, join(target, tree))).toBe('');
  rmSync(target, { recursive: true });
}

describe('a backup killed at its n-th operation', () => {
  const beds = mkdtempSync(join(tmpdir(), 'kill-backup-'));
  const tree = join(beds, 'tree');
  const base = faultHome();
  let first: string;
  let total = 0;
  let wholeBytes = 0;

  beforeAll(async () => {
    writeFiles(tree, 0, 20, 60_000);
    await base.vault.create('recovery key');
    first = (await base.vault.run(backupSpec(base.access, tree), { repository: tiny })).record!.id;
    writeFiles(tree, 20, 300, 60_000);
  });
  afterAll(() => {
    base.remove();
    rmSync(beds, { recursive: true, force: true });
  });

  it('P7 in a run of 300 operations, with index flushes and refreshed locks', () =>
    withHome(base.pool, async (bed) => {
      const known = namesOf(bed.packs());
      const { end } = await bed.strike(backupSpec(bed.access, tree), noFault);
      expect(end.kind).toBe('done');
      const operations = bed.operations();
      const count = (name: string) => operations.filter((one) => one === name).length;
      total = operations.length;
      wholeBytes = bytesOf(bed.packs().filter(({ name }) => !known.has(name)));
      expect(total).toBeGreaterThanOrEqual(300);
      expect(count('save index')).toBeGreaterThan(10);
      expect(count('save locks')).toBeGreaterThan(2);
      expect(count('save snapshots')).toBe(1);
      await bed.stock.check();
    }));

  it(
    'P7 leaves a vault that restic finds clean; the next run sends at most a tenth of what was indexed',
    async () => {
      let died = 0;
      let indexedAtMost = 0;
      const strike = async (bed: FaultHome, n: number) => {
        const known = namesOf(bed.packs());
        const { end, locks } = await bed.strike(backupSpec(bed.access, tree), { ...noFault, dieAt: n, moment: momentOf(n) });
        if (end.kind === 'died') died++;
        await expectSound(bed, locks, full || n % 5 === 0);

        const there = bed.packs();
        const listed = await bed.listed();
        const indexed = bytesOf(there.filter(({ name }) => listed.has(name) && !known.has(name)));
        const records = await bed.vault.records();
        expect(records.length).toBeLessThanOrEqual(2);
        expect(records[0]!.id).toBe(first);
        // A record that is listed is a whole backup, even if its task never told so.
        if (records[1]) await expectRestored(bed, records[1].id, tree);

        const next = await bed.start(backupSpec(bed.access, tree)).ended;
        if (next.kind !== 'done') throw new Error(JSON.stringify(next.problem));
        const before = namesOf(there);
        const sent = bytesOf(bed.packs().filter(({ name }) => !before.has(name)));
        // The agent's configuration and the times of its folder are new in each run, and so are the trees above them.
        expect(sent).toBeLessThanOrEqual(wholeBytes - 0.9 * indexed + 10_000);
        indexedAtMost = Math.max(indexedAtMost, indexed);
        await expectRestored(bed, next.result.record!.id, tree);
        expect(bed.lockFiles()).toEqual([]);
        expect(await bed.stock.run('check')).toContain('no errors were found');
      };
      const operations = chosen(total, 14);
      await each(operations, (n) => withHome(base.pool, (bed) => strike(bed, n)));
      // The number of operations differs by a few from run to run: the last ones may not be met.
      expect(died).toBeGreaterThan(operations.length * 0.9);
      expect(indexedAtMost).toBeGreaterThan(wholeBytes / 2);
    },
    minutes * 60_000,
  );
});

describe('a prune killed at its n-th operation', () => {
  const beds = mkdtempSync(join(tmpdir(), 'kill-prune-'));
  const tree = join(beds, 'tree');
  const base = faultHome();
  const spec = (bed: FaultHome) => ({ type: 'prune', vault: bed.access, dryRun: false, maxUnusedPercent: 0 }) as const;
  const many = { ...tiny, packSize: 40 << 10 };
  let total = 0;

  beforeAll(async () => {
    writeFiles(tree, 0, 300, 20_000);
    await base.vault.create('recovery key');
    const { record } = await base.vault.run(backupSpec(base.access, tree), { repository: many });
    for (let number = 0; number < 300; number += 3) rmSync(join(tree, `folder-${number % 7}`, `file-${number}`));
    await base.vault.run({ ...backupSpec(base.access, tree), hostname: testHost }, { repository: many });
    await base.vault.forget(record!.id);
  });
  afterAll(() => {
    base.remove();
    rmSync(beds, { recursive: true, force: true });
  });

  it('P7 in a run of 300 operations that repacks, flushes indexes and refreshes its lock', () =>
    withHome(base.pool, async (bed) => {
      const { end } = await bed.strike(spec(bed), { ...noFault, ...many });
      if (end.kind !== 'done') throw new Error(JSON.stringify(end.problem));
      expect(end.result.prune!.packsRepacked).toBeGreaterThan(50);
      const operations = bed.operations();
      const count = (name: string) => operations.filter((one) => one === name).length;
      total = operations.length;
      expect(total).toBeGreaterThanOrEqual(300);
      expect(count('save index')).toBeGreaterThan(5);
      expect(count('save locks')).toBeGreaterThan(1); // the first and at least one refreshed
      expect(count('remove data')).toBeGreaterThan(50);
      await bed.stock.check();
    }));

  it(
    'P7 leaves every backup whole; the next prune ends the work',
    async () => {
      let died = 0;
      const strike = async (bed: FaultHome, n: number) => {
        const { end, locks } = await bed.strike(spec(bed), { ...noFault, ...many, dieAt: n, moment: momentOf(n) });
        if (end.kind === 'died') died++;
        await expectSound(bed, locks, full || n % 5 === 0);
        const [record, ...others] = await bed.vault.records();
        expect(others).toEqual([]);
        await expectRestored(bed, record!.id, tree);

        const next = await bed.start(spec(bed)).ended;
        if (next.kind !== 'done') throw new Error(JSON.stringify(next.problem));
        const said = await bed.stock.run('check', '--read-data');
        expect(said).toContain('no errors were found');
        expect(said).not.toContain('additional files');
        const report = (await bed.vault.run({ type: 'prune', dryRun: true, maxUnusedPercent: 0 })).prune;
        expect(report).toMatchObject({ bytesUnused: 0, packsRemoved: 0 });
        const after = await bed.start(backupSpec(bed.access, tree)).ended;
        if (after.kind !== 'done') throw new Error(JSON.stringify(after.problem));
        await expectRestored(bed, after.result.record!.id, tree);
      };
      const operations = chosen(total, 26);
      await each(operations, (n) => withHome(base.pool, (bed) => strike(bed, n)));
      expect(died).toBeGreaterThan(operations.length * 0.9);
    },
    minutes * 60_000,
  );
});
