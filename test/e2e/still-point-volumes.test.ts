// Several volumes as one moment, end to end: a MariaDB under load whose data, redo log and binary log lie on three file systems, and a process
// that is no database and writes to two. Their writers are stopped while the images are taken. Without that, seconds apart, the same checks fail.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { placing } from '../../src/model/place.ts';
import { writersName } from '../../src/quiescers/writers/name.ts';
import { btrfsProvider } from '../../src/snapshots/btrfs.ts';
import { snapshotName } from '../../src/snapshots/names.ts';
import { type Run, runProgram } from '../../src/snapshots/run.ts';
import { allSound, allZero, binaryLog, checksums, checkTables, createLedger, ledgerLoad, replay, sums } from '../beds/ledger.ts';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { run } from '../beds/programs.ts';
import { type SnapshotDisk, snapshotDisk } from '../beds/snapshot-disk.ts';
import { countingWriter, lastCount, type TestWriter } from '../beds/writers.ts';
import { removeDisk, type StillBench, stillBench } from './still-bench.ts';

let disks: readonly SnapshotDisk[];
let bench: StillBench;
let top: string;
beforeAll(async () => {
  disks = [await snapshotDisk('btrfs'), await snapshotDisk('btrfs'), await snapshotDisk('btrfs')];
});
afterAll(async () => {
  for (const disk of disks ?? []) await removeDisk(disk);
});
beforeEach(async () => {
  top = mkdtempSync(join(tmpdir(), 'still-volumes-'));
});
afterEach(async () => {
  await bench?.stop();
  rmSync(top, { recursive: true, force: true });
});

/** The same images, with nobody held still and seconds between them, brought back like a backup. */
async function broughtBackApart(paths: readonly string[], target: string): Promise<void> {
  let images = 0;
  const slowly: Run = async (program, args) => {
    if (args.includes('snapshot') && images++ > 0) await pause(3000);
    return runProgram(program, args);
  };
  const plan = await btrfsProvider({ run: slowly }).plan(paths);
  const snapshot = await plan!.take(snapshotName('0123abcd', 'negative'));
  try {
    await snapshot.open(() => undefined);
    for (const path of paths) {
      mkdirSync(dirname(join(target, path)), { recursive: true });
      await run('cp', ['-a', placing(snapshot.places)(path), join(target, path)], { timeout: 120_000 });
    }
  } finally {
    await snapshot.remove();
  }
  expect(images).toBe(paths.length);
}

