import { describe, expect, it } from 'vitest';
import { chooseMethod, hasInstanceLock, lookRights } from '../../../src/databases/mysql/method.ts';
import { positionFacts, syncWarning } from '../../../src/databases/mysql/position.ts';
import { settleRedoLog } from '../../../src/databases/mysql/redo-log.ts';
import { globalRights, isAtLeast, needRights, readServer, type Server } from '../../../src/databases/mysql/server.ts';
import type { Ask } from '../../../src/databases/mysql/session.ts';
import type { Row } from '../../../src/databases/sessions.ts';

const variables = (values: Readonly<Record<string, string>>): readonly Row[] =>
  Object.entries(values).map(([name, Value]) => ({ Variable_name: name, Value }));

/** What servers answered, by the begin of the statement. */
const recorded =
  (answers: Readonly<Record<string, readonly Row[] | Error>>): Ask =>
  async (sql) => {
    const [, answer] = Object.entries(answers).find(([begin]) => sql.startsWith(begin)) ?? [];
    if (answer === undefined) throw new Error(`nothing recorded for ${sql}`);
    if (answer instanceof Error) throw answer;
    return answer;
  };

const engines = (ndb = 'NO') => [
  { Engine: 'ndbcluster', Support: ndb, Transactions: null },
  { Engine: 'InnoDB', Support: 'DEFAULT', Transactions: 'YES' },
  { Engine: 'MyISAM', Support: 'YES', Transactions: 'NO' },
];
const all = [{ 'Grants for root@localhost': 'GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION' }];
const noMembers = { 'SELECT COUNT(*) AS n FROM performance_schema.replication_group_members': [{ n: 0 }] };
const server = (values: Readonly<Record<string, string>>, more: Readonly<Record<string, readonly Row[] | Error>> = {}): Promise<Server> =>
  readServer(recorded({ ...more, 'SHOW GLOBAL VARIABLES': variables(values), 'SHOW ENGINES': engines(), 'SHOW GRANTS': all, ...more }));

const maria = { version: '10.11.19-MariaDB-0+deb12u1-log', version_comment: 'Debian 12', log_bin: 'ON', sync_binlog: '0', wsrep_on: 'OFF' };
const mysql = { version: '9.7.4-2', version_comment: '(Debian)', log_bin: 'ON', sync_binlog: '1' };

describe('what the server is', () => {
  it('house MariaDB and MySQL are told apart, with their versions', async () => {
    expect(await server({ ...maria, wsrep_provider: 'none' })).toMatchObject({
      kind: 'MariaDB',
      version: '10.11.19',
      syncBinlog: 0,
      cluster: '',
    });
    expect(await server({ ...maria, version: '5.5.5-10.4.34-MariaDB' })).toMatchObject({ kind: 'MariaDB', version: '10.4.34' });
    expect(await server(mysql, noMembers)).toMatchObject({ kind: 'MySQL', version: '9.7.4', binaryLog: true, cluster: '' });
    expect(await server({ ...mysql, log_bin: 'OFF' }, noMembers)).toMatchObject({ binaryLog: false });
  });

  it('A4 Galera, NDB Cluster and Group Replication are seen', async () => {
    const galera = { ...maria, wsrep_on: 'ON', wsrep_provider: '/usr/lib/galera/libgalera_smm.so' };
    const size = { 'SHOW GLOBAL STATUS': variables({ wsrep_cluster_size: '3' }) };
    expect((await server(galera, size)).cluster).toBe('Galera, 3 nodes');
    expect((await server(maria, { 'SHOW ENGINES': engines('YES') })).cluster).toBe('NDB Cluster');
    const members = { 'SELECT COUNT(*) AS n FROM performance_schema.replication_group_members': [{ n: 3 }] };
    expect((await server(mysql, members)).cluster).toBe('Group Replication, 3 members');
  });

  it('A4 a server too old for groups, or a user who may not see them, is no cluster; another failure is one', async () => {
    const answer = (errno: number) => ({ 'SELECT COUNT(*)': Object.assign(new Error('no'), { errno }) });
    expect((await server(mysql, answer(1146))).cluster).toBe('');
    expect((await server(mysql, answer(1142))).cluster).toBe('');
    await expect(server(mysql, answer(2013))).rejects.toThrow('no');
  });

  it('house versions compare by number', () => {
    expect(isAtLeast('10.4.1', '10.4.1')).toBe(true);
    expect(isAtLeast('10.11.0', '10.4.1')).toBe(true);
    expect(isAtLeast('10.4.0', '10.4.1')).toBe(false);
    expect(isAtLeast('9.7.4', '10.0.0')).toBe(false);
  });
});

