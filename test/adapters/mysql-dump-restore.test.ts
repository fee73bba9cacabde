// Logical backups of a real MariaDB, brought back into real servers.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import type { StoredObject } from '../../src/databases/mysql/dump/catalogue.ts';
import { liveDatabase } from '../../src/databases/mysql/dump/live.ts';
import { openLong } from '../../src/databases/mysql/dump/long-session.ts';
import { script } from '../../src/databases/mysql/dump/sql.ts';
import { switchOver } from '../../src/databases/mysql/dump/switch.ts';
import { settingsOf } from '../../src/databases/mysql/physical/access.ts';
import { readServer } from '../../src/databases/mysql/server.ts';
import type { MysqlSource, MysqlTarget } from '../../src/model/service.ts';
import type { RecordInfo } from '../../src/model/task.ts';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { nastySchema, nastyTable, stateOf } from '../beds/mysql-dump-schema.ts';
import { testVault, type Vault } from '../beds/vault.ts';

let home: string;
let live: SqlServer;
let fresh: SqlServer;
let vault: Vault;
let whole: RecordInfo;

const sourceOf = (server: SqlServer, more: Partial<MysqlSource> = {}): MysqlSource => ({
  ...{ kind: 'mysql', method: 'logical', databases: [], tables: [] },
  server: { socket: server.socket, user: 'root' },
  ...more,
});

const targetOf = (server: SqlServer, more: Partial<MysqlTarget> = {}): MysqlTarget => ({
  ...{ kind: 'mysql', databases: [], tables: [], as: {}, existing: 'refuse' },
  server: { socket: server.socket, user: 'root' },
  ...more,
});

const refusal = async (target: MysqlTarget, record = whole.id): Promise<string> =>
  vault.restore(record, target).then(
    () => 'none',
    (error: StillpointError) => `${error.code} ${error.message}`,
  );

/** What no restore may leave behind. */
const leftovers = async (server: SqlServer): Promise<unknown[]> => [...(await server.sql("SHOW DATABASES LIKE 'stillpoint%'"))];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'mdr-'));
  live = await startMariadb({ dir: join(home, 'live'), options: { 'log-bin': join(home, 'live/data/bin'), 'server-id': 3 } });
  fresh = await startMariadb({ dir: join(home, 'fresh') });
  vault = testVault(join(home, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
  await nastySchema(live);
  whole = await vault.backup(sourceOf(live));
}, 180_000);

afterAll(async () => {
  await live?.kill();
  await fresh?.kill();
  rmSync(home, { recursive: true, force: true });
});

