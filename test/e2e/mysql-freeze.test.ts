// The mysql freezer against real servers: writers wait and go on, nothing that happens to anybody leaves a server frozen, and every reason not
// to begin is told before anything is locked.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { mysqlFreezer } from '../../src/databases/mysql/freeze.ts';
import type { FreezeLimit, Quiescer } from '../../src/ports/quiescer.ts';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { newerMysql, startNewerMysql } from '../beds/newer-mysql.ts';
import { freePort } from '../beds/programs.ts';

const password = 'a secret 42';
const mysql = await newerMysql();

let server: SqlServer;
let told: string[];
let open: Quiescer[];
let sessions: Connection[];
let children: ChildProcess[];

beforeEach(() => {
  told = [];
  open = [];
  sessions = [];
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const quiescer of open) await quiescer.thaw();
  // The server does not notice that a client is gone while its statement runs.
  if (sessions.length > 0) await server.sql(sessions.map((one) => `KILL ${one.threadId}`).join(';')).catch(() => undefined);
  for (const session of sessions) session.destroy();
});

function quiescer(more: Readonly<Record<string, string>> = {}): Quiescer {
  const settings = { user: 'stillpoint', password, ...('host' in more ? {} : { socket: server.socket }), ...more };
  const made = mysqlFreezer.quiescer(settings, (line) => told.push(line));
  open.push(made);
  return made;
}

const seconds = (count: number, signal = new AbortController().signal): FreezeLimit => ({
  deadline: systemClock.boottime() + count * 1000,
  signal,
});

async function session(): Promise<Connection> {
  const made = await server.connect();
  sessions.push(made);
  return made;
}

async function refusal(work: Promise<unknown>): Promise<StillpointError> {
  const error = (await work.then(
    () => expect.unreachable('it was not refused'),
    (thrown: unknown) => thrown,
  )) as StillpointError;
  expect(error.message).not.toContain(password);
  return error;
}

const waiting = async (): Promise<number> =>
  (await server.sql('SHOW FULL PROCESSLIST')).filter(
    (row) => /^(insert|create)/i.test(String(row['Info'])) && /^waiting/i.test(String(row['State'])),
  ).length;

const ours = async (): Promise<number> => (await server.sql('SHOW PROCESSLIST')).filter((row) => row['User'] === 'stillpoint').length;

/** One write a table, begun and waiting; `done` resolves when all of them are through. */
async function waitingWrites(tables: readonly string[]): Promise<{ readonly done: Promise<unknown> }> {
  const before = await waiting();
  const writers = await Promise.all(tables.map(() => session()));
  const done = Promise.all(tables.map((table, i) => writers[i]!.query(`INSERT INTO ${table} VALUES (1)`)));
  done.catch(() => undefined);
  await expect.poll(waiting).toBe(before + tables.length);
  return { done };
}

async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const late = pause(milliseconds, 'late', { ref: false });
  expect(await Promise.race([work.then(() => 'in time'), late])).toBe('in time');
}

