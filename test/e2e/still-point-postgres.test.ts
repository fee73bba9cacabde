// The still point of PostgreSQL, end to end: data, WAL and a tablespace in one btrfs subvolume, writers that never stop, pages that are written as
// fast as the server can, and a restore into a fresh server that recovers without any backup_label.
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Backup } from '../../src/rpc/schemas.ts';
import { type Postgres, startPostgres } from '../beds/postgres.ts';
import { type CopiedCluster, type PostgresCopy, runAsPostgres, startPostgresCopy } from '../beds/postgres-copy.ts';
import { run } from '../beds/programs.ts';
import { type SnapshotDisk, snapshotDisk } from '../beds/snapshot-disk.ts';
import { removeDisk, type StillBench, stillBench } from './still-bench.ts';

/** Two segments of WAL, buffers smaller than the tables, and everything that writes pages at its hardest. */
const hard = {
  fsync: 'on',
  shared_buffers: '1MB',
  checkpoint_timeout: '30s',
  min_wal_size: '32MB',
  max_wal_size: '32MB',
  bgwriter_delay: '10ms',
  bgwriter_lru_maxpages: '1000',
  bgwriter_lru_multiplier: '10',
  autovacuum_naptime: '1s',
};
const tables = ['near_1', 'near_2', 'far_1', 'far_2'];
const accounts = 600;

let disk: SnapshotDisk;
let dir: string;
let server: Postgres;
let bench: StillBench;
let live: CopiedCluster;
let top: string;

beforeAll(async () => {
  disk = await snapshotDisk('btrfs');
  chmodSync(dirname(disk.path), 0o755); // the server does not run as root
  const volume = join(disk.path, 'pg');
  await run('btrfs', ['subvolume', 'create', volume]);
  live = { data: join(volume, 'data'), wal: join(volume, 'wal'), space: join(volume, 'space') };
  dir = mkdtempSync(join(tmpdir(), 'still-postgres-'));
  const { uid, gid } = statSync('/var/lib/postgresql');
  for (const path of [live.data, live.space]) {
    mkdirSync(path, { mode: 0o700 });
    chownSync(path, uid, gid);
  }
  symlinkSync(live.data, join(dir, 'data'));
  server = await startPostgres({ dir, options: hard });
  await server.stop();
  renameSync(join(live.data, 'pg_wal'), live.wal);
  symlinkSync(live.wal, join(live.data, 'pg_wal'));
  await runAsPostgres('pg_checksums', '--enable', '-D', live.data);
  await server.restart();
  await server.sql('CREATE EXTENSION amcheck');
  await server.sql(`CREATE TABLESPACE far LOCATION '${live.space}'`);
  for (const table of tables) {
    const where = table.startsWith('far') ? 'TABLESPACE far' : '';
    await server.sql(`CREATE TABLE ${table} (id int, balance bigint NOT NULL, note text) ${where}`);
    await server.sql(`ALTER TABLE ${table} ADD PRIMARY KEY (id) ${where && 'USING INDEX TABLESPACE far'}`);
    await server.sql(`INSERT INTO ${table} SELECT n, 0, repeat('x', 400) FROM generate_series(1, ${accounts}) n`);
  }
  await server.sql('CREATE TABLE transfers (writer int, n int, PRIMARY KEY (writer, n))');
});
afterAll(async () => {
  await server?.stop();
  await removeDisk(disk);
  rmSync(dir, { recursive: true, force: true });
});

beforeEach(async () => {
  top = mkdtempSync(join(tmpdir(), 'still-postgres-'));
  chmodSync(top, 0o755);
  await server.sql('TRUNCATE transfers');
  bench = await stillBench('postgres');
  bench.set({
    PG_USER: server.user,
    PG_PASSWORD: bench.sealed(server.password),
    PG_SOCKET: server.socket,
    PG_PORT: String(server.port),
  });
});
afterEach(async () => {
  await bench?.stop();
  rmSync(top, { recursive: true, force: true });
});

interface Load {
  /** Of each writer: when (ms since 1970) the server had acknowledged its n-th transfer. */
  readonly acknowledged: readonly (readonly number[])[];
  stop(): Promise<void>;
}

/** Transfers between accounts of two tables, one of them in the tablespace, and a checkpoint after the other. */
async function load(): Promise<Load> {
  let running = true;
  const session = async () => {
    const client = new Client({
      host: server.socket,
      port: server.port,
      user: server.user,
      password: server.password,
      database: 'postgres',
    });
    await client.connect();
    return client;
  };
  const account = () => 1 + Math.floor(Math.random() * accounts);
  const acknowledged: number[][] = [[], [], [], []];
  const writers = acknowledged.map(async (times, writer) => {
    const client = await session();
    while (running) {
      const [from, to] = [tables[writer % 2], tables[2 + (times.length % 2)]];
      await client.query(
        `BEGIN; UPDATE ${from} SET balance = balance - 7 WHERE id = ${account()}; UPDATE ${to} SET balance = balance + 7 WHERE id = ${account()};
         INSERT INTO transfers VALUES (${writer}, ${times.length}); COMMIT`,
      );
      times.push(Date.now());
    }
    await client.end();
  });
  const checkpoints = (async () => {
    const client = await session();
    for (; running; await pause(200)) await client.query('CHECKPOINT');
    await client.end();
  })();
  await expect.poll(() => Math.min(...acknowledged.map((times) => times.length))).toBeGreaterThan(30);
  return {
    acknowledged,
    stop: async () => {
      running = false;
      await Promise.all([...writers, checkpoints]);
    },
  };
}

