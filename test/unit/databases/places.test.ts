// Where databases say that their files lie, seen from this host.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname, networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filesOf } from '../../../src/databases/mysql/files.ts';
import type { Server } from '../../../src/databases/mysql/server.ts';
import { filesFacts } from '../../../src/databases/places.ts';
import type { Row } from '../../../src/databases/sessions.ts';
import { isThisHost } from '../../../src/databases/settings.ts';
import type { DatabasePlace } from '../../../src/ports/database.ts';

let dir: string;

beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'places-')));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const placesOf = async (host: string, said: readonly DatabasePlace[]) =>
  JSON.parse((await filesFacts('mysql', host, said))['files/mysql']!) as readonly DatabasePlace[];

describe('places', () => {
  it('A2 links are followed, and each place is told once, as what it first was', async () => {
    mkdirSync(join(dir, 'far'));
    mkdirSync(join(dir, 'data'));
    symlinkSync('../far', join(dir, 'data', 'log'));
    const said = [
      { holds: 'its data', path: `${dir}/data/.` },
      { holds: 'its redo log', path: `${dir}/data/log` },
      { holds: 'its undo log', path: `${dir}/data` },
    ];
    for (const host of ['', '127.0.0.1', 'localhost', hostname()])
      expect(await placesOf(host, said)).toEqual([
        { holds: 'its data', path: `${dir}/data` },
        { holds: 'its redo log', path: `${dir}/far` },
      ]);
  });

  it('A2 what is on another host, in a container or of another system is not seen', async () => {
    const said = [{ holds: 'its data', path: dir }];
    expect(await placesOf('db.example', said)).toEqual([{ holds: 'its data', unseen: 'it runs on db.example' }]);
    expect(await placesOf('', [{ holds: 'its data', path: `${dir}/gone` }])).toEqual([
      { holds: 'its data', unseen: `there is no ${dir}/gone on this host` },
    ]);
    expect(await placesOf('', [{ holds: 'its data', path: 'C:\\data' }])).toEqual([
      { holds: 'its data', unseen: 'C:\\data is no path of this host' },
    ]);
    expect(await placesOf('', [{ holds: 'its data', unseen: 'a right is missing' }])).toEqual([
      { holds: 'its data', unseen: 'a right is missing' },
    ]);
  });

  it('house this host is known by its loopback and its own addresses only', () => {
    for (const here of ['localhost', '127.0.0.1', '127.0.1.1', '::1']) expect(isThisHost(here)).toBe(true);
    for (const own of Object.values(networkInterfaces()).flatMap((list) => list ?? [])) expect(isThisHost(own.address)).toBe(true);
    for (const elsewhere of ['localhost.example', '203.0.113.9', '127.example', '']) expect(isThisHost(elsewhere)).toBe(false);
  });
});

