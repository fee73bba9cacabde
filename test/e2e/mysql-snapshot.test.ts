// MariaDB by the method snapshot: the plan names the server, the agent finds its files, freezes it, images them, and a new server comes of it.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { KeptInstance } from '../../src/databases/instance.ts';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { freePort } from '../beds/programs.ts';
import { type SnapshotDisk, snapshotDisk } from '../beds/snapshot-disk.ts';
import { removeDisk, type StillBench, stillBench } from './still-bench.ts';

const password = 'freezer-password';
let top: string;
let disk: SnapshotDisk;
let server: SqlServer;
let bench: StillBench;

beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), 'my-snap-'));
  chmodSync(top, 0o755); // the new server runs as mysql
  disk = await snapshotDisk('btrfs');
  mkdirSync(join(top, 'sql'));
  const options = { datadir: join(disk.path, 'data'), 'log-bin': join(disk.path, 'logs/bin'), 'server-id': 5 };
  mkdirSync(join(disk.path, 'logs'));
  server = await startMariadb({ dir: join(top, 'sql'), options });
  await server.sql(
    `CREATE USER freezer@localhost IDENTIFIED BY '${password}'; GRANT RELOAD, PROCESS, BINLOG MONITOR, REPLICATION SLAVE ON *.* TO freezer@localhost;
     CREATE DATABASE shop; CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, amount INT);
     INSERT INTO shop.orders (amount) SELECT seq FROM shop.seq_1_to_400`,
  );
  bench = await stillBench('mysql');
  bench.set({ MYSQL_USER: 'freezer', MYSQL_PASSWORD: bench.sealed(password), MYSQL_SOCKET: server.socket });
}, 240_000);

afterAll(async () => {
  await bench?.stop();
  await server?.kill();
  await removeDisk(disk);
  rmSync(top, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

it('S6 S7 B9 is application-consistent, knows its place in the log, and becomes a server of its own at a later moment', async () => {
  const { client } = bench.agent;
  const access = { socket: server.socket, user: 'freezer', password };
  await client.call('planCreate', { body: { name: 'db', source: { kind: 'mysql', method: 'snapshot', server: access } } });
  await client.call('planCreate', { body: { name: 'log', source: { kind: 'mysql', method: 'incremental', base: 'db', server: access } } });
  const { backup } = await bench.run('db');
  expect(backup).toMatchObject({ state: 'available', source: 'mysql', method: 'snapshot', consistency: 'application' });
  expect(backup.paths.length).toBe(2); // data, and the binary log beside it

  await server.sql('INSERT INTO shop.orders (amount) SELECT seq FROM shop.seq_1_to_30');
  await bench.run('log');
  const moments = await client.call('backupMoments', { params: { id: backup.id } });
  expect(moments).toMatchObject({ from: { place: expect.stringMatching(/^bin\.\d+:\d+$/) }, logs: [{}], gap: null });

  const directory = join(top, 'copy');
  const target = { kind: 'instance' as const, directory, port: await freePort(), until: { latest: true as const } };
  const task = await bench.agent.wait(await client.call('backupRestore', { params: { id: backup.id }, body: { target } }));
  expect(task).toMatchObject({ state: 'done', problem: null });
  const { socket } = JSON.parse(readFileSync(join(directory, 'stillpoint-instance.json'), 'utf8')) as KeptInstance;
  const session = await createConnection({ socketPath: socket!, user: 'root' });
  const [rows] = await session.query('SELECT COUNT(*) AS orders FROM shop.orders');
  expect(rows).toEqual([{ orders: 430 }]);
  await session.end();
  await client.call('instanceRemove', { params: { id: directory }, query: {} });
});
