// A query that has been running for long when a freeze is asked for: MariaDB and MySQL refuse early, PostgreSQL needs no lock, and nowhere does the
// site pile up behind a lock that waits. Sessions that wait are counted all the while; the control is a plain read lock behind the same query.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { newerMysql, startNewerMysql } from '../beds/newer-mysql.ts';
import { type Postgres, startPostgres } from '../beds/postgres.ts';
import { type StillBench, stillBench } from './still-bench.ts';

const writers = 6;
const mysql = await newerMysql();
/** States of a session behind a lock of a backup or of the whole server. */
const blocked = /^waiting for .*(table flush|backup lock|global read lock|commit lock|metadata lock)/i;

let dir: string;
let bench: StillBench;
let undo: (() => unknown)[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'long-'));
  undo = [() => rmSync(dir, { recursive: true, force: true })];
});
afterEach(async () => {
  for (const one of undo.reverse()) await one();
});

/** Counts what `count` gives, again and again, until it is stopped; gives the most it was. */
function watch(count: () => Promise<number>): { stop(): Promise<{ readonly most: number; readonly looks: number }> } {
  let running = true;
  const over = (async () => {
    let most = 0;
    let looks = 0;
    for (; running; looks++, await pause(5)) most = Math.max(most, await count());
    return { most, looks };
  })();
  return {
    stop: () => {
      running = false;
      return over;
    },
  };
}

/** `write` by each writer again and again, until the end of the test. */
function load(write: (writer: number) => Promise<unknown>): { readonly writes: readonly number[] } {
  let running = true;
  const writes = Array<number>(writers).fill(0);
  const all = writes.map(async (_, writer) => {
    for (; running; writes[writer]!++) await write(writer);
  });
  undo.push(async () => {
    running = false;
    await Promise.all(all);
  });
  return { writes };
}

/** Every writer gets on by so many. */
async function goesOn(writes: readonly number[], by = 5): Promise<void> {
  const before = [...writes];
  await expect.poll(() => writes.every((count, writer) => count >= before[writer]! + by)).toBe(true);
}

const kinds = [
  { name: 'MariaDB', start: startMariadb, settings: { MYSQL_LONGEST_QUERY: '1' }, skip: false },
  // However old it may be: a table without transactions needs the read lock, which waits for every statement.
  {
    name: `MySQL ${mysql.version || `(${mysql.reason})`}`,
    start: startNewerMysql,
    settings: { MYSQL_LONGEST_QUERY: '600', MYSQL_LONGEST_WAIT: '2' },
    skip: mysql.reason !== '',
  },
];

for (const { name, start, settings, skip } of kinds)
  describe.skipIf(skip)(`${name} under load while a query runs for long`, () => {
    let server: SqlServer;
    let sessions: Connection[];
    let reader: Connection;

    beforeEach(async () => {
      server = await start({ dir });
      undo.push(() => server.stop());
      await server.sql(`CREATE DATABASE site; CREATE TABLE site.t (n INT) ENGINE=InnoDB; INSERT INTO site.t VALUES (0);
      CREATE TABLE site.plain (n INT) ENGINE=MyISAM`);
      sessions = await Promise.all(Array.from({ length: writers }, () => server.connect()));
      reader = await server.connect();
      undo.push(() => {
        for (const session of [...sessions, reader]) session.destroy();
      });
      bench = await stillBench('mysql');
      undo.push(() => bench.stop());
      bench.set({ MYSQL_USER: 'root', MYSQL_SOCKET: server.socket, ...settings });
      reader.query('SELECT SLEEP(600) FROM site.t LIMIT 1').catch(() => undefined);
      undo.push(() => kill(reader));
      const age = async () => Number((await list()).find((row) => row['Id'] === reader.threadId)?.['Time'] ?? 0);
      await expect.poll(age).toBeGreaterThan(1);
    });

    const list = () => server.sql('SHOW FULL PROCESSLIST');
    /** The server does not notice that a client is gone while its statement runs. */
    const kill = (session: Connection) => server.sql(`KILL ${session.threadId}`).catch(() => undefined);
    const piledUp = async () =>
      (await list()).filter((row) => /^insert/i.test(String(row['Info'])) && blocked.test(String(row['State']))).length;

    it('A1 the freeze is refused early, names the query, and not one writer waits behind a lock', async () => {
      const { writes } = load((writer) => sessions[writer]!.query('INSERT INTO site.t VALUES (1)'));
      await goesOn(writes);
      const watched = watch(piledUp);
      const freeze = await bench.freeze();
      await goesOn(writes);
      const { most, looks } = await watched.stop();
      expect(freeze).toMatchObject({ state: 'failed', thawed: true });
      expect(freeze.problem?.detail).toMatch(new RegExp(`connection ${reader.threadId} of root has run its query for \\d+ s`));
      expect(looks).toBeGreaterThan(20);
      expect(most).toBe(0);
      expect((await list()).filter((row) => /^(backup|flush|lock)/i.test(String(row['Info'])))).toEqual([]);
    });

    it('A1 a read lock that waits for the same query makes every writer wait: the control', async () => {
      const { writes } = load((writer) => sessions[writer]!.query('INSERT INTO site.t VALUES (1)'));
      await goesOn(writes);
      const locker = await server.connect();
      locker.query('FLUSH TABLES WITH READ LOCK').catch(() => undefined);
      // The writers wait for both.
      undo.push(async () => {
        for (const one of [locker, reader]) await kill(one);
        locker.destroy();
      });
      await expect.poll(piledUp).toBe(writers);
    });
  });

describe('PostgreSQL under load while a query and a transaction run for long', () => {
  let server: Postgres;

  const session = async () => {
    const client = new Client({
      host: server.socket,
      port: server.port,
      user: server.user,
      password: server.password,
      database: 'postgres',
    });
    await client.connect();
    client.on('error', () => undefined); // the server's end is the end of the test
    return client;
  };

  it('A1 the freeze comes about beside them, and not one writer waits behind a lock', async () => {
    server = await startPostgres({ dir });
    undo.push(() => server.stop());
    await server.sql('CREATE TABLE t (n int)');
    await server.sql('INSERT INTO t VALUES (0)');
    bench = await stillBench('postgres');
    undo.push(() => bench.stop());
    const { user, password, socket, port } = server;
    bench.set({ PG_USER: user, PG_PASSWORD: bench.sealed(password), PG_SOCKET: socket, PG_PORT: String(port) });

    const [reader, holder, watcher] = [await session(), await session(), await session()];
    reader.query('SELECT pg_sleep(600) FROM t').catch(() => undefined);
    await holder.query('BEGIN; UPDATE t SET n = 1 WHERE n = 0');
    const clients = await Promise.all(Array.from({ length: writers }, session));
    const { writes } = load((writer) => clients[writer]!.query('INSERT INTO t VALUES (1)'));
    await goesOn(writes);

    const watched = watch(async () => Number((await watcher.query('SELECT count(*) AS n FROM pg_locks WHERE NOT granted')).rows[0].n));
    const freeze = await bench.freeze();
    expect(freeze).toMatchObject({ state: 'frozen', names: ['postgres'] });
    await goesOn(writes);
    expect(await bench.thaw(freeze)).toMatchObject({ held: true, thawed: true });
    await goesOn(writes);
    const { most, looks } = await watched.stop();
    expect(looks).toBeGreaterThan(20);
    expect(most).toBe(0);
  });
});
