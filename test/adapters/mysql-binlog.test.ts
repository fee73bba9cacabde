// Backups of a server's binary log: all of it, once, and a gap is said.
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, connect as dial, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import type { Manifest } from '../../src/databases/mysql/binlog/manifest.ts';
import { listMoments } from '../../src/databases/mysql/binlog/moments.ts';
import { mysqlLogSource } from '../../src/databases/mysql/binlog/source.ts';
import type { LogMark } from '../../src/model/service.ts';
import type { RecordInfo } from '../../src/model/task.ts';
import { type LogBed, logBed, logServer, logSource, markOf, stateOf } from '../beds/binlog.ts';
import type { SqlServer } from '../beds/mariadb.ts';
import { watchProcesses } from '../beds/secret-watch.ts';
import { intoFolder } from '../beds/vault.ts';

const password = 'a "secret\\ 42';

describe('S7 incremental backups of MariaDB', () => {
  let bed: LogBed;
  let server: SqlServer;
  let port: number;
  let base: LogMark;
  let copy: string;
  const servers: SqlServer[] = [];
  const up = async (more: Parameters<typeof logServer>[2] = {}) => {
    server = await logServer(join(bed.dir, 'server'), 1, { port, ...more });
    servers.push(server);
  };
  const fill = (n: number, on = server) => on.sql(`INSERT INTO t.a (data) SELECT REPEAT(CHAR(65 + seq % 26), 400) FROM t.seq_1_to_${n}`);
  const refusal = (work: Promise<unknown>): Promise<StillpointError> =>
    work.then(
      () => expect.fail('it was not refused'),
      (error) => error as StillpointError,
    );
  /** As `backup restore` brings it back as files; once, for opening a vault takes its time. */
  const folders = new Map<string, string>();
  const folderOf = async ({ id }: RecordInfo): Promise<string> => {
    const folder = folders.get(id) ?? mkdtempSync(join(bed.dir, 'files-'));
    if (!folders.has(id)) await bed.vault.restore(id, intoFolder(folder));
    folders.set(id, folder);
    return join(folder, 'mysql');
  };
  const manifestOf = async (record: RecordInfo) =>
    JSON.parse(readFileSync(join(await folderOf(record), 'backup.json'), 'utf8')) as Manifest;

  beforeAll(async () => {
    bed = await logBed();
    server = await logServer(join(bed.dir, 'server'), 1);
    servers.push(server);
    port = Number((await server.sql('SELECT @@port AS port'))[0]!['port']);
    await server.sql(`
      CREATE DATABASE t; CREATE TABLE t.a (id INT AUTO_INCREMENT PRIMARY KEY, data TEXT);
      CREATE USER reader@'%' IDENTIFIED BY '${password.replaceAll('\\', '\\\\')}'; GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO reader@'%';
      CREATE USER weak@localhost; GRANT SELECT ON *.* TO weak@localhost;
      CREATE USER replica@'%' IDENTIFIED BY 'r'; GRANT REPLICATION SLAVE ON *.* TO replica@'%'`);
    await server.stop();
    copy = join(bed.dir, 'copy');
    cpSync(join(bed.dir, 'server/data'), copy, { recursive: true });
    await up();
    base = await markOf(server);
  }, 120_000);
  afterAll(async () => {
    for (const one of servers) await one.kill();
    bed.remove();
  });

  /** The server's own bytes of a file, put together from the backups; the mark that a log is in use is left out. */
  async function putTogether(name: string, records: readonly RecordInfo[]): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (const record of records) {
      const part = (await manifestOf(record)).files.find((file) => file.name === name);
      if (!part) continue;
      const bytes = readFileSync(join(await folderOf(record), 'binlog', name));
      pieces.push(part.from === 4 ? bytes : bytes.subarray(4 + bytes.readUInt32LE(13)));
      expect(Buffer.concat(pieces).length).toBe(part.until);
    }
    return unused(Buffer.concat(pieces));
  }
  const unused = (log: Buffer) => (log.length > 22 ? Buffer.concat([log.subarray(0, 21), log.subarray(23)]) : log);

  it('S7 the vault has the very bytes of the server, each once, over rotation, FLUSH, a restart and a crash', async () => {
    const address = { host: '127.0.0.1', port, user: 'reader', password };
    const records: RecordInfo[] = [];
    const save = async () => records.push(await bed.backup(address, records.at(-1)?.tags.logUntil ?? base));
    await fill(300);
    await server.sql('FLUSH BINARY LOGS');
    await fill(300);
    // What is not committed comes with the next backup.
    const session = await server.connect();
    await session.query(`BEGIN; INSERT INTO t.a (data) VALUES ('uncommitted')`);
    const watch = watchProcesses();
    await save();
    watch.stop();
    expect([...watch.seen.keys()].filter((seen) => seen.includes('secret\\'))).toEqual([]);
    await session.query('COMMIT');
    session.destroy();
    await server.sql('SET GLOBAL max_binlog_size = 65536');
    for (let i = 0; i < 4; i++) await fill(200);
    await server.stop();
    await up();
    await fill(100);
    await save();
    await server.kill();
    await up();
    await fill(100);
    await save();
    await save();

    const data = join(bed.dir, 'server/data');
    const [begun] = base.place.split(':') as [string];
    const names = readdirSync(data).filter((name) => /^bin\.\d+$/.test(name) && name > begun);
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) {
      const own = unused(readFileSync(join(data, name)));
      expect((await putTogether(name, records)).equals(own), name).toBe(true);
    }
    for (const [index, record] of records.entries()) {
      const before = records[index - 1]?.tags.logUntil ?? base;
      expect(record.tags.logFrom).toMatchObject({ place: before.place, gtid: before.gtid, server: before.server });
    }
    const last = records.at(-1)!;
    expect((await manifestOf(last)).files).toEqual([]);
    expect(last.tags.logUntil).toMatchObject({ place: (await markOf(server)).place, gtid: (await markOf(server)).gtid });
    const ranges = records.map(({ tags }) => ({ from: tags.logFrom!, until: tags.logUntil! }));
    const moments = listMoments(base, ranges);
    expect(moments.gap).toBeUndefined();
    expect(moments.until).toEqual(last.tags.logUntil);
    expect(listMoments(base, [ranges[0]!, ranges[2]!])).toMatchObject({ chain: [0], until: ranges[0]!.until, gap: /is in no backup/ });
    const [second] = records.slice(1);
    expect(listMoments(second!.tags.logUntil!, ranges).chain[0]).toBe(2);
    expect(readdirSync(bed.dir).filter((name) => name.startsWith('scratch-'))).toEqual([]);
  }, 120_000);

  it('S7 missing rights are named, and no base, a purged log and one that was begun anew are said', async () => {
    const weak = await refusal(bed.backup({ socket: server.socket, user: 'weak' }, base));
    expect(weak.code).toBe('DATABASE_GRANTS');
    expect(weak.message).toContain('REPLICATION SLAVE and BINLOG MONITOR');
    expect(weak.hint).toContain(`GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO 'weak'@'localhost'`);
    expect((await refusal(bed.backup({ socket: server.socket }))).code).toBe('LOG_BASE');

    const since = await markOf(server);
    for (let i = 0; i < 3; i++) await server.sql(`INSERT INTO t.a (data) VALUES ('x'); FLUSH BINARY LOGS`);
    const oldest = (await markOf(server)).place.split(':')[0]!;
    await purged(server, oldest);
    const before = (await bed.vault.records()).length;
    const gap = await refusal(bed.backup({ socket: server.socket }, since));
    expect(gap.code).toBe('LOG_GAP');
    const name = (n: number) => oldest.replace(/\d+$/, (digits) => String(Number(digits) - n).padStart(digits.length, '0'));
    expect(gap.message).toContain(`${name(3)} to ${name(1)} was purged`);
    expect(gap.hint).toContain('new backup of the base plan');

    const again = await markOf(server);
    await server.sql('RESET MASTER');
    const [file, position] = again.place.split(':') as [string, string];
    for (let i = 1; i < Number(file.split('.')[1]); i++) await server.sql('FLUSH BINARY LOGS');
    await fill(Math.ceil(Number(position) / 300));
    const anew = await refusal(bed.backup({ socket: server.socket }, again));
    expect(anew).toMatchObject({ code: 'LOG_GAP' });
    expect(anew.message).toContain('begun anew');
    expect(await bed.vault.records()).toHaveLength(before);
  }, 120_000);

  it('S7 a connection that is cut in the middle makes no backup, and the next try has all', async () => {
    const since = await markOf(server);
    for (let i = 0; i < 5; i++) await fill(2000);
    const before = (await bed.vault.records()).length;
    const proxy = await cuttingProxy(port, 500_000);
    const cut = await refusal(bed.backup({ host: '127.0.0.1', port: proxy.port, user: 'reader', password }, since));
    proxy.close();
    expect(cut.code).toBe('TOOL_FAILED');
    expect(cut.message).not.toContain('secret');
    expect(await bed.vault.records()).toHaveLength(before);
    // Ended from outside, in the middle of it: nothing of it is left.
    const source = await mysqlLogSource(logSource({ socket: server.socket }), { ...bed.context, since });
    const slow = source.gather!(async (stream) => {
      for await (const _ of stream) await pause(20);
      return { kind: 'stored', content: [], size: 0 };
    });
    const ended = refusal(slow);
    await pause(200);
    await source.close();
    await ended;
    await source.close();
    await expect
      .poll(async () => (await server.sql(`SELECT id FROM information_schema.processlist WHERE command = 'Binlog Dump'`)).length)
      .toBe(0);
    const record = await bed.backup({ socket: server.socket }, since);
    expect(record.tags.logUntil).toMatchObject({ place: (await markOf(server)).place });
    expect(await bed.vault.records()).toHaveLength(before + 1);
    const own = unused(readFileSync(join(bed.dir, 'server/data', since.place.split(':')[0]!)));
    const bytes = await bed.vault.cat(record.id, `/mysql/binlog/${since.place.split(':')[0]}`);
    expect(bytes.subarray(-50_000).equals(own.subarray(-50_000))).toBe(true);
  }, 120_000);

  it('S7 after a failover the log goes on at the other server by its transaction ids, and a server that lacks some is refused', async () => {
    await server.sql('RESET MASTER');
    const start = await markOf(server);
    const replica = await logServer(prepared('replica'), 2, { 'log-slave-updates': true });
    const behind = await logServer(prepared('behind'), 3);
    servers.push(replica, behind);
    for (const one of [replica, behind]) await one.sql('DELETE FROM t.a; RESET MASTER');
    await server.sql('TRUNCATE TABLE t.a');
    await replica.sql(`
      SET GLOBAL gtid_slave_pos = ''; CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${port}, MASTER_USER = 'replica', MASTER_PASSWORD = 'r', MASTER_USE_GTID = slave_pos;
      START SLAVE`);
    await fill(20);
    const first = await bed.backup({ socket: server.socket }, start);
    await fill(30);
    await fill(5);
    const reached = await markOf(server);
    await replica.sql(`SELECT MASTER_GTID_WAIT('${reached.gtid}', 30)`);
    expect(await stateOf(replica)).toBe(await stateOf(server));
    await server.stop();
    await replica.sql('STOP SLAVE; RESET SLAVE ALL');
    await fill(7, replica);
    await replica.sql('FLUSH BINARY LOGS');
    await fill(9, replica);
    const second = await bed.backup({ socket: replica.socket }, first.tags.logUntil!);
    expect(second.tags.logUntil!.server).not.toBe(first.tags.logUntil!.server);
    const lacks = await refusal(bed.backup({ socket: behind.socket }, first.tags.logUntil!));
    expect(lacks).toMatchObject({ code: 'LOG_GAP' });
    expect(lacks.message).toContain('another server answers now, and it lacks some of 0-1-');
    await purged(replica, (await markOf(replica)).place.split(':')[0]!);
    const older = await refusal(bed.backup({ socket: replica.socket }, first.tags.logUntil!));
    expect(older.message).toContain('older ones were purged');

    await behind.sql('RESET MASTER');
    await bed.apply(behind, start, [first, second]);
    expect(await stateOf(behind)).toBe(await stateOf(replica));
    await behind.stop();
    await replica.stop();
  }, 180_000);

  it('S7 a log that is off is refused', async () => {
    await server.stop();
    await up({ 'skip-log-bin': true });
    const off = await refusal(bed.backup({ socket: server.socket }, base));
    expect(off).toMatchObject({ code: 'LOG_OFF' });
    expect(off.hint).toContain('log_bin');
  }, 60_000);

  /** A log that a crash would still need is purged a little later only. */
  const purged = (on: SqlServer, oldest: string) =>
    expect
      .poll(async () => (await on.sql(`PURGE BINARY LOGS TO '${oldest}'; SHOW BINARY LOGS`))[0]?.['Log_name'], {
        timeout: 20_000,
        interval: 200,
      })
      .toBe(oldest);

  function prepared(name: string): string {
    const dir = join(bed.dir, name);
    if (!existsSync(dir)) cpSync(copy, join(dir, 'data'), { recursive: true });
    return dir;
  }
});

/** Passes bytes on to the server until `most` have come from it, then breaks all connections. */
async function cuttingProxy(port: number, most: number): Promise<{ readonly port: number; close(): void }> {
  const open = new Set<Socket>();
  let bytes = 0;
  const proxy = createServer((client) => {
    const server = dial(port, '127.0.0.1');
    for (const one of [client, server]) {
      open.add(one);
      one.on('error', () => undefined);
      one.on('close', () => open.delete(one));
    }
    client.pipe(server);
    server.on('data', (piece) => {
      bytes += piece.length;
      if (bytes > most) for (const one of open) one.destroy();
    });
    server.pipe(client);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    close: () => {
      for (const one of open) one.destroy();
      proxy.close();
    },
  };
}