/** A signal stops thread after thread: some may work on for a moment. */
async function hang(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const states = () =>
    readdirSync(`/proc/${pid}/task`).map((thread) => /\) (\w)/.exec(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1'))?.[1]);
  await expect.poll(() => new Set(states())).toEqual(new Set(['T']));
}

/** Rows of each table. */
const rows = (tables: readonly string[]): Promise<number[]> =>
  Promise.all(tables.map(async (table) => Number((await server.sql(`SELECT COUNT(*) AS n FROM ${table}`))[0]!['n'])));

/** Writers that never stop, one a table; gives the rows that the server has acknowledged. */
async function load(tables: readonly string[]): Promise<{ readonly written: readonly number[]; readonly ended: Promise<unknown> }> {
  const written = await rows(tables);
  const start = [...written];
  const writers = tables.map(async (table, i) => {
    const writer = await session();
    for (;;) {
      await writer.query(`INSERT INTO ${table} VALUES (1)`);
      written[i]!++;
    }
  });
  const ended = Promise.allSettled(writers);
  await expect.poll(() => written.every((n, i) => n > start[i]! + 50)).toBe(true);
  return { written, ended };
}

/** A process of its own that freezes and then does nothing at all; resolves when it is frozen. */
async function freezingProcess(limit: number): Promise<ChildProcess> {
  const home = join(import.meta.dirname, '../../src');
  const settings = { user: 'root', socket: server.socket };
  const program = `
    import { mysqlFreezer } from '${home}/databases/mysql/freeze.ts';
    import { systemClock } from '${home}/base/system-clock.ts';
    const quiescer = mysqlFreezer.quiescer(${JSON.stringify(settings)}, () => undefined);
    await quiescer.freeze({ deadline: systemClock.boottime() + ${limit} * 1000, signal: new AbortController().signal });
    console.log('frozen');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = await once(createInterface(child.stdout!), 'line');
  expect(line).toBe('frozen');
  return child;
}

describe('MariaDB 10.11', () => {
  const tables = ['t.innodb', 't.myisam', 't.aria', 't.plain_aria', 't.csv'];
  let dir: string;
  const small = { 'innodb-log-file-size': '8M' };
  let port: number;
  const up = async () => {
    server = await startMariadb({ dir, options: { 'log-bin': 'bin', 'sync-binlog': 1, port, ...small } });
  };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mysql-freeze-'));
    port = await freePort();
    await up();
    await server.sql(`
      CREATE DATABASE t;
      CREATE TABLE t.innodb (n INT) ENGINE=InnoDB; CREATE TABLE t.myisam (n INT) ENGINE=MyISAM; CREATE TABLE t.csv (n INT NOT NULL) ENGINE=CSV;
      CREATE TABLE t.aria (n INT) ENGINE=Aria; CREATE TABLE t.plain_aria (n INT) ENGINE=Aria TRANSACTIONAL=0;
      CREATE USER stillpoint IDENTIFIED BY '${password}'; GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO stillpoint;
      CREATE USER weak IDENTIFIED BY '${password}'; GRANT SELECT, PROCESS ON *.* TO weak`);
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  /** What locks against writes to tables without transactions have to wait for. */
  async function longWrite(): Promise<Connection> {
    const writer = await session();
    writer.query('INSERT INTO t.myisam SELECT SLEEP(600)').catch(() => undefined);
    await expect.poll(async () => (await server.sql('SHOW PROCESSLIST')).some((row) => row['State'] === 'User sleep')).toBe(true);
    return writer;
  }

  it('A1 writers of every engine wait while it is frozen and go on within 5 s of the thaw', async () => {
    const before = await rows(tables);
    const one = quiescer();
    await one.freeze(seconds(60));
    const { done } = await waitingWrites(tables);
    await one.held();
    expect(await one.thaw()).toEqual({});
    await within(5000, done);
    expect(await rows(tables)).toEqual(before.map((n) => n + 1));
    expect(await ours()).toBe(0);
    expect(await one.thaw()).toEqual({});
  });

  // SIGKILL leaves exactly what is in the files at one moment, as an atomic snapshot does.
  it.each([1, 0])('S6 what was written before is in the files, what waits is not (innodb_flush_log_at_trx_commit=%i)', async (value) => {
    await server.sql(`SET GLOBAL innodb_flush_log_at_trx_commit = ${value}`);
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
    await up();
    expect(await rows(tables)).toEqual(frozen);
    for (const table of tables) expect((await server.sql(`CHECK TABLE ${table}`)).at(-1)).toMatchObject({ Msg_text: 'OK' });
  });

  it('S6 the position it gives is that of the binary log, from the freeze to the thaw', async () => {
    const one = quiescer();
    await server.sql('INSERT INTO t.innodb VALUES (7)');
    const facts = await one.freeze(seconds(60));
    await waitingWrites(tables);
    const [status] = await server.sql('SHOW MASTER STATUS');
    const [gtid] = await server.sql('SELECT @@GLOBAL.gtid_binlog_pos AS pos');
    expect(facts).toEqual({
      server: expect.stringMatching(/^MariaDB 10\.11\./),
      method: 'BACKUP STAGE BLOCK_COMMIT',
      connection: expect.stringMatching(/^\d+$/),
      position: 'exact',
      'binary-log-file': status!['File'],
      'binary-log-position': String(status!['Position']),
      gtid: gtid!['pos'],
    });
    expect(told.join('\n')).not.toMatch(/sync_binlog/);
  });

  it('S6 a binary log that is not synced is told', async () => {
    await server.sql('SET GLOBAL sync_binlog = 0');
    const facts = await quiescer().freeze(seconds(60));
    await server.sql('SET GLOBAL sync_binlog = 1');
    expect(facts['warning']).toMatch(/^sync_binlog is 0/);
    expect(told.join('\n')).toMatch(/sync_binlog is 0/);
  });

  it('A3 SIGKILL of the freezing process thaws at once', async () => {
    const child = await freezingProcess(600);
    const { done } = await waitingWrites(tables);
    child.kill('SIGKILL');
    await within(5000, done);
  });

  it('A3 the server lets go by itself when the freezing process hangs beyond the limit', async () => {
    const child = await freezingProcess(4);
    const { done } = await waitingWrites(tables);
    child.kill('SIGSTOP');
    await within(4000 + 5000, done);
  });

  it('A2 a holder killed from outside is a lost freeze', async () => {
    const one = quiescer();
    const { connection } = await one.freeze(seconds(60));
    await one.held();
    await server.sql(`KILL ${connection}`);
    await expect.poll(ours).toBe(1);
    const error = await refusal(one.held());
    expect(error).toMatchObject({ code: 'FREEZE_LOST', message: expect.stringContaining(`connection ${connection}, which held it`) });
    await one.thaw();
    expect(told.join('\n')).toContain(`connection ${connection}, which held the freeze, had ended`);
    await one.freeze(seconds(60));
    await one.held();
  });

  it('A2 a watcher killed from outside proves nothing any more, and the thaw works all the same', async () => {
    const one = quiescer();
    const { connection } = await one.freeze(seconds(60));
    const watcher = (await server.sql('SHOW PROCESSLIST')).find((row) => row['User'] === 'stillpoint' && String(row['Id']) !== connection);
    await server.sql(`KILL ${watcher!['Id']}`);
    await expect.poll(ours).toBe(1);
    expect((await refusal(one.held())).code).toBe('FREEZE_LOST');
    await one.thaw();
    await expect.poll(ours).toBe(0);
    await server.sql('INSERT INTO t.innodb VALUES (1)');
  });

  it('A2 a deadline that has passed by 100 ms is a lost freeze', async () => {
    const one = quiescer();
    const limit = seconds(2);
    await one.freeze(limit);
    await pause(limit.deadline + 100 - systemClock.boottime());
    expect((await refusal(one.held())).code).toBe('FREEZE_LOST');
  });

  it('A3 a server that died while frozen is thawed; before, it is a lost freeze', async () => {
    const one = quiescer();
    await one.freeze(seconds(60));
    await server.kill();
    expect((await refusal(one.held())).code).toBe('FREEZE_LOST');
    await one.thaw();
    await up();
    await one.freeze(seconds(60));
    await one.held();
  });

  it('A3 a thaw of a server that hangs fails, and works when it is tried again', async () => {
    const one = quiescer();
    await one.freeze(seconds(60));
    await hang(server.pid);
    try {
      expect((await refusal(one.thaw())).code).toBe('FREEZE_THAW_FAILED');
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
    await one.thaw();
    await server.sql('INSERT INTO t.innodb VALUES (1)');
    expect(await ours()).toBe(0);
  });

  it('A1 a long statement refuses the freeze early, says whose it is, and nobody waits for us', async () => {
    const long = await session();
    long.query(`SELECT SLEEP(600), 'personal data'`).catch(() => undefined);
    const age = async () =>
      Math.max(...(await server.sql('SHOW PROCESSLIST')).filter((row) => row['Command'] === 'Query').map((row) => Number(row['Time'])));
    await expect.poll(age).toBeGreaterThan(1);
    const frozen = refusal(quiescer({ 'longest-query': '1' }).freeze(seconds(60)));
    for (const table of tables) await within(5000, server.sql(`INSERT INTO ${table} VALUES (1)`));
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
    await within(5000, server.sql('INSERT INTO t.aria VALUES (1)'));
    await within(5000, server.sql('INSERT INTO t.plain_aria VALUES (1)'));
    const error = await frozen;
    expect(error.code).toBe('DATABASE_BUSY');
    expect(error.message).toMatch(new RegExp(`not granted within 1 s; the oldest statement is connection ${writer.threadId} of root`));
    await within(5000, server.sql('INSERT INTO t.plain_aria VALUES (1)'));
    expect(await ours()).toBe(0);
  });

  it('A3 a freeze that is called off while it waits is killed at the server by its connection id', async () => {
    await longWrite();
    const stop = new AbortController();
    const frozen = refusal(quiescer({ 'longest-wait': '60' }).freeze(seconds(600, stop.signal)));
    await expect
      .poll(async () => (await server.sql('SHOW FULL PROCESSLIST')).filter((row) => row['Info'] === 'BACKUP STAGE BLOCK_DDL').length)
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
    const down = await refusal(quiescer({ socket: join(dir, 'nobody') }).freeze(seconds(60)));
    expect(down).toMatchObject({ code: 'DATABASE_DOWN', message: expect.stringContaining(join(dir, 'nobody')) });
    const right = await refusal(quiescer({ user: 'weak' }).freeze(seconds(60)));
    expect(right).toMatchObject({
      code: 'DATABASE_RIGHT',
      message: expect.stringMatching(
        /^weak may not lock tables for a backup \(RELOAD\) and read the position of the binary log \(BINLOG MONITOR\)/,
      ),
    });
    await hang(server.pid);
    try {
      expect((await refusal(quiescer().freeze(seconds(1)))).code).toBe('DATABASE_DOWN');
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
    expect(told.join('\n')).not.toContain(password);
  });

  it('A1 it freezes over TCP, and over the socket without any password where the server knows root by it', async () => {
    const tcp = quiescer({ host: '127.0.0.1', port: String(port) });
    await tcp.freeze(seconds(60));
    await tcp.held();
    await tcp.thaw();
    await server.sql('ALTER USER root@localhost IDENTIFIED VIA unix_socket');
    expect((await refusal(quiescer({ user: 'root', host: '127.0.0.1', port: String(port) }).freeze(seconds(60)))).code).toBe(
      'DATABASE_LOGIN',
    );
    const plain = quiescer({ user: 'root', password: '' });
    await plain.freeze(seconds(60));
    await plain.held();
  });

  it('A1 it sees without a login whether a server is there', async () => {
    expect(await mysqlFreezer.present({ socket: server.socket })).toBe(true);
    expect(await mysqlFreezer.present({ host: '127.0.0.1', port: String(port) })).toBe(true);
    expect(await mysqlFreezer.present({ socket: join(dir, 'nobody') })).toBe(false);
    expect(await mysqlFreezer.present({ host: '127.0.0.1', port: String(await freePort()) })).toBe(false);
    expect(await mysqlFreezer.present({})).toBe(true);
  });
});

describe.skipIf(mysql.reason !== '')(`MySQL ${mysql.version || `(${mysql.reason})`}`, () => {
  let dir: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mysql-freeze-'));
    server = await startNewerMysql({ dir });
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
