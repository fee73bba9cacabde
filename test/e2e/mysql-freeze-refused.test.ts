// The mysql freezer against a real MariaDB: every reason not to begin is told, and nobody waits for what was not begun.
import { join } from 'node:path';
import type { Connection } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import { mysqlFreezer } from '../../src/databases/mysql/freeze.ts';
import { mariaBench, tables } from '../beds/maria-bench.ts';
import { freePort } from '../beds/programs.ts';
import { hang, password, seconds, within } from '../beds/sql-bench.ts';

describe('MariaDB 10.11, not frozen', () => {
  const { told, quiescer, session, refusal, ours, waitingWrites, server, sql, port, dir } = mariaBench();

  /** What locks against writes to tables without transactions have to wait for. */
  async function longWrite(): Promise<Connection> {
    const writer = await session();
    writer.query('INSERT INTO t.myisam SELECT SLEEP(600)').catch(() => undefined);
    await expect.poll(async () => (await sql('SHOW PROCESSLIST')).some((row) => row['State'] === 'User sleep')).toBe(true);
    return writer;
  }

  it('A1 a long statement refuses the freeze early, says whose it is, and nobody waits for us', async () => {
    const long = await session();
    long.query(`SELECT SLEEP(600), 'personal data'`).catch(() => undefined);
    const age = async () =>
      Math.max(...(await sql('SHOW PROCESSLIST')).filter((row) => row['Command'] === 'Query').map((row) => Number(row['Time'])));
    await expect.poll(age).toBeGreaterThan(1);
    const frozen = refusal(quiescer({ 'longest-query': '1' }).freeze(seconds(60)));
    for (const table of tables) await within(5000, sql(`INSERT INTO ${table} VALUES (1)`));
    const error = await frozen;
    expect(error.code).toBe('DATABASE_BUSY');
    expect(error.message).toMatch(new RegExp(`connection ${long.threadId} of root has run its query for \\d+ s$`));
    expect(await ours()).toBe(0);
  });

  it('A1 sessions that wait for a lock already refuse the freeze', async () => {
    const holder = await session();
    await holder.query('LOCK TABLES t.innodb WRITE');
    const { done } = await waitingWrites(['t.innodb']);
    const error = await refusal(quiescer().freeze(seconds(60)));
    expect(error).toMatchObject({
      code: 'DATABASE_BUSY',
      message: expect.stringMatching(/waits for a lock \(Waiting for table metadata lock\)/),
    });
    await holder.query('UNLOCK TABLES');
    await done;
  });

  it('A1 a lock that is not granted in time is given up: who waited behind it goes on at once', async () => {
    const writer = await longWrite();
    const frozen = refusal(quiescer({ 'longest-wait': '1', 'longest-query': '600' }).freeze(seconds(60)));
    await within(5000, sql('INSERT INTO t.aria VALUES (1)'));
    await within(5000, sql('INSERT INTO t.plain_aria VALUES (1)'));
    const error = await frozen;
    expect(error.code).toBe('DATABASE_BUSY');
    expect(error.message).toMatch(new RegExp(`not granted within 1 s; the oldest statement is connection ${writer.threadId} of root`));
    await within(5000, sql('INSERT INTO t.plain_aria VALUES (1)'));
    expect(await ours()).toBe(0);
  });

  it('A3 a freeze that is called off while it waits is killed at the server by its connection id', async () => {
    await longWrite();
    const stop = new AbortController();
    const frozen = refusal(quiescer({ 'longest-wait': '60' }).freeze(seconds(600, stop.signal)));
    await expect
      .poll(async () => (await sql('SHOW FULL PROCESSLIST')).filter((row) => row['Info'] === 'BACKUP STAGE BLOCK_DDL').length)
      .toBe(1);
    const { done } = await waitingWrites(['t.plain_aria']);
    stop.abort();
    expect((await frozen).code).toBe('FREEZE_FAILED');
    await within(5000, done);
    expect(await ours()).toBe(0);
  });

  it('A1 a second freeze is refused and leaves the first as it is', async () => {
    const first = quiescer();
    const { connection } = await first.freeze(seconds(60));
    const error = await refusal(quiescer().freeze(seconds(60)));
    expect(error).toMatchObject({ code: 'DATABASE_BUSY', message: expect.stringContaining(`frozen already, by connection ${connection}`) });
    expect((await refusal(first.freeze(seconds(60)))).code).toBe('FREEZE_FAILED');
    await first.held();
  });

  it('A1 a backup of another program refuses the freeze', async () => {
    const other = await session();
    await other.query('BACKUP STAGE START');
    const error = await refusal(quiescer({ 'longest-wait': '1' }).freeze(seconds(60)));
    expect(error).toMatchObject({ code: 'DATABASE_BUSY', message: expect.stringContaining('BACKUP STAGE START was not granted') });
  });

  it('A1 a wrong password, a server that is down or hangs, and a missing right are told apart', async () => {
    const login = await refusal(quiescer({ password: 'another secret' }).freeze(seconds(60)));
    expect(login).toMatchObject({ code: 'DATABASE_LOGIN', message: expect.stringContaining('stillpoint') });
    expect(login.message).not.toContain('another secret');
    const down = await refusal(quiescer({ socket: join(dir(), 'nobody') }).freeze(seconds(60)));
    expect(down).toMatchObject({ code: 'DATABASE_DOWN', message: expect.stringContaining(join(dir(), 'nobody')) });
    const right = await refusal(quiescer({ user: 'weak' }).freeze(seconds(60)));
    expect(right).toMatchObject({
      code: 'DATABASE_RIGHT',
      message: expect.stringMatching(
        /^weak may not lock tables for a backup \(RELOAD\) and read the position of the binary log \(BINLOG MONITOR\)/,
      ),
    });
    await hang(server().pid);
    try {
      expect((await refusal(quiescer().freeze(seconds(60)))).code).toBe('DATABASE_DOWN');
      // The end of our own limit says nothing of the server.
      expect(await refusal(quiescer().freeze(seconds(1)))).toMatchObject({
        code: 'FREEZE_EXPIRED',
        message: 'the freeze ran into its limit of 1 s and was thawed',
      });
    } finally {
      process.kill(server().pid, 'SIGCONT');
    }
    expect(told.join('\n')).not.toContain(password);
  });

  it('A3 a limit that ends while a lock is waited for is told as that, and the lock is given up at the server', async () => {
    const writer = await longWrite();
    const error = await refusal(quiescer({ 'longest-wait': '60', 'longest-query': '600' }).freeze(seconds(3)));
    expect(error.code).toBe('FREEZE_EXPIRED');
    await within(5000, sql('INSERT INTO t.plain_aria VALUES (1)'));
    expect(await ours()).toBe(0);
    writer.destroy();
  });

  it('A1 it sees without a login whether a server is there', async () => {
    expect(await mysqlFreezer.present({ socket: server().socket })).toBe(true);
    expect(await mysqlFreezer.present({ host: '127.0.0.1', port: String(port()) })).toBe(true);
    expect(await mysqlFreezer.present({ socket: join(dir(), 'nobody') })).toBe(false);
    expect(await mysqlFreezer.present({ host: '127.0.0.1', port: String(await freePort()) })).toBe(false);
    expect(await mysqlFreezer.present({})).toBe(true);
  });
});
