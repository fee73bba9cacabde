// PostgreSQL as its own hot copy, as a new instance, and at moments of its log.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Instance, InstanceTarget, LogMark, PostgresSource } from '../../src/model/service.ts';
import type { RecordInfo } from '../../src/model/task.ts';
import { type Postgres, startPostgres } from '../beds/postgres.ts';
import { addressOf, ask, balance, createLedger, ledgerLoad } from '../beds/postgres-ledger.ts';
import { freePort } from '../beds/programs.ts';
import { full } from '../beds/task-runner.ts';
import { backupTask, testVault, type Vault } from '../beds/vault.ts';

let dir: string;
let from: Postgres;
let vault: Vault;
const started: Instance[] = [];

const source = (method: PostgresSource['method'], more: Partial<PostgresSource> = {}): PostgresSource => ({
  kind: 'postgres',
  method,
  server: addressOf(from),
  databases: [],
  ...more,
});

/** A backup of the log that begins where `since` ended. */
const logSince = async ({ tags }: RecordInfo, more: Partial<PostgresSource> = {}): Promise<RecordInfo> =>
  (await vault.run({ ...backupTask(source('incremental', more)), since: tags.logUntil! })).record!;

let made = 0;
const instanceOf = async (record: RecordInfo, more: Partial<InstanceTarget> = {}): Promise<Instance & { user: string; socket: string }> => {
  const target: InstanceTarget = {
    kind: 'instance',
    engine: 'postgres',
    method: 'physical',
    directory: join(dir, `instance-${made++}`),
    port: await freePort(),
    logs: [],
    ...more,
  };
  const { instance } = await vault.run({ type: 'restore', record: record.id, target, dryRun: false });
  started.push(instance!);
  return { ...instance!, user: 'postgres', socket: dirname(instance!.socket!) };
};

const isGone = (pid: number) => !existsSync(`/proc/${pid}`);

/** Nothing of ours is left at the server. */
const leftovers = () =>
  ask(
    from,
    "SELECT (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stillpoint')",
  );

beforeAll(async () => {
  dir = await mkdtemp('/tmp/postgres-physical-');
  await chmod(dir, 0o755);
  await mkdir(join(dir, 'from'));
  from = await startPostgres({ dir: join(dir, 'from'), options: { max_connections: '130', log_checkpoints: 'off', autovacuum: 'off' } });
  vault = testVault(join(dir, 'pool'), 'v', 'own password of the agent');
  await vault.create('RECOVERY-KEY');
  await createLedger(from);
}, 60_000);

afterEach(async () => {
  for (const { pid, directory } of started.splice(0)) {
    try {
      process.kill(pid, 'SIGQUIT');
    } catch {
      // it is gone
    }
    while (!isGone(pid)) await pause(20);
    await rm(directory, { recursive: true, force: true });
  }
});

afterAll(async () => {
  await from?.kill();
  await rm(dir, { recursive: true, force: true });
});