const copyIn = (target: string): CopiedCluster => ({
  data: join(target, live.data),
  wal: join(target, live.wal),
  space: join(target, live.space),
});

interface Copy {
  /** What is wrong with it, a line each. */
  readonly defects: readonly string[];
  readonly log: string;
}

/** Starts the copy and checks everything; `acknowledged`: how many transfers of each writer it must have. */
async function examine(cluster: CopiedCluster, acknowledged: readonly number[]): Promise<Copy> {
  const defects: string[] = [];
  const check = async (work: () => Promise<string>) => {
    const defect = await work().catch((error: Error) => error.message);
    if (defect !== '') defects.push(defect.slice(0, 500));
  };
  let copy: PostgresCopy;
  try {
    copy = await startPostgresCopy(cluster, join(top, `run-${Math.random().toString(36).slice(2)}`), server.password);
  } catch (error) {
    return { defects: [(error as Error).message], log: '' };
  }
  try {
    await check(() => copy.client('pg_amcheck', '-d', 'postgres', '--heapallindexed', '--parent-check'));
    const sum = tables.map((table) => `SELECT sum(balance) AS s, count(*) AS n FROM ${table}`).join(' UNION ALL ');
    await check(async () => {
      const [ledger] = (await copy.sql(`SELECT sum(s) || ' in ' || sum(n) FROM (${sum}) t`)).split('\n');
      return ledger === `0 in ${accounts * tables.length}` ? '' : `the ledger sums to ${ledger}`;
    });
    for (const [writer, count] of acknowledged.entries())
      await check(async () => {
        const there = Number(await copy.sql(`SELECT count(*) FROM transfers WHERE writer = ${writer} AND n < ${count}`));
        return there === count ? '' : `writer ${writer} had ${count} transfers acknowledged, ${there} are there`;
      });
    // What was recovered has to be written as well.
    await check(() => copy.sql('CHECKPOINT'));
    await copy.stop();
    await check(async () => {
      await runAsPostgres('pg_checksums', '--check', '-D', cluster.data);
      return '';
    });
    return { defects, log: copy.log() };
  } finally {
    await copy.kill();
  }
}

const restored = async (backup: Backup, name: string): Promise<string> => {
  const target = join(top, name);
  mkdirSync(target, { mode: 0o755 });
  await bench.restore(backup, target);
  return target;
};

describe('a snapshot backup of a PostgreSQL under load', { timeout: 300_000 }, () => {
  it('A2 S6 is application-consistent: it recovers without a backup_label, is sound, sums to zero and has all that was acknowledged', async () => {
    await bench.plan('db', [live.data, live.wal, live.space], { freeze: true });
    const writers = await load();
    const { task, backup } = await bench.run('db');
    await pause(300);
    await writers.stop();
    expect(task).toMatchObject({ state: 'done', problem: null, warnings: [] });
    expect(backup).toMatchObject({ consistency: 'application', consistencyReason: null });

    const facts = (await bench.told()).facts['postgres']!;
    expect(facts).toMatchObject({ oneFileSystem: 'yes', dataDirectory: server.data, walDirectory: live.wal });
    const begun = Date.parse(facts['label']!.replace('stillpoint ', ''));
    const acknowledged = writers.acknowledged.map((times) => times.filter((time) => time < begun).length);
    expect(Math.min(...acknowledged)).toBeGreaterThan(30);

    const cluster = copyIn(await restored(backup, 'back'));
    expect(existsSync(join(cluster.data, 'backup_label'))).toBe(false);
    const copy = await examine(cluster, acknowledged);
    expect(copy.defects).toEqual([]);
    expect(copy.log).toContain('automatic recovery in progress');

    // The image lies between start and stop of the backup, so recovery begins and ends there.
    const lsn = (words: string) => new RegExp(`${words} at ([0-9A-F]+/[0-9A-F]+)`).exec(copy.log)?.[1];
    const order = [facts['startLsn'], lsn('redo starts'), lsn('redo done'), facts['stopLsn']];
    const inOrder = order.slice(1).map((position, i) => `'${order[i]}'::pg_lsn <= '${position}'::pg_lsn`);
    expect(`${order} ${await server.sql(`SELECT ${inOrder.join(' AND ')}`)}`).toBe(`${order} t`);
  });

  it('A2 without the freeze and with the tablespace read 3 s after data and WAL the same checks fail: the negative control', async () => {
    await bench.plan('data', [live.data, live.wal], {});
    await bench.plan('space', [live.space], {});
    const writers = await load();
    const acknowledged = writers.acknowledged.map((times) => times.length);
    const first = await bench.run('data');
    await pause(3000);
    const second = await bench.run('space');
    await writers.stop();
    for (const { backup } of [first, second]) expect(backup).toMatchObject({ consistency: 'crash', consistencyReason: null });
    const [early, late] = [copyIn(await restored(first.backup, 'early')), copyIn(await restored(second.backup, 'late'))];
    const { defects } = await examine({ ...early, space: late.space }, acknowledged);
    expect(defects).not.toEqual([]);
  });
});
