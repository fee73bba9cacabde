// The binary log of Oracle's MySQL, with its own mysqlbinlog: the same way as MariaDB's, with other words and ids.
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LogMark, Until } from '../../src/model/service.ts';
import { type LogBed, logBed, stateOf } from '../beds/binlog.ts';
import type { SqlServer } from '../beds/mariadb.ts';
import { newerMysql, startNewerMysql } from '../beds/newer-mysql.ts';
import { needPrograms } from '../beds/programs.ts';

const newer = await newerMysql();
const root = join(import.meta.dirname, '../../node_modules/.cache/stillpoint/mysql');
const libraries = join(root, 'usr/lib/x86_64-linux-gnu');

describe(`S7 incremental backups and point in time recovery of MySQL${newer.reason && ` (skipped: ${newer.reason})`}`, {
  skip: newer.version === '',
}, () => {
  let bed: LogBed;
  let server: SqlServer;
  let base: LogMark;
  const path = process.env['PATH'] ?? '';
  const servers: SqlServer[] = [];
  const start = async (name: string, more: Readonly<Record<string, string | true>> = {}) => {
    const options = {
      'log-bin': 'bin',
      'server-id': 1,
      'gtid-mode': 'ON',
      'enforce-gtid-consistency': 'ON',
      'innodb-buffer-pool-size': '32M',
      ...more,
    };
    const one = await startNewerMysql({ dir: join(bed.dir, name), options });
    servers.push(one);
    return one;
  };
  const markOf = async (): Promise<LogMark> => {
    const [now] = await server.sql('SELECT @@server_uuid AS uuid, UNIX_TIMESTAMP(NOW(3)) AS at');
    const [status] = await server.sql('SHOW BINARY LOG STATUS');
    const place = `${status!['File']}:${status!['Position']}`;
    return { place, gtid: String(status!['Executed_Gtid_Set']), at: Math.floor(Number(now!['at']) * 1000), server: String(now!['uuid']) };
  };

  beforeAll(async () => {
    needPrograms(['mariadb'], 'mariadb-client');
    bed = await logBed();
    // What of MySQL is installed nowhere: its tool with its own loader; any client will do.
    const bin = join(bed.dir, 'bin');
    mkdirSync(bin);
    const tool = `${libraries}/ld-linux-x86-64.so.2 --library-path ${libraries} ${root}/usr/bin/mysqlbinlog`;
    for (const [name, command] of Object.entries({ mysqlbinlog: tool, mysql: 'mariadb' })) {
      writeFileSync(join(bin, name), `#!/bin/sh\nexec ${command} "$@"\n`);
      chmodSync(join(bin, name), 0o755);
    }
    process.env['PATH'] = `${bin}:${path}`;
    server = await start('server');
    await server.sql('CREATE DATABASE t; CREATE TABLE t.a (id INT AUTO_INCREMENT PRIMARY KEY, data VARCHAR(100))');
    base = await markOf();
    await server.stop();
    for (const name of ['instance', 'plain']) cpSync(join(bed.dir, 'server/data'), join(bed.dir, name, 'data'), { recursive: true });
    server = await start('server');
  }, 180_000);
  afterAll(async () => {
    process.env['PATH'] = path;
    for (const one of servers) await one.kill();
    bed?.remove();
  });

  it('S7 moments come back by transaction, place and time, over rotation and a restart', async () => {
    const insert = async (n: number) => {
      for (let i = 0; i < n; i++) await server.sql(`INSERT INTO t.a (data) VALUES ('${n} ${i}')`);
    };
    const moments: { readonly mark: LogMark; readonly until: Until; readonly state: string }[] = [];
    const moment = async (until: (mark: LogMark) => Until) => {
      const mark = await markOf();
      moments.push({ mark, until: until(mark), state: await stateOf(server) });
    };
    const newest = ({ gtid, server: uuid }: LogMark): Until => ({ gtid: `${uuid}:${/-(\d+)$/.exec(gtid!)![1]}` });
    await insert(4);
    await moment(newest);
    await insert(3);
    const first = await bed.backup({ socket: server.socket }, base);
    await server.sql(
      'FLUSH BINARY LOGS; CREATE TABLE t.b AS SELECT * FROM t.a; BEGIN; UPDATE t.b SET data = 1; DELETE FROM t.a WHERE id < 3; COMMIT',
    );
    await moment(({ place }) => ({ place }));
    await server.sql('DROP TABLE t.b');
    await server.stop();
    server = await start('server');
    await insert(2);
    await moment(({ at }) => ({ time: at }));
    await pause(1100);
    await insert(2);
    await pause(1100);
    const second = await bed.backup({ socket: server.socket }, first.tags.logUntil!);
    expect(second.tags.logUntil).toMatchObject({ place: (await markOf()).place, gtid: (await markOf()).gtid });

    const plain = await start('plain', { 'skip-log-bin': true, 'gtid-mode': 'OFF', 'enforce-gtid-consistency': 'OFF' });
    let from = base;
    for (const { mark, until, state } of moments) {
      await bed.apply(plain, from, [first, second], until);
      expect(await stateOf(plain), JSON.stringify(until)).toBe(state);
      from = mark;
    }
    const instance = await start('instance');
    await bed.apply(instance, base, [first, second]);
    expect(await stateOf(instance)).toBe(await stateOf(server));
    // MySQL's own account of what was done: the same transactions under the same ids.
    const executed = async (one: SqlServer) => (await one.sql('SELECT @@GLOBAL.gtid_executed AS done'))[0]!['done'];
    expect(await executed(instance)).toBe(await executed(server));
  }, 180_000);
});