describe('what the user may do', () => {
  const line = (text: string): Row => ({ 'Grants for b@%': text });
  const of = async (kind: 'MariaDB' | 'MySQL', ...lines: readonly string[]): Promise<Server> => ({
    ...(kind === 'MariaDB' ? await server(maria) : await server(mysql, noMembers)),
    rights: globalRights(lines.map(line)),
  });

  it('A1 rights come from all lines on *.*, not from those on one database', () => {
    const lines = ['GRANT SELECT, PROCESS ON *.* TO `b`@`%`', 'GRANT BACKUP_ADMIN ON *.* TO `b`@`%`', 'GRANT RELOAD ON `t`.* TO `b`@`%`'];
    expect([...globalRights(lines.map(line))]).toEqual(expect.arrayContaining(['SELECT', 'PROCESS', 'BACKUP_ADMIN']));
    expect(globalRights(lines.map(line)).has('RELOAD')).toBe(false);
  });

  it('A1 what is missing is named, without the hash that the server shows', async () => {
    const weak = await of('MariaDB', "GRANT PROCESS ON *.* TO `b`@`%` IDENTIFIED BY PASSWORD '*B69027D44F6E5EDC07F1AEAD1477967B16F28227'");
    const need = () => needRights(weak, 'b', chooseMethod(weak, 0).rights);
    expect(need).toThrow(
      /^b may not lock tables for a backup \(RELOAD\) and read the position of the binary log \(BINLOG MONITOR\) in MariaDB 10\.11\.19$/,
    );
    needRights(weak, 'b', lookRights(weak));
    needRights(await of('MariaDB', 'GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO `b`@`%`'), 'b', chooseMethod(weak, 0).rights);
    needRights(await of('MariaDB', 'GRANT ALL PRIVILEGES ON *.* TO `b`@`%`'), 'b', chooseMethod(weak, 0).rights);
  });

  it('A1 MySQL asks for BACKUP_ADMIN, and for RELOAD only where the read lock is needed', async () => {
    const user = await of('MySQL', 'GRANT SELECT, PROCESS ON *.* TO `b`@`%`', 'GRANT BACKUP_ADMIN ON *.* TO `b`@`%`');
    needRights(user, 'b', chooseMethod(user, 0).rights);
    expect(() => needRights(user, 'b', chooseMethod(user, 1).rights)).toThrow(/\(RELOAD\)/);
    const more = await of('MySQL', 'GRANT SELECT, RELOAD, PROCESS ON *.* TO `b`@`%`', 'GRANT BACKUP_ADMIN ON *.* TO `b`@`%`');
    needRights(more, 'b', chooseMethod(more, 1).rights);
  });
});

describe('which statements', () => {
  const at = async (version: string, kind: 'MariaDB' | 'MySQL', tables = 0) => {
    const one = await server(
      { ...(kind === 'MariaDB' ? maria : mysql), version: kind === 'MariaDB' ? `${version}-MariaDB` : version },
      noMembers,
    );
    return { instance: hasInstanceLock(one), ...chooseMethod(one, tables) };
  };

  it('A1 MariaDB from 10.4.1 takes every backup stage, older the read lock', async () => {
    expect(await at('10.4.1', 'MariaDB')).toMatchObject({
      lock: ['BACKUP STAGE START', 'BACKUP STAGE FLUSH', 'BACKUP STAGE BLOCK_DDL', 'BACKUP STAGE BLOCK_COMMIT'],
      release: ['BACKUP STAGE END'],
      commitsWait: true,
      waitsForAll: false,
      instance: false,
    });
    expect(await at('11.8.2', 'MariaDB')).toMatchObject({ name: 'BACKUP STAGE BLOCK_COMMIT' });
    expect(await at('10.3.39', 'MariaDB')).toMatchObject({
      lock: ['FLUSH TABLES WITH READ LOCK'],
      release: ['UNLOCK TABLES'],
      waitsForAll: true,
    });
  });

  it('A1 MySQL from 8.0.11 locks the instance, and everything only where tables without transactions demand it', async () => {
    expect(await at('5.7.44', 'MySQL')).toMatchObject({
      lock: ['FLUSH TABLES WITH READ LOCK'],
      position: 'SHOW MASTER STATUS',
      instance: false,
    });
    for (const version of ['8.0.11', '8.0.36', '8.4.6', '9.7.4']) {
      expect(await at(version, 'MySQL')).toMatchObject({
        lock: ['LOCK INSTANCE FOR BACKUP'],
        commitsWait: false,
        waitsForAll: false,
        instance: true,
      });
      expect(await at(version, 'MySQL', 1)).toMatchObject({
        lock: ['LOCK INSTANCE FOR BACKUP', 'FLUSH TABLES WITH READ LOCK'],
        release: ['UNLOCK TABLES', 'UNLOCK INSTANCE'],
        commitsWait: true,
        waitsForAll: true,
      });
    }
  });
});

