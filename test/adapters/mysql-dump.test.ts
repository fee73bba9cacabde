// Logical backups of a real MariaDB under load: one moment, nothing twice, nothing half, and no password where others look.
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import { evenStatements } from '../../src/databases/mysql/dump/rows.ts';
import { everyRow, splitDump } from '../../src/databases/mysql/dump/split.ts';
import type { MysqlSource, TableName } from '../../src/model/service.ts';
import type { RecordInfo } from '../../src/model/task.ts';
import { createLedger, ledgerLoad, sums } from '../beds/ledger.ts';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { processes } from '../beds/processes.ts';
import { findIn, watchProcesses } from '../beds/secret-watch.ts';
import { full } from '../beds/task-runner.ts';
import { backupTask, testVault, type Vault } from '../beds/vault.ts';

let home: string;
let live: SqlServer;
let fresh: SqlServer;
let vault: Vault;

const password = 'tr0ub4dor "&" \\3#; \'x';

const sourceOf = (more: Partial<MysqlSource> = {}): MysqlSource => ({
  ...{ kind: 'mysql', method: 'logical', databases: [], tables: [] },
  server: { socket: live.socket, user: 'keeper', password },
  ...more,
});

const into = async (record: RecordInfo, as: Record<string, string> = {}) =>
  vault.restore(record.id, {
    kind: 'mysql',
    server: { socket: fresh.socket, user: 'root' },
    databases: Object.keys(as),
    tables: [],
    as,
    existing: 'replace',
  });

/** The error of a backup; and no backup is there. */
async function refusal(source: MysqlSource, meanwhile: () => Promise<unknown> = async () => undefined): Promise<StillpointError> {
  const before = (await vault.records()).length;
  const [error] = await Promise.all([
    vault.backup(source).then(
      () => new Error('it was backed up'),
      (reason: StillpointError) => reason,
    ),
    meanwhile(),
  ]);
  expect(await vault.records()).toHaveLength(before);
  expect(processes().filter(({ words }) => words[0]?.endsWith('mariadb-dump'))).toEqual([]);
  return error as StillpointError;
}

/** Runs `work` while the dump waits for the table `name`, then lets it go on. */
async function whileItWaits(name: string, work: () => Promise<unknown>): Promise<void> {
  const session = await live.connect();
  await session.query(`LOCK TABLES ${name} WRITE`);
  waiting = (async () => {
    while (
      (await live.sql("SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%' AND USER = 'keeper'")).length ===
      0
    )
      await pause(20);
    try {
      await work();
    } finally {
      session.destroy();
    }
  })();
}
let waiting: Promise<void>;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'md-'));
  live = await startMariadb({ dir: join(home, 'live'), options: { 'log-bin': join(home, 'live/data/bin'), 'server-id': 3 } });
  fresh = await startMariadb({ dir: join(home, 'fresh') });
  vault = testVault(join(home, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
  const session = await live.connect();
  await session.query('CREATE USER keeper@localhost IDENTIFIED BY ?', [password]);
  await session.query('GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, PROCESS ON *.* TO keeper@localhost');
  await session.query(
    'CREATE DATABASE steps; CREATE TABLE steps.a (id INT PRIMARY KEY); CREATE TABLE steps.m LIKE steps.a; CREATE TABLE steps.z LIKE steps.a',
  );
  await session.query('INSERT INTO steps.a VALUES (1); INSERT INTO steps.m VALUES (1); INSERT INTO steps.z VALUES (1)');
  await session.end();
}, 180_000);

afterAll(async () => {
  await live?.kill();
  await fresh?.kill();
  rmSync(home, { recursive: true, force: true });
});

const names = ['one', 'two', 'three'];

/** Every transaction takes from one table what it gives to another. */
async function accountsLoad(): Promise<() => Promise<void>> {
  await live.sql(
    `CREATE DATABASE accounts; USE accounts; ${names.map((name) => `CREATE TABLE ${name} (id INT AUTO_INCREMENT PRIMARY KEY, amount INT, note CHAR(200))`).join(';')}`,
  );
  let running = true;
  const works = [0, 1].map(async (self) => {
    const session = await live.connect();
    for (let i = self; running; i++) {
      const [from, to] = [names[i % 3], names[(i + 1) % 3]];
      await session.query(`BEGIN; INSERT INTO accounts.${from} (amount, note) VALUES (${-i - 1}, REPEAT('x', 200))`);
      await session.query(`INSERT INTO accounts.${to} (amount, note) VALUES (${i + 1}, REPEAT('y', 200)); COMMIT`);
    }
    session.destroy();
  });
  await pause(700);
  return async () => {
    running = false;
    await Promise.all(works);
  };
}

