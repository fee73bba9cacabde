// The still point of Oracle's MySQL, end to end: one btrfs volume, writers that never stop, and a restore into a fresh server that then goes on as
// a replica of the one that it was taken from. With a table that neither rolls back nor recovers commits wait and the position is exact; without
// one they go on, and the position is the one that the restored server reports.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Backup } from '../../src/rpc/schemas.ts';
import type { SqlServer } from '../beds/mariadb.ts';
import { newerMysql, startNewerMysql } from '../beds/newer-mysql.ts';
import { freePort } from '../beds/programs.ts';
import { type SnapshotDisk, snapshotDisk } from '../beds/snapshot-disk.ts';
import { removeDisk, type StillBench, stillBench } from './still-bench.ts';

const mysql = await newerMysql();

/** A relative log-bin: its index names the files as they are given, and a copy must not read those of the original. */
const options = (data: string) => ({
  datadir: data,
  'log-bin': 'bin',
  'sync-binlog': 1,
  'gtid-mode': 'ON',
  'enforce-gtid-consistency': 'ON',
  'innodb-buffer-pool-size': '32M',
  'innodb-redo-log-capacity': '16M',
  'innodb-max-dirty-pages-pct': 0,
});

let disk: SnapshotDisk;
let dir: string;
let server: SqlServer;
let port: number;
let bench: StillBench;
let top: string;
let tables: readonly string[];

async function value(of: SqlServer, expression: string): Promise<string> {
  return String(Object.values((await of.sql(`SELECT ${expression}`))[0]!)[0]).replace(/\s/g, '');
}
const executed = (of: SqlServer) => value(of, '@@GLOBAL.gtid_executed');

/** Writers that never stop: each statement leaves its table's sum at zero, and each transaction, too. */
async function load(): Promise<{ stop(): Promise<void> }> {
  let running = true;
  const counts: number[] = [];
  const writer = async (number: number, work: (session: Connection) => Promise<unknown>) => {
    const session = await server.connect();
    for (counts[number] = 0; running; counts[number]++) await work(session);
    session.destroy();
  };
  const transaction = async (session: Connection) => {
    await session.query("BEGIN; INSERT INTO ledger.InnoDB (amount, note) VALUES (3, 'a')");
    await session.query("INSERT INTO ledger.InnoDB (amount, note) VALUES (-3, 'b'); COMMIT");
  };
  const pair = (session: Connection) =>
    session.query("INSERT INTO ledger.MyISAM (amount, note) VALUES (7, REPEAT('x', 200)), (-7, REPEAT('y', 200))");
  const works = [transaction, transaction, ...(tables.includes('MyISAM') ? [pair] : [])].map((work, number) => writer(number, work));
  await expect.poll(() => counts.length === works.length && Math.min(...counts) > 20).toBe(true);
  return {
    stop: async () => {
      running = false;
      await Promise.all(works);
    },
  };
}

/** The backup's files in a fresh server, which recovers as after a power cut and is another server than the original. */
async function restored(backup: Backup): Promise<SqlServer> {
  await bench.restore(backup, join(top, 'back'));
  const data = join(top, 'back', disk.path, 'data');
  rmSync(join(data, 'auto.cnf'));
  const own = { ...options(data), 'server-id': 2, 'skip-replica-start': true as const };
  return startNewerMysql({ dir: mkdtempSync(join(top, 'copy-')), options: own });
}

const named = () => tables.map((table) => `ledger.${table}`).join(', ');
const checkTables = async (copy: SqlServer): Promise<string[]> =>
  (await copy.sql(`CHECK TABLE ${named()}`)).map((row) => `${row['Msg_type']}: ${row['Msg_text']}`);
const sums = (copy: SqlServer): Promise<number[]> =>
  Promise.all(tables.map(async (table) => Number(await value(copy, `SUM(amount) FROM ledger.${table}`))));
const checksums = async (copy: SqlServer): Promise<string[]> =>
  (await copy.sql(`CHECKSUM TABLE ${named()}`)).map((row) => String(row['Checksum']));
const sound = () => tables.map(() => 'status: OK');

/** It goes on from `where` until it has all that the original has. */
async function follow(copy: SqlServer, where: string): Promise<void> {
  const source = `SOURCE_HOST = '127.0.0.1', SOURCE_PORT = ${port}, SOURCE_USER = 'replica', SOURCE_PASSWORD = 'bed', GET_SOURCE_PUBLIC_KEY = 1`;
  await copy.sql(`CHANGE REPLICATION SOURCE TO ${source}, ${where}; START REPLICA`);
  const reached = await value(copy, `WAIT_FOR_EXECUTED_GTID_SET('${await executed(server)}', 60)`);
  expect(reached, JSON.stringify(await copy.sql('SHOW REPLICA STATUS'))).toBe('0');
  await copy.sql('STOP REPLICA');
}

const subject = `a snapshot backup under load of MySQL ${mysql.version || `(${mysql.reason})`}`;

