// New MariaDB servers from backups of a real one.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import { instanceFile, type KeptInstance, removeInstance, stopInstance } from '../../src/databases/instance.ts';
import type { InstanceTarget, MysqlSource } from '../../src/model/service.ts';
import type { RecordInfo } from '../../src/model/task.ts';
import { allSound, allZero, checkTables, createLedger, ledgerLoad, sums } from '../beds/ledger.ts';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { freePort, needPrograms, run } from '../beds/programs.ts';
import { smallDisk } from '../beds/small-disk.ts';
import { backupTask, testVault, type Vault } from '../beds/vault.ts';

const home = mkdtempSync('/tmp/mi-');
const password = 'of the user, 42';
let server: SqlServer;
let vault: Vault;
/** A physical backup of it before anything was written. */
let basis: RecordInfo;
const made: string[] = [];

const source = (method: MysqlSource['method']): MysqlSource => ({
  kind: 'mysql',
  method,
  server: { socket: server.socket, user: 'root' },
  databases: [],
  tables: [],
});

let count = 0;
const targetOf = async (method: string, more: Partial<InstanceTarget> = {}): Promise<InstanceTarget> => {
  const directory = join(home, `i${++count}`);
  made.push(directory);
  return { kind: 'instance', engine: 'mysql', method, directory, port: await freePort(), logs: [], ...more };
};

const refusal = async (work: Promise<unknown>): Promise<StillpointError> =>
  work.then(
    () => expect.unreachable('it was not refused'),
    (error: StillpointError) => error,
  );

/** What the ledger's helpers ask of a server, over TCP as the user of the old one. */
const clientOf = ({ port }: { readonly port: number }): SqlServer =>
  ({
    sql: async (text: string) => {
      const connection = await createConnection({ host: '127.0.0.1', port, user: 'app', password, multipleStatements: true });
      try {
        const [rows] = await connection.query(text);
        return Array.isArray(rows) ? rows : [];
      } finally {
        connection.destroy();
      }
    },
  }) as unknown as SqlServer;

const kept = (directory: string) => JSON.parse(readFileSync(join(directory, instanceFile), 'utf8')) as KeptInstance;
const opened = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });
const runs = (pid: number) => existsSync(`/proc/${pid}`);

const own = () => ({
  dir: join(home, 's'),
  options: {
    'log-bin': 'bin',
    'sync-binlog': 1,
    'innodb-log-file-size': '8M',
    'innodb-max-dirty-pages-pct': 0,
    'innodb-io-capacity': 2000,
  },
});

beforeAll(async () => {
  needPrograms(['mariadb-backup', 'mariadb-install-db'], 'mariadb-backup mariadb-server');
  chmodSync(home, 0o711);
  mkdirSync(join(home, 'far'));
  server = await startMariadb(own());
  await createLedger(server);
  await server.sql(`CREATE USER app@'%' IDENTIFIED BY '${password}'; GRANT ALL ON *.* TO app@'%'`);
  await server.sql(`CREATE TABLE ledger.far (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB DATA DIRECTORY='${join(home, 'far')}'`);
  await server.sql("INSERT INTO ledger.far VALUES (1, 'away')");
  vault = testVault(join(home, 'pool'), 'v', 'password of the agent');
  await vault.create('recovery key');
  basis = await vault.backup(source('physical'));
}, 120_000);

afterAll(async () => {
  for (const directory of made) await removeInstance(directory).catch(() => undefined);
  await server?.stop();
  rmSync(home, { recursive: true, force: true });
});