test('S11 B9 a hot copy under write load starts as a server of its own, whole; files copied while it runs do not', async () => {
  const space = join(dir, 'space');
  mkdirSync(space, { recursive: true });
  const { uid, gid } = statSync(from.data);
  chownSync(space, uid, gid);
  await ask(from, `CREATE TABLESPACE "else where" LOCATION '${space}'`);
  await ask(from, `CREATE TABLE apart TABLESPACE "else where" AS SELECT n, md5(n::text) FROM generate_series(1, 5000) n`);
  await ask(from, "ALTER SYSTEM SET archive_command = 'false'");
  const load = await ledgerLoad(from);
  const record = await vault.backup(source('physical'));
  const torn = await tornCopy();
  await load.stop();
  expect(record.tags.consistency).toBe('application');
  expect(record.tags.logUntil).toMatchObject({
    place: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
    server: expect.stringMatching(/^\d+\/1$/),
  });
  expect(await leftovers()).toEqual(['0|0']);

  const copy = await instanceOf(record);
  const [sum, rows] = (await balance(copy)).split('|').map(Number);
  expect(sum).toBe(0);
  expect(rows).toBeGreaterThan(0);
  expect(await ask(copy, "SELECT count(*), md5(string_agg(md5, ',' ORDER BY n)) FROM apart")).toEqual(
    await ask(from, "SELECT count(*), md5(string_agg(md5, ',' ORDER BY n)) FROM apart"),
  );
  // Nothing of the original is touched or taken over.
  expect(await ask(copy, "SELECT pg_tablespace_location(oid) LIKE '%instance%' FROM pg_tablespace WHERE spcname = 'else where'")).toEqual([
    'true',
  ]);
  expect(
    await ask(
      copy,
      "SELECT current_setting('archive_mode'), current_setting('archive_command'), current_setting('listen_addresses'), current_setting('max_connections')",
    ),
  ).toEqual(['off|(disabled)|127.0.0.1|130']);
  expect(readFileSync(join(copy.directory, 'data/postgresql.auto.conf.backup'), 'utf8')).toContain('archive_command');
  // Who has no password comes in by the socket only, and nobody else reaches that.
  await expect(ask({ ...copy, socket: '127.0.0.1' }, 'SELECT 1')).rejects.toThrow();
  expect(await ask({ ...copy, socket: '127.0.0.1', password: from.password }, 'SELECT 1')).toEqual(['1']);
  expect([copy.directory, copy.socket].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700]);
  const facts = JSON.parse(readFileSync(join(copy.directory, 'stillpoint-instance.json'), 'utf8'));
  expect(facts).toMatchObject({
    format: 1,
    engine: 'postgres',
    pid: copy.pid,
    port: copy.port,
    program: expect.stringMatching(/\/postgres$/),
    startedAt: expect.any(Number),
  });
  expect(execFileSync('bash', ['-c', `${copy.connect} -Atc 'SELECT 40 + 2'`], { encoding: 'utf8' }).trim()).toBe('42');

  expect(await verdictOn(torn), 'the negative control').not.toBe('whole');
  await ask(from, 'DROP TABLE apart');
  await ask(from, 'DROP TABLESPACE "else where"');
  await ask(from, 'ALTER SYSTEM RESET archive_command');
}, 120_000);

/** The data directory copied file by file while it is written to, without the log. */
async function tornCopy(): Promise<string> {
  const to = join(dir, 'torn');
  await mkdir(to);
  for (const name of await readdir(from.data)) {
    if (name === 'pg_wal') continue;
    await cp(join(from.data, name), join(to, name), { recursive: true, verbatimSymlinks: true }).catch(() => undefined);
  }
  for (const name of ['pg_wal', 'pg_wal/archive_status']) await mkdir(join(to, name));
  await rm(join(to, 'postmaster.pid'), { force: true });
  return to;
}

