// Back to a moment: what a server held then is what another one holds that was made from an older copy and the backed-up binary log.
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LogMark, Until } from '../../src/model/service.ts';
import type { RecordInfo } from '../../src/model/task.ts';
import { type LogBed, logBed, logServer, markOf, stateOf } from '../beds/binlog.ts';
import type { SqlServer } from '../beds/mariadb.ts';
import { run } from '../beds/programs.ts';
import { full } from '../beds/task-runner.ts';

/** A moment that was recorded: how it is named, and what there was. */
interface Moment {
  readonly mark: LogMark;
  readonly until: Until;
  readonly state: string;
}

const wanted = full ? 20 : 6;

describe('S7 point in time recovery of MariaDB', () => {
  let bed: LogBed;
  let server: SqlServer;
  let base: LogMark;
  /** The data folder as it was at `base`. */
  let copy: string;
  const servers: SqlServer[] = [];
  const logs: RecordInfo[] = [];
  const moments: Moment[] = [];
  /** A table was dropped by mistake: in the very second of its last change, and another one later. */
  let beforeDrop: Omit<Moment, 'until'>;
  let beforeLaterDrop: { readonly time: number; readonly state: string };
  const up = async (id = 1) => {
    server = await logServer(join(bed.dir, 'server'), id, { port });
    servers.push(server);
  };
  let port: number;

  beforeAll(async () => {
    bed = await logBed();
    server = await logServer(join(bed.dir, 'server'), 1);
    servers.push(server);
    port = Number((await server.sql('SELECT @@port AS port'))[0]!['port']);
    await server.sql(`
      CREATE DATABASE t; CREATE TABLE t.account (id INT PRIMARY KEY, amount INT, note VARBINARY(300)); CREATE TABLE t.entry (id INT AUTO_INCREMENT PRIMARY KEY, data LONGBLOB);
      INSERT INTO t.account SELECT seq, 0, '' FROM t.seq_1_to_200`);
    base = await markOf(server);
    await server.stop();
    copy = join(bed.dir, 'copy');
    cpSync(join(bed.dir, 'server/data'), copy, { recursive: true });
    await up();
    await history();
  }, 600_000);
  afterAll(async () => {
    for (const one of servers) await one.kill();
    bed.remove();
  });

  /** Writers that never stop but at moments that are recorded; in between DDL, rotation, restarts and backups of the log. */
  async function history(): Promise<void> {
    let since = base;
    const save = async () => {
      const record = await bed.backup({ socket: server.socket }, since);
      since = record.tags.logUntil!;
      logs.push(record);
    };
    await oddities();
    for (let n = 0; n < wanted; n++) {
      const load = startLoad(server);
      await pause(150 + Math.random() * 250);
      if (n % 3 === 2) {
        await load.stop();
        moments.push(await byTime());
      } else moments.push(await held(n % 3 === 0));
      await load.stop();
      if (n % 2 === 0)
        await server.sql(
          `FLUSH BINARY LOGS; CREATE TABLE t.extra${n} (n INT, b BINARY(3)); INSERT INTO t.extra${n} VALUES (${n}, X'00FF00')`,
        );
      if (n % 4 === 1) await save();
      if (n % 4 === 2) {
        await server.stop();
        await up();
      }
      if (n % 4 === 3) await server.sql(`ALTER TABLE t.entry ADD COLUMN c${n} INT DEFAULT ${n}; DROP TABLE t.extra${n - 1}`);
    }
    await server.sql('CREATE TABLE t.precious (n INT); INSERT INTO t.precious VALUES (1), (2), (3)');
    beforeDrop = { mark: await markOf(server), state: await stateOf(server) };
    await server.sql('DROP TABLE t.precious; CREATE TABLE t.dear (n INT); INSERT INTO t.dear VALUES (4)');
    const later = await byTime();
    beforeLaterDrop = { time: later.mark.at, state: later.state };
    await server.sql('DROP TABLE t.dear');
    await pause(1100);
    await save();
  }

  /** Under the load, all commits held for a moment: named by the last transaction, or by its place. */
  async function held(byGtid: boolean): Promise<Moment> {
    const holder = await server.connect();
    await holder.query('FLUSH TABLES WITH READ LOCK');
    const [mark, state] = [await markOf(server), await stateOf(server)];
    holder.destroy();
    return { mark, state, until: byGtid ? { gtid: newest(mark) } : { place: mark.place } };
  }

  /** Of two domains; the other one has a single transaction, which came before. */
  const newest = ({ gtid }: LogMark): string => gtid!.split(',').find((one) => one.startsWith('0-'))!;

  /** What logs hold besides: temporary tables over two files, files that were loaded, variables, XA, compressed events, another domain. */
  async function oddities(): Promise<void> {
    const file = join(bed.dir, 'server/lines');
    writeFileSync(file, 'one\ntwo\\\0three\n');
    const session = await server.connect();
    const entry = (value: string) => `INSERT INTO t.entry (data) VALUES (${value})`;
    const fromTemporary = 'INSERT INTO t.entry (data) SELECT id FROM t.passing ORDER BY id';
    const work = [
      "SET binlog_format = STATEMENT, @odd = X'0027005C0AFF'",
      'CREATE TEMPORARY TABLE t.passing AS SELECT id FROM t.account WHERE id < 20',
      fromTemporary,
      'FLUSH BINARY LOGS',
      `${fromTemporary}; DROP TEMPORARY TABLE t.passing`,
      `${entry('@odd')}; ${entry('RAND()')}; ${entry('NOW(6)')}; ${entry("X'00270A5C'")}`,
      `LOAD DATA INFILE '${file}' INTO TABLE t.entry (data)`,
      `SET binlog_format = ROW; XA START 'x'; ${entry("'xa'")}; XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'`,
      `SET GLOBAL log_bin_compress = ON; ${entry("REPEAT('compressed ', 5000)")}; ${entry("REPEAT(X'00FF', 4000000)")}; SET GLOBAL log_bin_compress = OFF`,
      `CREATE TRIGGER t.twice AFTER INSERT ON t.account FOR EACH ROW INSERT INTO t.entry (data) VALUES ('trigger; END //')`,
      `SET gtid_domain_id = 3; ${entry("'another domain'")}; SET gtid_domain_id = 0`,
      'FLUSH BINARY LOGS',
    ];
    for (const statements of work) await session.query(statements);
    session.destroy();
  }

  /** Between two seconds. */
  async function byTime(): Promise<Moment> {
    const [mark, state] = [await markOf(server), await stateOf(server)];
    await pause(1050);
    return { mark, state, until: { time: mark.at } };
  }

  it('S7 each recorded moment comes back, one after the other, by transaction, place and time', async () => {
    const instance = await bed.restored('forward', copy, 7);
    servers.push(instance);
    let from = base;
    for (const { mark, until, state } of moments) {
      await bed.apply(instance, from, logs, until);
      expect(await stateOf(instance), JSON.stringify(until)).toBe(state);
      from = mark;
    }
    await bed.apply(instance, from, logs);
    expect(await stateOf(instance)).toBe(await stateOf(server));
    await instance.stop();
  }, 600_000);

  it('S7 one of several commits in a second comes back from the start alone; one transaction less is seen', async () => {
    const moment = moments[0]!;
    const [file] = moment.mark.place.split(':') as [string];
    expect(await commitsOf(file, newest(moment.mark))).toBeGreaterThan(1);
    const instance = await bed.restored('scratch', copy, 8);
    servers.push(instance);
    await bed.apply(instance, base, logs, moment.until);
    expect(await stateOf(instance)).toBe(moment.state);
    await instance.stop();
    // The negative control: all but one transaction, which nothing later makes good again.
    const [start, end] = await insertOf(file);
    const off = await bed.restored('off', copy, 8);
    servers.push(off);
    await bed.apply(off, base, logs, { place: `${file}:${start}` });
    await bed.apply(off, { ...base, place: `${file}:${end}` }, logs, moment.until);
    expect(await stateOf(off)).not.toBe(moment.state);
    await off.stop();
  }, 600_000);

  /** Where the first transaction that inserts begins and ends. */
  async function insertOf(file: string): Promise<[unknown, unknown]> {
    const events = await server.sql(`SHOW BINLOG EVENTS IN '${file}' LIMIT 400`);
    const insert = events.findIndex((row) => /t\.entry/.test(String(row['Info'])));
    const isGtid = (row: Readonly<Record<string, unknown>>) => row['Event_type'] === 'Gtid';
    return [events.slice(0, insert).findLast(isGtid)!['Pos'], events.slice(insert).find(isGtid)!['Pos']];
  }

  /** How many transactions have the second of this one. */
  async function commitsOf(file: string, gtid: string): Promise<number> {
    const text = await run('mariadb-binlog', ['--no-defaults', join(bed.dir, 'server/data', file)], { timeout: 60_000 });
    const seconds = [...text.matchAll(/^#(\d{6} +[\d:]+) server id.*\tGTID (\S+)/gm)];
    const second = seconds.find(([, , one]) => one === gtid)![1];
    return seconds.filter(([, one]) => one === second).length;
  }

  it('S7 a table that was dropped by mistake comes back by place, by transaction and by time', async () => {
    const { mark, state } = beforeDrop;
    const ways: [Until, string][] = [
      [{ place: mark.place }, state],
      [{ gtid: newest(mark) }, state],
      [{ time: beforeLaterDrop.time }, beforeLaterDrop.state],
    ];
    for (const [until, expected] of ways) {
      const instance = await bed.restored('undo', copy, 9);
      servers.push(instance);
      await bed.apply(instance, base, logs, until);
      expect(await stateOf(instance), JSON.stringify(until)).toBe(expected);
      expect(expected).toMatch(/t\.(precious|dear)=/);
      await instance.stop();
    }
  }, 600_000);

  it('S7 a moment that cannot be reached is refused before anything is applied, and an error of the server names its place', async () => {
    const instance = await bed.restored('refused', copy, 10);
    servers.push(instance);
    const before = await stateOf(instance);
    const end = logs.at(-1)!.tags.logUntil!;
    const middle = moments[0]!.mark;
    const refused = (until: Until | undefined, logsOf = logs) =>
      bed.apply(instance, base, logsOf, until).then(
        () => expect.fail(`${JSON.stringify(until)} was reached`),
        (error) => `${error.code}: ${error.message}`,
      );
    expect(await refused({ time: base.at - 2000 })).toMatch(/^POINT_UNREACHABLE.*the backup itself is of/);
    expect(await refused({ time: end.at + 1000 })).toMatch(/^POINT_UNREACHABLE.*the logs reach until/);
    expect(await refused({ gtid: '0-1-99999999' })).toMatch(/^POINT_UNREACHABLE.*the logs reach until/);
    expect(await refused({ gtid: '0-77-40' })).toMatch(/^POINT_UNREACHABLE/);
    expect(await refused({ gtid: 'nonsense' })).toMatch(/^POINT_UNREACHABLE/);
    expect(await refused({ place: end.place.replace(/:.*/, ':999999999') })).toMatch(/^POINT_UNREACHABLE/);
    const [file, position] = middle.place.split(':') as [string, string];
    const rows = await server.sql(`SHOW BINLOG EVENTS IN '${file}' FROM ${position} LIMIT 3`);
    const within = rows.find((row) => row['Event_type'] === 'Gtid')!['End_log_pos'];
    expect(await refused({ place: `${file}:${within}` })).toMatch(/^POINT_UNREACHABLE.*within a transaction/);
    expect(await refused(undefined, logs.slice(1))).toMatch(/^LOG_GAP.*is in no backup/);
    expect(await refused({ time: end.at - 1000 }, logs.slice(1))).toMatch(/^POINT_UNREACHABLE.*is in no backup/);
    expect(await stateOf(instance)).toBe(before);
    await instance.sql('DROP TABLE t.entry');
    const failed = await refused(undefined);
    expect(failed).toMatch(/^DATABASE_FAILED.*binary log at bin\.\d+:\d+: ERROR 1146/);
    // The place is that of an event which has to do with the table that is missing.
    const [, name, at] = /binary log at (\S+):(\d+): /.exec(failed)!;
    const [culprit] = await server.sql(`SHOW BINLOG EVENTS IN '${name}' FROM ${at} LIMIT 1`);
    expect(culprit).toMatchObject({ Pos: Number(at), Info: expect.stringMatching(/t\.entry|table_id/) });

    await instance.stop();
  }, 600_000);
});

/** Transfers and entries by several sessions, until it is stopped. */
function startLoad(server: SqlServer) {
  let running = true;
  const writer = async (n: number) => {
    const session = await server.connect();
    for (let i = 0; running; i++) {
      const a = Math.floor(Math.random() * 200);
      const [low, high] = [a, (a + 1 + Math.floor(Math.random() * 199)) % 200].sort((one, other) => one - other).map((id) => id + 1);
      await session.query(i % 3 === 0 ? 'SET binlog_format = STATEMENT' : 'SET binlog_format = ROW');
      if (i % 7 === 0) await session.query(`INSERT INTO t.entry (data) VALUES (REPEAT('${n}', ${(i * 13) % 5000}))`);
      else {
        const first = `UPDATE t.account SET amount = amount - 1, note = X'00${i % 2 ? 'FF' : '27'}5C0A' WHERE id = ${low}`;
        const second = `UPDATE t.account SET amount = amount + 1 WHERE id = ${high}`;
        const entry = `INSERT INTO t.entry (data) VALUES ('${n} ${i}')`;
        await session.query(`BEGIN; ${first}; ${second}; ${entry}; ${i % 11 === 0 ? 'ROLLBACK' : 'COMMIT'}`);
      }
    }
    session.destroy();
  };
  const writers = Promise.all([1, 2, 3].map(writer));
  return {
    stop: async () => {
      running = false;
      await writers;
    },
  };
}