describe('what MySQL and MariaDB say of their files', () => {
  const server = (kind: Server['kind'], version: string, binaryLog = false): Server => ({
    kind,
    version,
    binaryLog,
    syncBinlog: 1,
    flushAtCommit: 1,
    cluster: '',
    rights: new Set(),
  });
  const asked: string[] = [];
  const said =
    (variables: Readonly<Record<string, string>>, spaces: readonly string[] = []) =>
    async (sql: string): Promise<readonly Row[]> => {
      asked.push(sql);
      if (sql.startsWith('SHOW')) return Object.entries(variables).map(([name, Value]) => ({ Variable_name: name, Value }));
      return spaces.map((path) => ({ path }));
    };
  const plain = {
    innodb_data_home_dir: '',
    innodb_data_file_path: 'ibdata1:12M:autoextend',
    innodb_log_group_home_dir: './',
    innodb_undo_directory: './',
  };

  it('A2 a plain installation keeps everything in its data directory', async () => {
    const files = await filesOf(said({ datadir: '/db/', ...plain, aria_log_dir_path: '/db/' }), server('MariaDB', '10.11.6'));
    expect(new Set(files.map((place) => 'path' in place && place.path))).toEqual(new Set(['/db']));
  });

  it('A2 what was put elsewhere is told, relative to the data directory or not', async () => {
    const variables = {
      datadir: '/db',
      innodb_data_home_dir: '',
      innodb_data_file_path: 'ibdata1:12M;/d2/ibdata2:50M:autoextend:max:1G',
      innodb_log_group_home_dir: '/fast/redo',
      innodb_undo_directory: '../undo',
      log_bin_basename: '/binlog/bin',
      log_bin_index: '/binlog/bin.index',
    };
    const files = await filesOf(said(variables, ['/t/shop/orders.ibd']), server('MySQL', '8.4.6', true));
    expect(files).toEqual([
      { holds: 'its data', path: '/db' },
      { holds: 'its InnoDB system tablespace', path: '/db' },
      { holds: 'its InnoDB system tablespace', path: '/d2' },
      { holds: 'its redo log', path: '/fast/redo' },
      { holds: 'its undo log', path: '/undo' },
      { holds: 'its binary log', path: '/binlog' },
      { holds: 'its binary log', path: '/binlog' },
      { holds: 'a tablespace', path: '/t/shop' },
    ]);
  });

  it('A2 each version is asked for tablespaces where it shows them', async () => {
    for (const [kind, version, view] of [
      ['MariaDB', '10.11.6', 'FILENAME AS path FROM information_schema.INNODB_SYS_TABLESPACES'],
      ['MariaDB', '10.5.20', 'PATH AS path FROM information_schema.INNODB_SYS_DATAFILES'],
      ['MySQL', '5.7.44', 'PATH AS path FROM information_schema.INNODB_SYS_DATAFILES'],
      ['MySQL', '8.0.36', 'PATH AS path FROM information_schema.INNODB_DATAFILES'],
    ] as const) {
      await filesOf(said({ datadir: '/db', ...plain }), server(kind, version));
      expect(asked.at(-1)).toContain(view);
    }
  });

  it('A2 a server without InnoDB has no tablespaces; one that does not show them is not taken for one', async () => {
    const refusing = (errno: number) => async (sql: string) => {
      if (sql.startsWith('SELECT')) throw Object.assign(new Error('it says no'), { errno });
      return said({ datadir: '/db' })(sql);
    };
    expect(await filesOf(refusing(1109), server('MariaDB', '10.11.6'))).toEqual([{ holds: 'its data', path: '/db' }]);
    expect(await filesOf(refusing(1054), server('MariaDB', '10.11.6'))).toContainEqual({ holds: 'its tablespaces', unseen: 'it says no' });
    await expect(filesOf(refusing(0), server('MariaDB', '10.11.6'))).rejects.toThrow('it says no');
  });

  it('A2 databases and tables that are links are told, sockets and broken links are not', async () => {
    const data = join(dir, 'data');
    for (const folder of ['data/shop', 'far', 'other']) mkdirSync(join(dir, folder), { recursive: true });
    for (const file of ['far/t.MYD', 'other/x.MYD']) writeFileSync(join(dir, file), '');
    symlinkSync(join(dir, 'other'), join(data, 'linked'));
    symlinkSync(join(dir, 'far/t.MYD'), join(data, 'shop/t.MYD'));
    symlinkSync('/nowhere', join(data, 'mysql.sock'));
    symlinkSync(join(dir, 'far/t.MYD'), join(dir, 'other/y.MYD'));
    const files = await filesOf(said({ datadir: data, ...plain, innodb_data_file_path: '' }), server('MySQL', '8.0.36'));
    const tables = files.filter(({ holds }) => holds === 'tables').map((place) => 'path' in place && place.path);
    expect(tables.toSorted()).toEqual([`${data}/linked`, `${data}/linked/y.MYD`, `${data}/shop/t.MYD`]);
  });
});