describe('the position', () => {
  const status = { File: 'bin.000002', Position: 1320, Binlog_Do_DB: '', Binlog_Ignore_DB: '' };
  const own = { gtid_executed: 'bcae73d9:1-2,\ncafe73d9:1-7', binary_log_file: 'binlog.000001', binary_log_position: 698 };

  it('S6 MariaDB: file, position and GTIDs of its own and of its source', async () => {
    const one = await server({ ...maria, sync_binlog: '1' });
    const ask = recorded({ 'SHOW MASTER STATUS': [status], 'SELECT @@GLOBAL.gtid': [{ log_pos: '0-1-15', replica_pos: '1-2-3' }] });
    expect(await positionFacts(ask, one, chooseMethod(one, 0))).toEqual({
      position: 'exact',
      'binary-log-file': 'bin.000002',
      'binary-log-position': '1320',
      gtid: '0-1-15',
      'gtid-of-source': '1-2-3',
    });
  });

  it('S6 MySQL: exact only where commits wait, as JSON or as text', async () => {
    const one = await server(mysql, noMembers);
    for (const answer of [own, JSON.stringify(own)]) {
      const ask = recorded({ 'SELECT LOCAL': [{ own: answer }] });
      const exact = { 'binary-log-file': 'binlog.000001', 'binary-log-position': '698', gtid: 'bcae73d9:1-2,cafe73d9:1-7' };
      expect(await positionFacts(ask, one, chooseMethod(one, 1))).toEqual({ position: 'exact', ...exact });
      const loose = await positionFacts(ask, one, chooseMethod(one, 0));
      expect(Object.keys(loose).toSorted()).toEqual([
        'binary-log-file-at-least',
        'binary-log-position-at-least',
        'gtid-at-least',
        'position',
      ]);
      expect(loose['position']).toMatch(/^that of the restored server/);
    }
  });

  it('S6 MySQL 5.7: from SHOW MASTER STATUS', async () => {
    const one = await server({ ...mysql, version: '5.7.44-log' }, noMembers);
    const ask = recorded({ 'SHOW MASTER STATUS': [{ ...status, Executed_Gtid_Set: 'bcae73d9:1-2,\ncafe73d9:1-7' }] });
    expect(await positionFacts(ask, one, chooseMethod(one, 0))).toMatchObject({ position: 'exact', gtid: 'bcae73d9:1-2,cafe73d9:1-7' });
  });

  it('S6 no binary log, no position; an unsynced one is warned of', async () => {
    const off = await server({ ...maria, log_bin: 'OFF' });
    expect(await positionFacts(recorded({}), off, chooseMethod(off, 0))).toEqual({ position: 'none, the binary log is off' });
    expect(syncWarning(off)).toBeUndefined();
    expect(syncWarning(await server(maria))).toMatch(/^sync_binlog is 0/);
    expect(syncWarning(await server({ ...maria, sync_binlog: '100' }))).toMatch(/^sync_binlog is 100/);
    expect(syncWarning(await server({ ...maria, sync_binlog: '1' }))).toBeUndefined();
  });
});

describe('a redo log that is written once a second', () => {
  const numbers = (written: number, onDisk: number): readonly Row[] => [
    { Type: 'InnoDB', Status: `---\nLOG\n---\nLog sequence number ${written}\nLog flushed up to   ${onDisk}\nPages flushed up to 40\n` },
  ];

  it('S6 MariaDB is waited for until what was written before the look is on disk', async () => {
    const one = await server({ ...maria, innodb_flush_log_at_trx_commit: '0' });
    const looks = [numbers(1000, 900), numbers(1100, 900), numbers(1200, 999), numbers(1300, 1000), numbers(0, 0)];
    let asked = 0;
    await settleRedoLog(async () => looks[asked++]!, one, 60);
    expect(asked).toBe(4);
    await expect(settleRedoLog(async () => numbers(1000, 900), one, 0)).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
  });

  it('S6 MySQL is told to write it, and nobody is asked where every commit does', async () => {
    const said: string[] = [];
    const ask: Ask = async (sql) => {
      said.push(sql);
      return [];
    };
    await settleRedoLog(ask, await server({ ...mysql, innodb_flush_log_at_trx_commit: '0' }, noMembers), 60);
    expect(said).toEqual(['FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS']);
    for (const value of ['1', '2'])
      await settleRedoLog(ask, await server({ ...mysql, innodb_flush_log_at_trx_commit: value }, noMembers), 60);
    expect(said.length).toBe(1);
  });
});