describe('a MariaDB with data, redo log and binary log on three volumes', { timeout: 600_000 }, () => {
  let server: SqlServer;
  let dir: string;
  let paths: readonly [string, string, string];

  /** The smallest redo log, and pages that are written as fast as the server can: what lies on one volume is soon newer than on the others. */
  const optionsOf = ([data, redo, log]: readonly [string, string, string]) => ({
    datadir: data,
    'innodb-log-group-home-dir': redo,
    'log-bin': join(log, 'bin'),
    'sync-binlog': 1,
    'innodb-log-file-size': '4M',
    'innodb-max-dirty-pages-pct': 0,
    'innodb-flush-log-at-trx-commit': 1,
  });

  beforeAll(async () => {
    const [data, redo, log] = disks.map(({ path }, i) => join(path, ['data', 'redo', 'log'][i]!)) as [string, string, string];
    paths = [data, redo, log];
    for (const path of [redo, log]) mkdirSync(path);
    dir = mkdtempSync(join(tmpdir(), 'mdb-'));
    server = await startMariadb({ dir, options: optionsOf(paths) });
    await createLedger(server);
  });
  beforeEach(async () => {
    bench = await stillBench('mysql');
    bench.set({ MYSQL_USER: 'root', MYSQL_SOCKET: server.socket, MYSQL_LONGEST_WAIT: '20' });
  });
  afterAll(async () => {
    await server?.kill();
    rmSync(dir, { recursive: true, force: true });
  });

  /** On what was brought back, as after a power cut; the index of the binary logs names them as they are given. */
  async function startCopy(): Promise<SqlServer> {
    const [data, redo, log] = paths.map((path) => join(top, 'back', path)) as [string, string, string];
    const index = join(log, 'bin.index');
    writeFileSync(index, readFileSync(index, 'utf8').replaceAll(paths[2], log));
    return startMariadb({ dir: mkdtempSync(join(top, 'm-')), options: optionsOf([data, redo, log]) });
  }

  it('A2 A3 S1 is application-consistent: every table is sound, the sums are zero, and the binary log goes on from the position it names', async () => {
    await bench.plan('db', paths, { freeze: true });
    const writers = await ledgerLoad(server);
    const { task, backup } = await bench.run('db');
    await pause(300);
    expect(await writers.stop()).toBeGreaterThan(20);
    expect(task).toMatchObject({ state: 'done', warnings: [] });
    expect(backup).toMatchObject({ consistency: 'application', consistencyReason: null });
    const { facts } = await bench.told();
    expect(facts[writersName]).toEqual({
      processes: '1',
      names: expect.stringContaining(`(${server.pid})`),
      'stopped-ms': expect.stringMatching(/^\d+$/),
    });

    await bench.restore(backup, join(top, 'back'));
    const copy = await startCopy();
    try {
      expect(await checkTables(copy)).toEqual(allSound);
      expect(await sums(copy)).toEqual(allZero);
      const { file, position } = binaryLog(facts);
      const logs = readdirSync(paths[2]).filter((name) => /^bin\.\d+$/.test(name) && name >= file);
      await replay(
        copy,
        logs.sort().map((name) => join(paths[2], name)),
        position,
      );
      expect(await checksums(copy)).toEqual(await checksums(server));
    } finally {
      await copy.kill();
    }
  });

  it('A2 A3 S1 with nobody held still and seconds between the volumes the same checks fail: the negative control', async () => {
    const writers = await ledgerLoad(server);
    await broughtBackApart(paths, join(top, 'back'));
    await writers.stop();
    const copy = await startCopy().catch((error: Error) => error);
    if (copy instanceof Error) {
      expect(copy.message).toMatch(/does not answer/);
      return;
    }
    try {
      const checked = await checkTables(copy).catch((error: Error) => [error.message]);
      const summed = await sums(copy).catch(() => []);
      expect({ checked, summed }).not.toEqual({ checked: allSound, summed: allZero });
    } finally {
      await copy.kill();
    }
  });
});

describe('a process that writes the same number to two volumes', { timeout: 300_000 }, () => {
  let writer: TestWriter;
  let paths: readonly string[];
  beforeEach(async () => {
    bench = await stillBench('none of the shipped pairs');
    paths = disks.slice(0, 2).map(({ path }) => join(path, 'counters'));
    for (const path of paths) mkdirSync(path, { recursive: true });
    writer = await countingWriter(paths.map((path) => join(path, 'counter')));
  });
  afterEach(() => writer.kill());

  const counts = () => paths.map((path) => lastCount(join(top, 'back', path, 'counter'))) as [number, number];

  it('A3 S1 is stopped for the moment: the numbers are of one moment, which the backup claims, and no more', async () => {
    await bench.plan('counters', paths, { freeze: true });
    const { backup } = await bench.run('counters');
    expect(backup).toMatchObject({ consistency: 'crash', consistencyReason: expect.stringContaining('nothing on this host was frozen') });
    expect((await bench.told()).facts[writersName]).toMatchObject({ processes: '1' });
    await writer.writes();
    await bench.restore(backup, join(top, 'back'));
    const [first, second] = counts();
    expect(first).toBeGreaterThan(0);
    // The first is written first.
    expect([0, 1]).toContain(first - second);
  });

  it('A3 S1 without that the backup says that it is no moment, and what would help', async () => {
    await bench.plan('plain', paths, {});
    const { backup } = await bench.run('plain');
    expect(backup).toMatchObject({
      consistency: 'file',
      consistencyReason: expect.stringMatching(/one after the other; --consistency application/),
    });
  });

  it('A3 S1 without that, seconds apart, the numbers are of two moments: the negative control', async () => {
    await broughtBackApart(paths, join(top, 'back'));
    const [first, second] = counts();
    expect(second - first).toBeGreaterThan(1);
  });
});