describe('restores of MariaDB into a running server', () => {
  it('S4 B8 a schema with everything that makes dumps go wrong comes back whole, with its accounts', async () => {
    await vault.restore(whole.id, targetOf(fresh));
    const expected = await stateOf(live, 'nasty');
    expect(expected.size).toBe(30); // tables and their rows, views, triggers, routines …
    expect(await stateOf(fresh, 'nasty')).toEqual(expected);
    expect(await stateOf(fresh, 'empty-one')).toEqual(await stateOf(live, 'empty-one'));
    const grants = (server: SqlServer) => server.sql("SHOW GRANTS FOR 'app'@'10.%'");
    expect(await grants(fresh)).toEqual(await grants(live));
    expect(await fresh.sql('SHOW GRANTS FOR reader')).toEqual(await live.sql('SHOW GRANTS FOR reader'));
    expect(await leftovers(fresh)).toEqual([]);
  }, 120_000);

  it('B8 one table comes back alone, beside the rest or in place of it, with its triggers and its foreign keys', async () => {
    const before = await stateOf(live, 'nasty');
    await vault.restore(whole.id, targetOf(fresh, { tables: [{ database: 'nasty', table: nastyTable }], as: { nasty: 'one' } }));
    expect((await fresh.sql('SHOW TABLES FROM one')).map((row) => Object.values(row)[0])).toEqual([nastyTable]);
    expect((await stateOf(fresh, 'one')).get(`rows of ${nastyTable}`)).toBe(before.get(`rows of ${nastyTable}`));
    await fresh.sql(
      'DELETE FROM nasty.people; UPDATE nasty.parts SET t = 0; SET foreign_key_checks = 0; DELETE FROM nasty.egg; INSERT INTO nasty.hen VALUES (9, 9)',
    );
    const tables = ['people', 'egg'].map((table) => ({ database: 'nasty', table }));
    expect(await refusal(targetOf(fresh, { tables }))).toMatch(/TARGET_EXISTS .*nasty\.egg.*1 more/);
    await vault.restore(whole.id, targetOf(fresh, { tables, existing: 'replace' }));
    const after = await stateOf(fresh, 'nasty');
    for (const [what, text] of before) if (!/^rows of (hen|parts)$/.test(what)) expect([what, after.get(what)]).toEqual([what, text]);
    // The foreign key of a table that stayed looks at the new table: it holds, and it is that table's.
    expect(Number((await fresh.sql('SELECT COUNT(*) AS n FROM nasty.hen'))[0]!['n'])).toBe(2);
    await expect(fresh.sql('INSERT INTO nasty.hen VALUES (10, 4711)')).rejects.toThrow(/foreign key constraint/);
    expect(await leftovers(fresh)).toEqual([]);
  }, 120_000);

  it('B8 a database comes back under another name, and in place of one that was spoiled', async () => {
    await vault.restore(whole.id, targetOf(fresh, { databases: ['nasty'], as: { nasty: 'copy of it' } }));
    expect(await stateOf(fresh, 'copy of it')).toEqual(await stateOf(live, 'nasty'));
    await fresh.sql(`USE \`copy of it\`; DROP VIEW a_second; CREATE TABLE a_second (id INT); DROP TABLE people; CREATE VIEW people AS SELECT 1 AS one;
      DROP FUNCTION twice; CREATE FUNCTION twice(n INT) RETURNS INT RETURN 0; ALTER EVENT nightly ON SCHEDULE EVERY 2 DAY; CREATE TABLE mine (id INT);
      CREATE TRIGGER spoiler BEFORE INSERT ON parts FOR EACH ROW SET NEW.t = 0`);
    const target = targetOf(fresh, { databases: ['nasty'], as: { nasty: 'copy of it' } });
    expect(await refusal(target)).toMatch(/TARGET_EXISTS/);
    await vault.restore(whole.id, { ...target, existing: 'replace' });
    const after = new Map(await stateOf(fresh, 'copy of it'));
    // What the backup does not have stays.
    expect(after.delete('TABLE mine') && after.delete('rows of mine')).toBe(true);
    expect(after).toEqual(await stateOf(live, 'nasty'));
    expect(await leftovers(fresh)).toEqual([]);
  }, 120_000);

  it('B8 a plan says what would be made and replaced, and writes nothing', async () => {
    const before = await fresh.sql('SHOW DATABASES');
    const target = targetOf(fresh, { databases: ['nasty'], as: { nasty: 'planned' } });
    const { steps = [] } = await vault.run({ type: 'restore', record: whole.id, target, dryRun: true });
    expect(steps).toContainEqual({ action: 'create', path: 'database planned', bytes: 0 });
    expect(steps.find(({ path }) => path === 'table planned.kinds')).toMatchObject({ action: 'create', bytes: expect.any(Number) });
    expect(await fresh.sql('SHOW DATABASES')).toEqual(before);
    const again = targetOf(fresh, { tables: [{ database: 'nasty', table: 'kinds' }], existing: 'replace' });
    const replacing = await vault.run({ type: 'restore', record: whole.id, target: again, dryRun: true });
    expect(replacing.steps!.map(({ action }) => action)).toEqual(['replace']);
  }, 60_000);

  it('B8 what cannot be is refused before anything is touched', async () => {
    expect(await refusal(targetOf(fresh, { databases: ['nobody'] }))).toMatch(/NOT_IN_BACKUP.*nobody/);
    expect(await refusal(targetOf(fresh, { tables: [{ database: 'nasty', table: 'nobody' }] }))).toMatch(/NOT_IN_BACKUP.*nasty\.nobody/);
    expect(await refusal(targetOf(fresh, { databases: ['nasty'], as: { nasty: 'mysql' } }))).toMatch(/USAGE.*server itself/);
    expect(await refusal(targetOf(fresh, { databases: ['nasty', 'empty-one'], as: { nasty: 'x', 'empty-one': 'x' } }))).toMatch(
      /USAGE.*two databases/,
    );
    await fresh.sql("CREATE USER poor@localhost IDENTIFIED BY 'poor'; GRANT SELECT, CREATE, INSERT ON *.* TO poor@localhost");
    const before = await fresh.sql('SHOW DATABASES');
    const poor = { socket: fresh.socket, user: 'poor', password: 'poor' };
    expect(await refusal(targetOf(fresh, { server: poor, databases: ['nasty'], as: { nasty: 'never' } }))).toMatch(
      /DATABASE_RIGHT poor may not/,
    );
    await fresh.sql('GRANT ALL ON *.* TO poor@localhost; REVOKE SUPER, SET USER ON *.* FROM poor@localhost');
    expect(await refusal(targetOf(fresh, { server: poor, databases: ['nasty'], as: { nasty: 'never' } }))).toMatch(
      /DATABASE_RIGHT poor may not/,
    );
    await fresh.sql('DROP USER poor@localhost; SELECT 1');
    expect(await fresh.sql("SHOW DATABASES LIKE 'never'")).toEqual([]);
    expect((await fresh.sql('SHOW DATABASES')).filter((row) => !/^stillpoint_restore/.test(String(row['Database'])))).toEqual(before);
  }, 60_000);

  it('B8 a restore that fails while it loads leaves the server as it was: a cut connection, a stop', async () => {
    await live.sql(`CREATE DATABASE heavy; USE heavy; CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(300));
      INSERT INTO t SELECT seq, CONCAT(SHA2(seq, 512), SHA2(seq + 0.5, 512)) FROM seq_1_to_60000; CREATE PROCEDURE p() SELECT 1`);
    const { id } = await vault.backup(sourceOf(live, { databases: ['heavy'] }));
    await fresh.sql('CREATE DATABASE heavy; CREATE TABLE heavy.t (id INT PRIMARY KEY, note TEXT); INSERT INTO heavy.t VALUES (1, "mine")');
    const before = await stateOf(fresh, 'heavy');
    const databases = await fresh.sql('SHOW DATABASES');
    const target = targetOf(fresh, { databases: ['heavy'], existing: 'replace' });
    const untouched = async () => {
      expect(await stateOf(fresh, 'heavy')).toEqual(before);
      expect(await fresh.sql('SHOW DATABASES')).toEqual(databases);
    };
    const loading = "SELECT ID FROM information_schema.PROCESSLIST WHERE DB LIKE 'stillpoint_restore%' AND INFO LIKE 'INSERT INTO %'";
    const whileItLoads = async (work: (id: string) => Promise<unknown>) => {
      for (;;) {
        const [row] = await fresh.sql(loading);
        if (row) return work(String(row['ID']));
        await pause(5);
      }
    };
    const cut = whileItLoads((connection) => fresh.sql(`KILL ${connection}`));
    expect(await refusal(target, id)).toMatch(/DATABASE_DOWN/);
    await cut;
    await untouched();
    const stop = new AbortController();
    const stopping = whileItLoads(async () => stop.abort(new Error('called off')));
    await expect(vault.run({ type: 'restore', record: id, target, dryRun: false }, { signal: stop.signal })).rejects.toThrow();
    await stopping;
    await untouched();
    await vault.restore(id, target);
    expect(await stateOf(fresh, 'heavy')).toEqual(await stateOf(live, 'heavy'));
  }, 120_000);

  it('B8 what fails when tables change places is taken back, with triggers, views, routines and foreign keys', async () => {
    await fresh.sql('CREATE DATABASE back');
    await vault.restore(whole.id, targetOf(fresh, { databases: ['nasty'], as: { nasty: 'back' }, existing: 'replace' }));
    const tables = ['people', 'egg'];
    await fresh.sql(`CREATE DATABASE stillpoint_restore_0000000f_0; USE stillpoint_restore_0000000f_0;
      CREATE TABLE people (id INT PRIMARY KEY); CREATE TABLE egg (id INT PRIMARY KEY)`);
    const before = await stateOf(fresh, 'back');
    const settings = settingsOf({ socket: fresh.socket, user: 'root' });
    const session = await openLong(settings, new AbortController().signal, 30_000);
    await session.ask('SET SESSION foreign_key_checks = 0');
    const own = whole as unknown as StoredObject['node'];
    const objects = [
      ...tables.map((name) => ({ kind: 'schema', name, node: own })),
      { kind: 'view', name: 'a_second', node: own },
    ] as StoredObject[];
    const database = { name: 'nasty', own, objects, whole: true, target: 'back' };
    const move = {
      ...{
        database,
        live: await liveDatabase(session.ask, 'back'),
        staged: 'stillpoint_restore_0000000f_0',
        aside: 'stillpoint_before_0000000f_0',
      },
      programs: [{ kind: 'function', name: 'twice', text: script(['CREATE FUNCTION twice(n INT) RETURNS INT RETURN 7']) }],
      views: [{ kind: 'view', name: 'a_second', text: script(['CREATE VIEW a_second AS SELECT 5 AS five']) }],
      triggers: [
        {
          kind: 'triggers',
          name: 'people',
          text: script(['CREATE TRIGGER wrong BEFORE INSERT ON people FOR EACH ROW SET NEW.nothing = 1']),
        },
      ],
    };
    const notUndone: unknown[] = [];
    const server = await readServer(session.ask);
    const doing = { ask: session.ask, server, warn: () => undefined, create: async () => undefined };
    await expect(switchOver([move], doing, (error) => notUndone.push(error))).rejects.toThrow(/nothing/);
    expect(notUndone).toEqual([]);
    session.close();
    expect(await stateOf(fresh, 'back')).toEqual(before);
    await fresh.sql('DROP DATABASE IF EXISTS stillpoint_before_0000000f_0');
    // What a restore left that was killed is removed by the next one.
    await vault.restore(whole.id, targetOf(fresh, { databases: ['empty-one'], as: { 'empty-one': 'next' } }));
    expect(await leftovers(fresh)).toEqual([]);
  }, 60_000);
});