const balance = async (database: string): Promise<{ sum: number; rows: number }> => {
  const all = names.map((name) => `SELECT amount FROM ${database}.${name}`).join(' UNION ALL ');
  const [row] = await fresh.sql(`SELECT COALESCE(SUM(amount), 0) AS s, COUNT(*) AS n FROM (${all}) AS t`);
  return { sum: Number(row!['s']), rows: Number(row!['n']) };
};

/** `text` in pieces of any length. */
async function* inPieces(text: Buffer, random: () => number): AsyncGenerator<Buffer> {
  for (let at = 0; at < text.length; ) {
    const length = Math.ceil(random() * random() * 60_000);
    yield text.subarray(at, at + length);
    at += length;
  }
}

const lcg = (seed: number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 1) / 2 ** 32;
  };
};

async function gather(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('logical backups of MariaDB', () => {
  it('S4 a dump is cut into the same tables and statements however it comes, and one that is cut short into none', async () => {
    const rows = Array.from({ length: 40_000 }, (_, i) => `(${i},'${createHash('md5').update(String(i)).digest('hex').repeat(2)}')`);
    const text = (each: number) => {
      const statements: string[] = [];
      for (let i = 0; i < rows.length; i += each) statements.push(`INSERT INTO \`b\` VALUES\n${rows.slice(i, i + each).join(',\n')};\n`);
      const head = (table: string) => `\n--\n-- Dumping data for table \`${table}\`\n--\n-- WHERE:  ${everyRow('nonce')}\n\n`;
      const use = '\n--\n-- Current Database: `d`\n--\n\nUSE `d`;\n';
      const end = '/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n\n-- Dump completed on now\n';
      return `-- top\n${use}${head('a')}${head('b')}${statements.join('')}${head('c')}INSERT INTO \`c\` VALUES\n(1);\n${end}`;
    };
    const tables = ['a', 'b', 'c'].map((table) => ({ database: 'd', table }));
    const cut = async (dump: string, random: () => number) => {
      const found: string[] = [];
      for await (const table of splitDump(inPieces(Buffer.from(dump), random), 'nonce', tables, 'test').tables)
        found.push((await gather(evenStatements(table.rows, table.table))).toString());
      return found;
    };
    const once = await cut(text(9000), () => 0.99);
    expect(once[0]).toBe('');
    expect(once[1]!.replaceAll(';\nINSERT INTO `b` VALUES\n', ',\n')).toBe(`INSERT INTO \`b\` VALUES\n${rows.join(',\n')};\n`);
    expect(once[1]!.match(/^INSERT/gm)!.length).toBeGreaterThan(3);
    expect(once[2]).toBe('INSERT INTO `c` VALUES\n(1);\n');
    for (let seed = 1; seed < 12; seed++) expect(await cut(text(1000 * seed), lcg(seed))).toEqual(once);
    const whole = text(9000);
    for (const length of [whole.length - 1, whole.length - 30, whole.length - 80, whole.length >> 1, 60])
      await expect(cut(whole.slice(0, length), lcg(1))).rejects.toMatchObject({
        code: expect.stringMatching(/TOOL_FAILED|DATABASE_CHANGED/),
      });
  });

  it('S4 under load all tables are of one moment, which the log names; tables one after another are not', async () => {
    const stop = await accountsLoad();
    const together = await vault.backup(sourceOf({ databases: ['accounts'] }));
    const apart: RecordInfo[] = [];
    for (const table of names) apart.push(await vault.backup(sourceOf({ tables: [{ database: 'accounts', table } satisfies TableName] })));
    await stop();
    await into(together);
    const { sum, rows } = await balance('accounts');
    expect(rows).toBeGreaterThan(10);
    expect(sum).toBe(0);
    for (const record of apart) await into(record, { accounts: 'control' });
    expect((await balance('control')).sum).not.toBe(0);
    // All that the log has before the place is in it, nothing of what comes after.
    const { place = '', gtid = '', server } = together.tags.logUntil!;
    const [file, position] = place.split(':');
    const [row] = await live.sql(`SELECT BINLOG_GTID_POS('${file}', ${position}) AS gtid, @@server_uid AS server`);
    expect({ gtid, server }).toEqual(row);
    expect(Number(gtid.split('-')[2])).toBeGreaterThan(rows / 2);
    expect(together.tags.consistency).toBe('application');
  }, 120_000);

  it('S4 tables without transactions are of that moment too, and the backup says what it did to them', async () => {
    await createLedger(live);
    const load = await ledgerLoad(live);
    const record = await vault.backup(sourceOf({ databases: ['ledger'] }));
    await load.stop();
    await into(record);
    expect(await sums(fresh)).toEqual([0, 0, 0]);
    expect(vault.warnings.map(({ detail }) => detail)).toContainEqual(
      expect.stringMatching(/without transactions wait.*ledger\.Aria \(Aria\).*MyISAM/),
    );
    expect(JSON.parse((await vault.cat(record.id, '/mysql/backup.json')).toString())).toMatchObject({
      format: 1,
      moment: expect.stringMatching(/read lock on 2 tables/),
    });
  }, 120_000);

  it('S4 what did not change is not stored again, and one row more at the front of a table costs little', async () => {
    const rows = full ? 5_000_000 : 60_000;
    await live.sql(`CREATE DATABASE large; USE large; CREATE TABLE large.t (id INT PRIMARY KEY, a CHAR(32), b VARCHAR(300), KEY (a));
      INSERT INTO large.t SELECT seq + 10, MD5(seq), CONCAT(SHA2(seq, 512), SHA2(seq + 0.5, 512)) FROM seq_1_to_${rows}`);
    const first = await vault.backup(sourceOf({ databases: ['large'] }));
    expect(first.summary!.dataAdded).toBeGreaterThan(rows * 200);
    const second = await vault.backup(sourceOf({ databases: ['large'] }));
    expect(second.summary!.dataAdded).toBeLessThan(first.summary!.dataAdded * 0.02);
    await live.sql("INSERT INTO large.t VALUES (1, 'new', 'at the front')");
    const third = await vault.backup(sourceOf({ databases: ['large'] }));
    expect(third.summary!.dataAdded).toBeLessThan(9 << 20);
    const file = await vault.cat(third.id, '/mysql/databases/large/t.data.sql');
    const before = await vault.cat(second.id, '/mysql/databases/large/t.data.sql');
    const breaks = (text: Buffer) => new Set(text.toString('latin1').match(/VALUES\n\(\d+/g));
    expect(breaks(before).size).toBeGreaterThan(rows / 10_000);
    expect([...breaks(before)].filter((one) => !breaks(file).has(one)).length).toBeLessThan(4);
    expect(file.toString('latin1').match(/^\(/gm)).toHaveLength(rows + 1);
    await into(third);
    expect((await fresh.sql('CHECKSUM TABLE large.t'))[0]!['Checksum']).toBe((await live.sql('CHECKSUM TABLE large.t'))[0]!['Checksum']);
  }, 600_000);

  it('S4 unknown names, missing rights, a missing tool and a busy server are refused with what to do', async () => {
    expect(await refusal(sourceOf({ databases: ['nobody'] }))).toMatchObject({
      code: 'DATABASE_UNKNOWN',
      message: expect.stringMatching(/has no database nobody/),
    });
    expect(await refusal(sourceOf({ tables: [{ database: 'steps', table: 'q' }] }))).toMatchObject({
      message: expect.stringMatching(/no table steps\.q/),
    });
    await live.sql('CREATE USER poor@localhost; GRANT SELECT, TRIGGER, SHOW VIEW ON `st_ps`.* TO poor@localhost');
    const poor = { socket: live.socket, user: 'poor' };
    const error = await refusal(sourceOf({ server: poor, databases: ['steps'] }));
    expect(error).toMatchObject({
      code: 'DATABASE_GRANTS',
      message: expect.stringMatching(/EVENT ON `steps`\.\*; SELECT ON `mysql`\.`proc`/),
    });
    for (const statement of error.hint.match(/GRANT [^;]*;/g)!) await live.sql(statement);
    expect((await vault.backup(sourceOf({ server: poor, databases: ['steps'] }))).paths).toEqual(['/mysql']);
    expect(await refusal(sourceOf({ server: poor }))).toMatchObject({
      code: 'DATABASE_GRANTS',
      hint: expect.stringMatching(/GRANT SELECT, SHOW VIEW, TRIGGER, EVENT.* ON \*\.\* TO 'poor'@'localhost'/),
    });
    const path = process.env['PATH'];
    process.env['PATH'] = home;
    const missing = await refusal(sourceOf({ databases: ['steps'] }));
    process.env['PATH'] = path!;
    expect(missing).toMatchObject({ code: 'TOOL_MISSING', hint: expect.stringMatching(/mariadb-client/) });
    const session = await live.connect();
    await live.sql('CREATE TABLE steps.n (id INT) ENGINE = MyISAM');
    await session.query('LOCK TABLES steps.n WRITE');
    expect(await refusal(sourceOf({ tables: [{ database: 'steps', table: 'n' }] }))).toMatchObject({ code: 'DATABASE_BUSY' });
    session.destroy();
    await live.sql('DROP TABLE steps.n');
  }, 120_000);

  it('S4 the password stands in no command line, no environment, and in no file while the dump reads', async () => {
    const watch = watchProcesses();
    let files: string[] = [];
    await whileItWaits('steps.m', async () => {
      const dump = processes().find(({ words }) => words[0]?.endsWith('mariadb-dump'))!;
      files = dump.words.filter((word) => word.startsWith('--defaults-file=')).map((word) => word.slice('--defaults-file='.length));
      expect(files.filter((file) => existsSync(file))).toEqual([]);
      expect(readFileSync(`/proc/${dump.pid}/environ`, 'latin1')).not.toContain('tr0ub4dor');
    });
    await Promise.all([vault.backup(sourceOf({ databases: ['steps'] })), waiting]);
    watch.stop();
    expect(files).toHaveLength(1);
    expect([...watch.seen].flatMap(([text, where]) => findIn(new Map([['password', 'tr0ub4dor']]), where, text))).toEqual([]);
  }, 60_000);

  it('S4 a table that is altered, rights that are lost, a cut connection, a stop: no backup, and the error says why', async () => {
    const tried = async (work: () => Promise<unknown>) => {
      await whileItWaits('steps.m', work);
      return refusal(sourceOf({ databases: ['steps'] }), () => waiting);
    };
    const changed = (detail: RegExp) => ({ code: 'DATABASE_CHANGED', message: expect.stringMatching(detail) });
    expect(await tried(() => live.sql('ALTER TABLE steps.z ADD COLUMN more INT'))).toMatchObject(changed(/steps\/z\.schema\.sql/));
    expect(await tried(() => live.sql('CREATE TABLE steps.n (id INT)'))).toMatchObject(changed(/steps\/n\.schema\.sql/));
    expect(await tried(() => live.sql('CREATE PROCEDURE steps.p() SELECT 1'))).toMatchObject(changed(/steps\/p\.procedure\.sql/));
    await live.sql(
      'DROP TABLE steps.n; REVOKE ALL, GRANT OPTION FROM keeper@localhost; GRANT SELECT ON mysql.* TO keeper@localhost; GRANT ALL ON steps.* TO keeper@localhost',
    );
    expect(await tried(() => live.sql('REVOKE ALL ON steps.* FROM keeper@localhost'))).toMatchObject({
      code: 'DATABASE_RIGHT',
      message: expect.stringMatching(/keeper may not.*denied/),
    });
    await live.sql('GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, PROCESS ON *.* TO keeper@localhost');
    const cut = async () => {
      const rows = await live.sql(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%' AND USER = 'keeper'",
      );
      for (const { ID } of rows) await live.sql(`KILL ${ID}`);
    };
    expect(await tried(cut)).toMatchObject({ code: 'DATABASE_DOWN' });
    const stop = new AbortController();
    await whileItWaits('steps.m', async () => stop.abort(new Error('called off')));
    await expect(vault.run(backupTask(sourceOf({ databases: ['steps'] })), { signal: stop.signal })).rejects.toThrow();
    await waiting;
    expect(processes().filter(({ words }) => words[0]?.endsWith('mariadb-dump'))).toEqual([]);
    await whileItWaits('steps.m', () => live.kill());
    waiting.catch(() => undefined);
    expect(await refusal(sourceOf({ databases: ['steps'] }))).toMatchObject({ code: 'DATABASE_DOWN' });
  }, 120_000);
});