describe.skipIf(mysql.reason !== '')(subject, { timeout: 300_000 }, () => {
  beforeAll(async () => {
    disk = await snapshotDisk('btrfs');
    dir = mkdtempSync(join(tmpdir(), 'my9-'));
    port = await freePort();
    const network = { port, 'skip-networking': 'OFF', 'bind-address': '127.0.0.1', 'server-id': 1 };
    server = await startNewerMysql({ dir, options: { ...options(join(disk.path, 'data')), ...network } });
    await server.sql(`CREATE DATABASE ledger;
      CREATE USER replica IDENTIFIED BY 'bed'; GRANT REPLICATION SLAVE ON *.* TO replica`);
  });
  afterAll(async () => {
    await server?.kill();
    await removeDisk(disk);
    rmSync(dir, { recursive: true, force: true });
  });

  beforeEach(async () => {
    top = mkdtempSync(join(tmpdir(), 'still-mysql9-'));
    bench = await stillBench('mysql');
    // A loaded machine has statements of a second; the read lock is asked for once there is none.
    bench.set({ MYSQL_USER: 'root', MYSQL_SOCKET: server.socket, MYSQL_LONGEST_WAIT: '20' });
  });
  afterEach(async () => {
    await bench?.stop();
    rmSync(top, { recursive: true, force: true });
  });

  async function haveTables(...engines: readonly string[]): Promise<void> {
    tables = engines;
    await server.sql('DROP TABLE IF EXISTS ledger.InnoDB, ledger.MyISAM');
    for (const engine of engines)
      await server.sql(`CREATE TABLE ledger.${engine} (id INT AUTO_INCREMENT PRIMARY KEY, amount INT, note CHAR(200)) ENGINE=${engine}`);
  }

  async function backedUp(plan: string, consistency: object): Promise<Backup> {
    await bench.plan(plan, [join(disk.path, 'data')], consistency);
    const writers = await load();
    const { task, backup } = await bench.run(plan);
    await pause(300);
    await writers.stop();
    expect(task).toMatchObject({ state: 'done', problem: null, warnings: [] });
    return backup;
  }

  it('A2 S6 with a MyISAM table: sound, zero, and the recorded position and GTID are those of the restored data, to the transaction', async () => {
    await haveTables('InnoDB', 'MyISAM');
    const backup = await backedUp('db', { freeze: true });
    expect(backup).toMatchObject({ consistency: 'application', consistencyReason: null });
    const facts = (await bench.told()).facts['mysql']!;
    expect(facts).toMatchObject({ method: 'LOCK INSTANCE FOR BACKUP and FLUSH TABLES WITH READ LOCK', position: 'exact' });
    const copy = await restored(backup);
    try {
      expect(await executed(copy)).toBe(facts['gtid']);
      expect(await checkTables(copy)).toEqual(sound());
      expect(await sums(copy)).toEqual([0, 0]);

      const [file, position] = [facts['binary-log-file']!, facts['binary-log-position']!];
      // What stands there in the original's log is the first transaction that the copy does not have.
      const [next] = await server.sql(`SHOW BINLOG EVENTS IN '${file}' FROM ${position} LIMIT 1`);
      const [, uuid, last] = /^([-0-9a-f]{36}):1-(\d+)$/.exec(facts['gtid']!) ?? [];
      expect(next!['Info']).toContain(`${uuid}:${Number(last) + 1}'`);
      await follow(copy, `SOURCE_LOG_FILE = '${file}', SOURCE_LOG_POS = ${position}`);
      expect(await checksums(copy)).toEqual(await checksums(server));
    } finally {
      await copy.kill();
    }
  });

  it('A2 without the freeze the same checks fail: the negative control', async () => {
    await haveTables('InnoDB', 'MyISAM');
    const backup = await backedUp('raw', {});
    expect(backup).toMatchObject({ consistency: 'crash', consistencyReason: null });
    const copy = await restored(backup);
    try {
      expect(await checkTables(copy)).not.toEqual(sound());
    } finally {
      await copy.kill();
    }
  });

  it('A2 S6 with InnoDB only commits go on, and the restored server reports its own position, to the transaction', async () => {
    await haveTables('InnoDB');
    const backup = await backedUp('db', { freeze: true });
    expect(backup).toMatchObject({ consistency: 'application', consistencyReason: null });
    const facts = (await bench.told()).facts['mysql']!;
    expect(facts).toMatchObject({ method: 'LOCK INSTANCE FOR BACKUP', position: expect.stringContaining('that of the restored server') });
    const copy = await restored(backup);
    try {
      expect(await checkTables(copy)).toEqual(sound());
      expect(await sums(copy)).toEqual([0]);
      const own = await executed(copy);
      expect(await value(copy, `GTID_SUBSET('${facts['gtid-at-least']}', '${own}')`)).toBe('1');
      expect(await value(server, `GTID_SUBSET('${own}', @@GLOBAL.gtid_executed)`)).toBe('1');
      // A row too many would stop it at a duplicate key, a row too few would stay away.
      await follow(copy, 'SOURCE_AUTO_POSITION = 1');
      expect(await checksums(copy)).toEqual(await checksums(server));
    } finally {
      await copy.kill();
    }
  });
});