async function verdictOn(data: string): Promise<string> {
  const { uid, gid } = statSync(from.data);
  execFileSync('chown', ['-R', `${uid}:${gid}`, data]);
  chmodSync(data, 0o700);
  const bin = '/usr/lib/postgresql/15/bin/postgres';
  try {
    const sum = execFileSync(bin, ['--single', '-D', data, 'postgres'], {
      uid,
      gid,
      cwd: '/',
      input: 'SELECT 1;\n',
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    return sum.includes('1: ') ? 'whole' : 'silent';
  } catch {
    return 'does not start';
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

test('S11 a second hot copy stores what changed: 1 % of the pages, at random, under 8 %', async () => {
  await ask(from, 'DROP TABLE IF EXISTS pages; CREATE TABLE pages (id int PRIMARY KEY, filler text) WITH (fillfactor = 50)');
  await ask(
    from,
    "INSERT INTO pages SELECT n, (SELECT string_agg(md5(random()::text || n || m), '') FROM generate_series(1, 32) m) FROM generate_series(1, 48000) n",
  );
  await ask(from, 'VACUUM FREEZE pages');
  await ask(from, 'CHECKPOINT');
  const fresh = testVault(join(dir, 'pool'), 'pages', 'own password of the agent');
  await fresh.create('RECOVERY-KEY');
  const first = await fresh.backup(source('physical'));
  const [count] = await ask(from, "SELECT pg_relation_size('pages') / 8192");
  const changed = Math.round(Number(count) / 100);
  // Few enough that chance would move the share; the seed keeps it.
  await ask(
    from,
    `SELECT setseed(0.42); UPDATE pages SET filler = filler || 'x' WHERE id IN (SELECT 1 + floor(random() * 48000)::int FROM generate_series(1, ${changed}))`,
  );
  await ask(from, 'CHECKPOINT');
  const second = await fresh.backup(source('physical'));
  const share = second.summary!.dataAddedPacked / first.summary!.dataAddedPacked;
  console.log(
    `1 % of ${count} pages in chunks of 64 KiB (touched share ${(100 * (1 - 0.99 ** 8)).toFixed(1)} %): ${(100 * share).toFixed(2)} % stored`,
  );
  expect(share).toBeLessThan(0.08);
  await ask(from, 'DROP TABLE pages');
}, 120_000);

test('S11 B10 the log brings back any moment after the base: by time, by place, and the one before a table was dropped', async () => {
  const base = await vault.backup(source('physical'));
  await ask(from, 'DROP TABLE IF EXISTS steps; CREATE TABLE steps (n int)');
  const moments: { readonly time: number; readonly place: string; readonly n: number }[] = [];
  const note = async (n: number) => {
    const [row] = await ask(from, 'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000), pg_current_wal_insert_lsn()');
    const [time, place] = row!.split('|');
    moments.push({ time: Number(time), place: place!, n });
    await pause(30);
  };
  const load = await ledgerLoad(from);
  const logs: RecordInfo[] = [];
  for (let n = 1; n <= (full ? 20 : 6); n++) {
    await ask(from, `INSERT INTO steps VALUES (${n})`);
    await pause(20);
    await note(n);
    if (n === 2) await ask(from, 'ALTER TABLE steps ADD COLUMN more text');
    if (n % 2 === 0) logs.push(await logSince(logs.at(-1) ?? base));
  }
  await ask(from, 'DROP TABLE steps');
  await load.stop();
  await from.stop();
  await from.restart();
  const last = await logSince(logs.at(-1)!);
  logs.push(last);
  expect(await leftovers()).toEqual(['0|0']);
  expect(last.tags.logFrom).toEqual(logs.at(-2)!.tags.logUntil);

  const ids = logs.map(({ id }) => id);
  const asked = full ? moments : moments.filter(({ n }) => [1, 4, 6].includes(n));
  for (const { n, time, place } of asked) {
    const until = n % 2 === 0 && n !== 6 ? { place } : { time };
    const copy = await instanceOf(base, { logs: ids, until });
    expect(await ask(copy, 'SELECT max(n), count(*) FROM steps')).toEqual([`${n}|${n}`]);
    expect((await balance(copy)).split('|')[0]).toBe('0');
    // It is a server like any other from here on.
    await ask(copy, 'INSERT INTO steps VALUES (100)');
  }
  const end = await instanceOf(base, { logs: ids });
  expect(await ask(end, "SELECT to_regclass('steps') IS NULL")).toEqual(['true']);
  expect(await balance(end)).toBe(await balance(from));
  // A quiet end: nothing was committed between the last moment of the log and its end.
  const quiet = await instanceOf(base, { logs: ids, until: { time: last.tags.logUntil!.at } });
  expect(await balance(quiet)).toBe(await balance(from));

  const refused = (more: Partial<InstanceTarget>) => instanceOf(base, more);
  await expect(refused({ logs: ids, until: { time: last.tags.logUntil!.at + 60_000 } })).rejects.toMatchObject({
    code: 'POINT_UNREACHABLE',
  });
  await expect(refused({ logs: ids, until: { time: base.tags.logUntil!.at - 60_000 } })).rejects.toMatchObject({
    code: 'POINT_UNREACHABLE',
  });
  await expect(refused({ logs: ids, until: { place: '7FFFFFFF/0' } })).rejects.toMatchObject({ code: 'POINT_UNREACHABLE' });
  await expect(refused({ logs: ids, until: { gtid: '0-1-2' } })).rejects.toMatchObject({ code: 'USAGE' });
  await expect(refused({ logs: ids.slice(1) })).rejects.toMatchObject({ code: 'LOG_GAP' });
}, 900_000);

test('S11 a log that cannot be gone on from is told: a gap, another cluster, no base, no log at all', async () => {
  const base = await vault.backup(source('physical'));
  const count = (await vault.records()).length;
  const mark = base.tags.logUntil!;
  const with_ = (since?: LogMark) => vault.run({ ...backupTask(source('incremental')), ...(since && { since }) });
  await expect(with_()).rejects.toMatchObject({ code: 'LOG_BASE' });
  await expect(with_({ ...mark, server: '1/1' })).rejects.toMatchObject({
    code: 'LOG_GAP',
    message: expect.stringContaining('another cluster'),
  });
  await expect(with_({ ...mark, server: mark.server.replace(/\/1$/, '/7') })).rejects.toMatchObject({
    code: 'LOG_GAP',
    message: expect.stringContaining('time line'),
  });
  await expect(with_({ ...mark, place: '7FFFFFFF/0' })).rejects.toMatchObject({
    code: 'LOG_GAP',
    message: expect.stringContaining('set back'),
  });
  await expect(with_({ ...mark, place: '0/1000000' })).rejects.toMatchObject({
    code: 'LOG_GAP',
    message: expect.stringContaining('already been removed'),
  });
  await ask(from, "CREATE ROLE poor LOGIN PASSWORD 'poor'");
  const poor = { ...addressOf(from), user: 'poor', password: 'poor' };
  await expect(vault.backup(source('physical', { server: poor }))).rejects.toMatchObject({
    code: 'DATABASE_GRANTS',
    hint: expect.stringContaining('ALTER ROLE "poor" REPLICATION'),
  });
  expect(await vault.records()).toHaveLength(count);
  expect(await leftovers()).toEqual(['0|0']);
  // An account that may do no more than replicate can do both.
  await ask(from, 'ALTER ROLE poor REPLICATION');
  const copied = await vault.backup(source('physical', { server: poor }));
  await ask(from, 'CREATE TABLE late AS SELECT 5 AS n');
  // It may not close the segment, so the log ends in the middle of one.
  const log = await logSince(copied, { server: poor });
  expect(log.tags.logUntil!.place).not.toMatch(/000000$/);
  const copy = await instanceOf(copied, { logs: [log.id] });
  expect(await ask(copy, 'SELECT n FROM late')).toEqual(['5']);

  await ask(from, "ALTER SYSTEM SET wal_level = 'minimal'");
  await ask(from, 'ALTER SYSTEM SET max_wal_senders = 0');
  await from.stop();
  await from.restart();
  await expect(logSince(copied)).rejects.toMatchObject({ code: 'LOG_OFF' });
  await expect(vault.backup(source('physical'))).rejects.toMatchObject({ code: 'LOG_OFF' });
  await ask(from, 'ALTER SYSTEM RESET wal_level');
  await ask(from, 'ALTER SYSTEM RESET max_wal_senders');
  await from.stop();
  await from.restart();
}, 120_000);

test('S11 a standby can be copied, and a server that was restored itself goes on with a log of its own', async () => {
  await mkdir(join(dir, 'standby'));
  await ask(from, 'CREATE TABLE before AS SELECT 1 AS n');
  const standby = await startPostgres({ dir: join(dir, 'standby'), standbyOf: from, options: { max_connections: '130' } });
  let record: RecordInfo;
  try {
    record = await vault.backup(source('physical', { server: addressOf(standby) }));
  } finally {
    await standby.kill();
  }
  const copy = await instanceOf(record);
  expect(await ask(copy, 'SELECT n FROM before')).toEqual(['1']);

  // Time line 2 from here on.
  const log = await logSince(record);
  const second = await instanceOf(record, { logs: [log.id] });
  const server = { server: { socket: second.socket, port: second.port, user: second.user } };
  const base = await vault.backup(source('physical', server));
  expect(base.tags.logUntil!.server).toMatch(/\/2$/);
  await ask(second, 'CREATE TABLE after AS SELECT 2 AS n');
  const more = await logSince(base, server);
  await expect(logSince(record, server)).rejects.toMatchObject({ code: 'LOG_GAP' });
  const third = await instanceOf(base, { logs: [more.id] });
  expect(await ask(third, 'SELECT b.n, a.n FROM before b, after a')).toEqual(['1|2']);
}, 120_000);

test('B9 a directory that is not empty, a port that is taken and a version that is not there are refused before anything is written', async () => {
  const record = await vault.backup(source('physical'));
  const full = join(dir, 'full');
  mkdirSync(full);
  writeFileSync(join(full, 'mine'), '');
  await expect(instanceOf(record, { directory: full })).rejects.toMatchObject({ code: 'DIRECTORY_NOT_EMPTY' });
  expect(await readdir(full)).toEqual(['mine']);
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const directory = join(dir, 'never');
  await expect(instanceOf(record, { directory, port: (taken.address() as { port: number }).port })).rejects.toMatchObject({
    code: 'PORT_TAKEN',
  });
  taken.close();
  expect(existsSync(directory)).toBe(false);
  await expect(instanceOf(record, { directory, method: 'logical' })).rejects.toMatchObject({ code: 'NOT_IN_BACKUP' });
  // Nobody but root may pass here: the server's own user cannot.
  if (process.getuid!() === 0) {
    mkdirSync(join(dir, 'closed'), { mode: 0o700 });
    await expect(instanceOf(record, { directory: join(dir, 'closed', 'in') })).rejects.toMatchObject({
      code: 'INSTANCE_FAILED',
      message: expect.stringContaining('may not enter'),
    });
  }
}, 60_000);

test('B9 a dump becomes a server of its own, with its roles and their passwords, in a directory of any name', async () => {
  await ask(from, 'CREATE DATABASE second');
  await ask(from, 'CREATE TABLE t AS SELECT 7 AS n', 'second');
  const record = await vault.backup(source('logical'));
  const copy = await instanceOf(record, { method: 'logical', directory: join(dir, `a 'b',${'long'.repeat(20)}`) });
  expect(await balance(copy)).toBe(await balance(from));
  expect(await ask(copy, 'SELECT n FROM t', 'second')).toEqual(['7']);
  expect(await ask({ ...copy, socket: '127.0.0.1', password: from.password }, 'SELECT 1')).toEqual(['1']);
  await rm(copy.socket, { recursive: true, force: true });
}, 60_000);

test('S11 a server that is killed in the middle of a copy leaves no backup, no slot and no session', async () => {
  const count = (await vault.records()).length;
  let killed: Promise<void> | undefined;
  const running = vault.run(backupTask(source('physical')), {
    progress: ({ bytesDone }) => {
      if (bytesDone > 2e6) killed ??= from.kill();
    },
  });
  await expect(running).rejects.toMatchObject({ code: 'DATABASE_DOWN' });
  await killed;
  await from.restart();
  expect(await vault.records()).toHaveLength(count);
  expect(await leftovers()).toEqual(['0|0']);

  const cut = new AbortController();
  const cancelled = vault.run(backupTask(source('physical')), {
    signal: cut.signal,
    progress: ({ bytesDone }) => {
      if (bytesDone > 2e6) cut.abort();
    },
  });
  await expect(cancelled).rejects.toThrow();
  while ((await leftovers())[0] !== '0|0') await pause(50);
  expect(await vault.records()).toHaveLength(count);
}, 60_000);