describe('B9 a new server from a backup', () => {
  test('S5 B9 taken physically under load it is sound and sums to zero; it outlives the task, is stopped and removed', async () => {
    const load = await ledgerLoad(server);
    const record = await vault.backup(source('physical'));
    expect(await load.stop()).toBeGreaterThan(50);
    const target = await targetOf('physical');
    // Nothing but its own files may be opened by the new one, not even those that it could: here nobody else holds them.
    await run('chown', ['-R', 'mysql', join(home, 'far')]);
    await server.stop();
    const { instance } = await vault.run({ type: 'restore', record: record.id, target, dryRun: false }).finally(async () => {
      server = await startMariadb(own());
    });
    expect(instance).toMatchObject({ engine: 'mysql', directory: target.directory, port: target.port });
    const copy = clientOf(target);
    expect(await checkTables(copy)).toEqual(allSound);
    expect(await sums(copy)).toEqual(allZero);
    expect(await copy.sql('SELECT t FROM ledger.far')).toEqual([{ t: 'away' }]);
    expect(await copy.sql("SELECT COUNT(*) AS n FROM mysql.global_priv WHERE User LIKE 'stillpoint%'")).toEqual([{ n: 0 }]);
    await copy.sql("UPDATE ledger.far SET t = 'changed'");
    expect(opened(kept(target.directory).pid).filter((path) => path.startsWith(home) && !path.startsWith(target.directory))).toEqual([]);
    expect(await server.sql('SELECT t FROM ledger.far')).toEqual([{ t: 'away' }]);
    const [where] = await copy.sql('SELECT @@port AS port, @@bind_address AS address, @@log_bin AS log, @@event_scheduler AS events');
    expect(where).toEqual({ port: target.port, address: '127.0.0.1', log: 0, events: 'OFF' });

    const { pid, socket = '' } = kept(target.directory);
    expect(statSync(`/proc/${pid}`).uid).not.toBe(0);
    expect(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ')[3]).toBe(String(pid)); // a session of its own
    expect(existsSync(socket)).toBe(true);
    expect(existsSync(join(target.directory, '.stillpoint-restore-incomplete'))).toBe(false);

    await stopInstance(target.directory);
    await expect.poll(() => runs(pid)).toBe(false); // its parent, here this process, still has to take note
    await removeInstance(target.directory);
    expect(existsSync(target.directory)).toBe(false);
  });

  test('S5 the same without the tool fails: files copied from under the running server', async () => {
    const load = await ledgerLoad(server);
    const copies: boolean[] = [];
    for (let i = 0; i < 3 && !copies.includes(false); i++) copies.push(await isCopySound(3000));
    await load.stop();
    expect(copies).toContain(false);
    // It is the load that spoils it: copied in the same way from a server that is stopped they are sound.
    await server.stop();
    const still = await isCopySound(0).finally(async () => {
      server = await startMariadb(own());
    });
    expect(still).toBe(true);
  });

  test('S6 B9 read as files of an image, its parts in several places, it recovers', async () => {
    for (const name of ['redo', 'undo', 'log', 'aria', 'system', 'far']) mkdirSync(join(home, 'p', name), { recursive: true });
    const at = (name: string) => join(home, 'p', name);
    const other = await startMariadb({
      dir: join(home, 'o'),
      options: {
        'log-bin': join(at('log'), 'bin'),
        'innodb-log-group-home-dir': at('redo'),
        'innodb-undo-directory': at('undo'),
        'innodb-undo-tablespaces': 2,
        'aria-log-dir-path': at('aria'),
        'innodb-data-home-dir': '',
        'innodb-data-file-path': `${at('system')}/ibdata1:12M;${at('system')}/ibdata2:4M:autoextend`,
      },
    });
    await createLedger(other);
    await other.sql(`CREATE USER app@'%' IDENTIFIED BY '${password}'; GRANT ALL ON *.* TO app@'%'; CREATE DATABASE empty`);
    await other.sql(
      `CREATE TABLE ledger.far (id INT PRIMARY KEY) ENGINE=InnoDB DATA DIRECTORY='${at('far')}'; INSERT INTO ledger.far VALUES (3)`,
    );
    const image = () => vault.backup({ ...source('snapshot'), server: { socket: other.socket } });
    const tied = await image();
    const refused = await refusal(vault.restore(tied.id, await targetOf('snapshot')));
    expect(refused.message).toContain(`${at('far')}/ledger/far.ibd: tables with a directory of their own`);
    await other.sql('DROP TABLE ledger.far');
    const load = await ledgerLoad(other);
    await load.stop();
    await other.sql('FLUSH TABLES'); // those without transactions; nothing else is written back, and nobody writes while it is read
    const record = await image();
    await other.kill();
    const facts = JSON.parse((await vault.cat(record.id, '/.stillpoint/mysql.json')).toString());
    expect(facts).toMatchObject({ format: 1, method: 'snapshot', kind: 'MariaDB', binlog: { name: 'bin' } });
    const target = await targetOf('snapshot');
    await vault.restore(record.id, target);
    const copy = clientOf(target);
    expect(await checkTables(copy)).toEqual(allSound);
    expect(await sums(copy)).toEqual(allZero);
    expect(opened(kept(target.directory).pid).filter((path) => path.startsWith(home) && !path.startsWith(target.directory))).toEqual([]);
    expect(await copy.sql("SHOW DATABASES LIKE 'empty'")).toHaveLength(1);
    await removeInstance(target.directory);
  });

  test('S4 B9 from statements, with the accounts of the backup and none of ours', async () => {
    const record = await vault.backup(source('logical'));
    // So deep that the path of a socket there would be too long.
    const directory = join(home, 'deep'.repeat(30), 'er');
    const target = await targetOf('logical', { directory });
    made.push(directory);
    await vault.restore(record.id, target);
    const copy = clientOf(target);
    expect(await sums(copy)).toEqual(allZero);
    expect(await copy.sql("SELECT COUNT(*) AS n FROM mysql.global_priv WHERE User LIKE 'stillpoint%'")).toEqual([{ n: 0 }]);
    const { socket = '' } = kept(directory);
    expect(socket.length).toBeLessThan(100);
    await removeInstance(directory);
    expect(existsSync(dirname(socket))).toBe(false);
  });

  test('B9 a port that is taken, a directory that holds something or cannot be reached, another method: refused, nothing touched', async () => {
    const record = basis;
    const taken = createServer();
    const port = await new Promise<number>((resolve) =>
      taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port)),
    );
    const one = await targetOf('physical', { port });
    expect((await refusal(vault.restore(record.id, one))).code).toBe('PORT_TAKEN');
    expect(existsSync(one.directory)).toBe(false);
    taken.close();

    const two = await targetOf('physical');
    mkdirSync(two.directory);
    writeFileSync(join(two.directory, 'mine'), 'mine');
    expect((await refusal(vault.restore(record.id, two))).code).toBe('DIRECTORY_NOT_EMPTY');
    expect(readFileSync(join(two.directory, 'mine'), 'utf8')).toBe('mine');
    expect((await refusal(removeInstance(two.directory))).code).toBe('NOT_FOUND');
    expect(existsSync(join(two.directory, 'mine'))).toBe(true);

    const three = await targetOf('physical', { until: { time: 1 } });
    expect((await refusal(vault.restore(record.id, three))).code).toBe('POINT_UNREACHABLE');
    chmodSync(home, 0o700);
    const hidden = await refusal(vault.restore(record.id, await targetOf('physical')));
    chmodSync(home, 0o711);
    expect(hidden).toMatchObject({ code: 'TARGET_FAILED', message: expect.stringContaining(`may not enter ${home}`) });
    const four = await targetOf('snapshot');
    expect((await refusal(vault.restore(record.id, four))).code).toBe('NOT_IN_BACKUP');
    expect(existsSync(four.directory)).toBe(false);
  });

  test('S8 B9 with the log that followed it goes on to where that ends', async () => {
    const base = await vault.backup(source('physical'));
    await server.sql(
      "CREATE TABLE ledger.after (id INT); INSERT INTO ledger.after VALUES (1), (2); INSERT INTO ledger.InnoDB (amount, note) VALUES (9, 'a'), (-9, 'b')",
    );
    const since = base.tags.logUntil!;
    const log = (await vault.run({ ...backupTask({ ...source('incremental'), base: 'plan' }), since })).record!;
    await server.sql('INSERT INTO ledger.after VALUES (3)');
    const target = await targetOf('physical', { logs: [log.id] });
    await vault.restore(base.id, target);
    const copy = clientOf(target);
    expect(await copy.sql('SELECT id FROM ledger.after ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
    expect(await sums(copy)).toEqual(allZero);
    await removeInstance(target.directory);
  });

  test('B9 a server that does not start is told with the end of its log; a full disk is told; both say that they are not whole', async () => {
    const record = basis;
    const folder = join(home, 'bin');
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, 'mariadbd'),
      '#!/bin/bash\n[[ $* = *--version* ]] && exec /usr/sbin/mariadbd --version\necho "1 [Note] hm"; echo "2 [ERROR] no such luck"; exit 1\n',
    );
    chmodSync(join(folder, 'mariadbd'), 0o755);
    const path = process.env['PATH'];
    const target = await targetOf('physical');
    try {
      process.env['PATH'] = `${folder}:${path}`;
      const error = await refusal(vault.restore(record.id, target));
      expect(error).toMatchObject({ code: 'INSTANCE_FAILED', message: expect.stringContaining('2 [ERROR] no such luck') });
      expect(error.hint).toContain(join(target.directory, 'server.log'));
    } finally {
      process.env['PATH'] = path;
    }
    expect(existsSync(join(target.directory, '.stillpoint-restore-incomplete'))).toBe(true);
    expect((await refusal(vault.restore(record.id, target))).code).toBe('DIRECTORY_NOT_EMPTY');

    const disk = await smallDisk(4e6);
    try {
      chmodSync(disk.path, 0o711);
      const small = await targetOf('physical', { directory: join(disk.path, 'i') });
      expect((await refusal(vault.restore(record.id, small))).code).toBe('TARGET_FULL');
      expect(existsSync(join(small.directory, '.stillpoint-restore-incomplete'))).toBe(true);
    } finally {
      await disk.remove();
    }
  });

  test('B9 a process that only has the number of the server is left alone', async () => {
    const directory = join(home, 'not-ours');
    mkdirSync(directory);
    const text = {
      format: 1,
      engine: 'mysql',
      directory,
      port: 1,
      pid: process.pid,
      startedAt: 12345,
      program: process.execPath,
      connect: '',
    };
    writeFileSync(join(directory, instanceFile), JSON.stringify(text));
    await removeInstance(directory);
    expect(existsSync(directory)).toBe(false);
  });
});

/** The log first, and all else `between` ms later. */
async function isCopySound(between: number): Promise<boolean> {
  const dir = join(home, 'copy');
  const [from, to] = [join(home, 's/data'), join(dir, 'data')];
  mkdirSync(to, { recursive: true });
  let copy: SqlServer | undefined;
  try {
    await run('cp', ['-a', join(from, 'ib_logfile0'), to]);
    await pause(between);
    await run('cp', ['-an', `${from}/.`, to]).catch(() => undefined);
    for (const end of ['frm', 'isl']) rmSync(join(to, `ledger/far.${end}`), { force: true });
    copy = await startMariadb({ dir });
    return JSON.stringify([await checkTables(copy), await sums(copy)]) === JSON.stringify([allSound, allZero]);
  } catch {
    return false;
  } finally {
    await copy?.kill();
    rmSync(dir, { recursive: true, force: true });
  }
}
