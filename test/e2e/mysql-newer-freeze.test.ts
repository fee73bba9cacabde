// The mysql freezer against a real Oracle MySQL of now, where it can be had.
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SqlServer } from '../beds/mariadb.ts';
import { newerMysql, startNewerMysql } from '../beds/newer-mysql.ts';
import { password, seconds, sqlBench, within } from '../beds/sql-bench.ts';

const mysql = await newerMysql();

describe.skipIf(mysql.reason !== '')(`MySQL ${mysql.version || `(${mysql.reason})`}`, () => {
  let dir: string;
  let server: SqlServer;
  const { quiescer, session, refusal, waiting, ours, waitingWrites, rows, load, freezingProcess } = sqlBench(() => server);

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mysql-freeze-'));
    for (const name of ['tables', 'spaces']) mkdirSync(join(dir, name));
    const elsewhere = `${join(realpathSync(dir), 'tables')};${join(realpathSync(dir), 'spaces')}`;
    server = await startNewerMysql({ dir, options: { 'innodb-directories': elsewhere } });
    await server.sql(`
      CREATE DATABASE t; CREATE TABLE t.innodb (n INT) ENGINE=InnoDB;
      CREATE USER stillpoint IDENTIFIED BY '${password}'; GRANT BACKUP_ADMIN, PROCESS, SELECT ON *.* TO stillpoint;
      CREATE USER weak IDENTIFIED BY '${password}'; GRANT SELECT ON *.* TO weak`);
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('S6 where all tables are transactional commits go on, files do not change, and no exact position is claimed', async () => {
    const one = quiescer();
    const facts = await one.freeze(seconds(60));
    expect(facts).toMatchObject({ method: 'LOCK INSTANCE FOR BACKUP', position: expect.stringContaining('that of the restored server') });
    expect(facts).not.toHaveProperty('binary-log-position');
    await within(5000, server.sql('INSERT INTO t.innodb VALUES (1)'));
    const maker = await session();
    const made = maker.query('CREATE TABLE t.later (n INT)');
    await expect.poll(waiting).toBe(1);
    await one.held();
    await one.thaw();
    await within(5000, made);
    expect(await ours()).toBe(0);
  });

  it('A2 tablespaces that lie elsewhere are told', async () => {
    const home = realpathSync(dir);
    const placesOf = async () => {
      const one = quiescer();
      const facts = await one.freeze(seconds(60));
      await one.thaw();
      return JSON.parse(facts['files/mysql']!);
    };
    const own = { holds: 'its data', path: join(home, 'data') };
    expect(await placesOf()).toEqual([own]);
    await server.sql(`
      CREATE TABLE t.far (n INT) DATA DIRECTORY='${join(home, 'tables')}';
      CREATE TABLESPACE space ADD DATAFILE '${join(home, 'spaces/space.ibd')}'`);
    const places = await placesOf();
    expect(places).toHaveLength(3);
    for (const path of [join(home, 'tables/t'), join(home, 'spaces')]) expect(places).toContainEqual({ holds: 'a tablespace', path });
    await server.sql('DROP TABLE t.far; DROP TABLESPACE space');
  });

  it('A1 a table without transactions asks for the read lock and its right: then all writers wait and the position is exact', async () => {
    await server.sql('CREATE TABLE t.myisam (n INT) ENGINE=MyISAM');
    const refused = await refusal(quiescer().freeze(seconds(60)));
    expect(refused).toMatchObject({ code: 'DATABASE_RIGHT', message: expect.stringContaining('(RELOAD)') });
    await server.sql('GRANT RELOAD ON *.* TO stillpoint');
    const one = quiescer();
    const facts = await one.freeze(seconds(60));
    const { done } = await waitingWrites(['t.innodb', 't.myisam']);
    const [status] = await server.sql('SHOW BINARY LOG STATUS');
    expect(facts).toMatchObject({
      method: 'LOCK INSTANCE FOR BACKUP and FLUSH TABLES WITH READ LOCK',
      position: 'exact',
      'binary-log-file': status!['File'],
      'binary-log-position': String(status!['Position']),
      gtid: String(status!['Executed_Gtid_Set']).replace(/\s/g, ''),
    });
    await one.held();
    await one.thaw();
    await within(5000, done);
  });

  it('A1 the read lock is not even asked for while a statement runs that it would wait for', async () => {
    await server.sql('INSERT INTO t.innodb VALUES (1)');
    const long = await session();
    long.query('SELECT SLEEP(600) FROM t.innodb LIMIT 1').catch(() => undefined);
    const age = async () =>
      Math.max(...(await server.sql('SHOW PROCESSLIST')).map((row) => (row['State'] === 'User sleep' ? Number(row['Time']) : 0)));
    await expect.poll(age).toBeGreaterThan(0);
    const error = await refusal(quiescer({ 'longest-query': '600', 'longest-wait': '2' }).freeze(seconds(60)));
    expect(error.code).toBe('DATABASE_BUSY');
    expect(error.message).toMatch(new RegExp(`connection ${long.threadId} of root has run its query for \\d+ s`));
    await within(5000, server.sql('INSERT INTO t.innodb VALUES (1)'));
  });

  it('A2 a holder killed from outside is a lost freeze', async () => {
    const one = quiescer();
    const { connection } = await one.freeze(seconds(60));
    await server.sql(`KILL ${connection}`);
    await expect.poll(ours).toBe(1);
    expect((await refusal(one.held())).code).toBe('FREEZE_LOST');
  });

  it('A3 a freeze that is called off while it waits is killed at the server by its connection id', async () => {
    const holder = await session();
    await holder.query('LOCK TABLES t.myisam WRITE');
    const stop = new AbortController();
    const frozen = refusal(quiescer({ 'longest-wait': '60' }).freeze(seconds(600, stop.signal)));
    const asks = async () =>
      (await server.sql('SHOW FULL PROCESSLIST')).filter((row) => row['Info'] === 'FLUSH TABLES WITH READ LOCK').length;
    await expect.poll(asks).toBe(1);
    stop.abort();
    expect((await frozen).code).toBe('FREEZE_FAILED');
    expect(await ours()).toBe(0);
    await within(5000, server.sql('INSERT INTO t.innodb VALUES (1)'));
  });

  it('A3 SIGKILL of the freezing process thaws at once, and a process that hangs is outlived by the limit', async () => {
    const killed = await freezingProcess(600);
    const first = await waitingWrites(['t.innodb', 't.myisam']);
    killed.kill('SIGKILL');
    await within(5000, first.done);
    const hung = await freezingProcess(4);
    const second = await waitingWrites(['t.innodb', 't.myisam']);
    hung.kill('SIGSTOP');
    await within(4000 + 5000, second.done);
  });

  it('A1 a second freeze, a wrong password and a missing right are refused', async () => {
    const one = quiescer();
    await one.freeze(seconds(60));
    expect((await refusal(quiescer().freeze(seconds(60)))).message).toContain('it is frozen already');
    await one.held();
    expect((await refusal(quiescer({ password: 'another secret' }).freeze(seconds(60)))).code).toBe('DATABASE_LOGIN');
    const weak = await refusal(quiescer({ user: 'weak' }).freeze(seconds(60)));
    expect(weak).toMatchObject({ code: 'DATABASE_RIGHT', message: expect.stringContaining('(BACKUP_ADMIN)') });
  });

  it('S6 where all writers wait, what was written before is in the files (innodb_flush_log_at_trx_commit=0)', async () => {
    await server.sql('SET GLOBAL innodb_flush_log_at_trx_commit = 0');
    const tables = ['t.innodb', 't.myisam'];
    const { written, ended } = await load(tables);
    const one = quiescer();
    await one.freeze(seconds(60));
    await expect.poll(waiting).toBe(tables.length);
    await one.held();
    const frozen = [...written];
    await server.kill();
    await ended;
    await one.thaw();
    expect(written).toEqual(frozen);
    server = await startNewerMysql({ dir });
    expect(await rows(tables)).toEqual(frozen);
  });
});
