// Backup mode on a real PostgreSQL: what is learned, what proves it, and that it always ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chown, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { postgresFreezer } from '../../src/databases/postgres/freeze.ts';
import { uncovered } from '../../src/engine/covered.ts';
import type { DatabaseSettings } from '../../src/ports/database.ts';
import type { FreezeLimit, Quiescer } from '../../src/ports/quiescer.ts';
import { type Postgres, startPostgres } from '../beds/postgres.ts';
import { quiescerContract } from '../contract/quiescer.ts';

let dir: string;
let server: Postgres;
let quiescers: Quiescer[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'postgres-freeze-'));
  server = await startPostgres({ dir });
});

afterEach(async () => {
  for (const quiescer of quiescers) await quiescer.thaw();
  quiescers = [];
});

afterAll(async () => {
  await server?.stop();
  await rm(dir, { recursive: true, force: true });
});

const login = (more: DatabaseSettings = {}): DatabaseSettings => ({
  user: server.user,
  password: server.password,
  socket: server.socket,
  port: String(server.port),
  ...more,
});

function quiescerOf(settings = login(), tell: (line: string) => void = () => undefined): Quiescer {
  const quiescer = postgresFreezer.quiescer(settings, tell);
  quiescers.push(quiescer);
  return quiescer;
}

const within = (ms: number, signal = new AbortController().signal): FreezeLimit => ({ deadline: systemClock.boottime() + ms, signal });

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: StillpointError) => `${error.code} ${error.message}`,
  );

/** The sessions of the freezer that the server knows. */
const sessions = async (): Promise<number> =>
  Number(await server.sql(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stillpoint'`));

/** The session that a backup hangs on: the one that did not ask last. */
const holder = () =>
  server.sql(`SELECT pid FROM pg_stat_activity WHERE application_name = 'stillpoint' AND query LIKE '%set_config%statement_timeout%'`);

describe('PostgreSQL in backup mode', () => {
  // It stops no writes: what is to be seen is the session that the backup hangs on.
  quiescerContract('postgres', async () => ({
    quiescer: quiescerOf(),
    isStill: async () => (await sessions()) > 0,
    breakIn: async () => void (await server.sql(`SELECT pg_terminate_backend(${await holder()}, 10000)`)),
    remove: async () => undefined,
  }));

  it('A1 start and stop give the WAL range, the label byte for byte and where everything lies', async () => {
    await server.sql(`CREATE TABLE IF NOT EXISTS t (n int)`);
    const said: string[] = [];
    const quiescer = quiescerOf(login(), (line) => said.push(line));
    const before = await server.sql('SELECT pg_current_wal_lsn()');
    const facts = await quiescer.freeze(within(60_000));
    await quiescer.held();
    await server.sql('INSERT INTO t SELECT generate_series(1, 1000)');
    await quiescer.held();
    const after = await quiescer.thaw();

    expect(facts).toMatchObject({ role: 'primary', archiveMode: 'off', dataDirectory: server.data, oneFileSystem: 'yes' });
    expect(facts['walDirectory']).toBe(join(server.data, 'pg_wal'));
    expect(JSON.parse(facts['files/postgres']!)).toEqual([
      { holds: 'its data', path: server.data },
      { holds: 'its WAL', path: join(server.data, 'pg_wal') },
    ]);
    expect(facts['version']).toMatch(/^\d+\.\d+/);
    expect(facts['systemIdentifier']).toMatch(/^\d{15,}$/);
    expect(facts['timeline']).toBe('1');
    const order = `SELECT '${before}'::pg_lsn <= '${facts['startLsn']}' AND '${facts['startLsn']}'::pg_lsn < '${after['stopLsn']}'`;
    expect(await server.sql(order)).toBe('t');
    const label = Buffer.from(after['backupLabel']!, 'base64').toString();
    expect(label).toContain(`START WAL LOCATION: ${facts['startLsn']} `);
    expect(label).toContain(`LABEL: ${facts['label']}\n`);
    expect(after['tablespaceMap']).toBe('');
    expect(await sessions()).toBe(0);
    expect(said.join('\n')).toContain(`backup from ${facts['startLsn']}`);
    expect(said.join('\n')).not.toContain(server.password);
  });

  it('A1 tablespaces are told with their places and come back as a map', async () => {
    const space = join(dir, 'späce');
    const { uid, gid } = await stat(server.data);
    await mkdir(space);
    await chown(space, uid, gid);
    await server.sql(`CREATE TABLESPACE elsewhere LOCATION '${space}'`);
    const quiescer = quiescerOf();
    const facts = await quiescer.freeze(within(60_000));
    const oid = await server.sql(`SELECT oid FROM pg_tablespace WHERE spcname = 'elsewhere'`);
    expect(facts[`tablespace/${oid}`]).toBe(space);
    expect(JSON.parse(facts['files/postgres']!)).toContainEqual({ holds: 'a tablespace', path: space });
    expect(uncovered({ postgres: facts }, (path) => path.startsWith(server.data))).toBe(
      `postgres keeps a tablespace in ${space}, which is not in this backup`,
    );
    const { tablespaceMap } = await quiescer.thaw();
    expect(Buffer.from(tablespaceMap!, 'base64').toString()).toBe(`${oid} ${space}\n`);
    await server.sql('DROP TABLESPACE elsewhere');
  });

  it('A3 thaw is idempotent, comes within 5 s, and a freeze works again after it', async () => {
    const quiescer = quiescerOf();
    expect(await quiescer.thaw()).toEqual({});
    for (const _ of [1, 2]) {
      await quiescer.freeze(within(60_000));
      const begun = performance.now();
      expect((await quiescer.thaw())['stopLsn']).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
      expect(performance.now() - begun).toBeLessThan(5000);
      expect(await quiescer.thaw()).toEqual({});
      expect(await refusal(quiescer.held())).toMatch(/^FREEZE_LOST /);
    }
    expect(await sessions()).toBe(0);
  });

  it('A2 a session that somebody ends is a freeze that was lost, with the reason', async () => {
    const quiescer = quiescerOf();
    await quiescer.freeze(within(60_000));
    await quiescer.held();
    expect(await server.sql(`SELECT pg_terminate_backend(${await holder()}, 10000)`)).toBe('t');
    expect(await refusal(quiescer.held())).toMatch(/^FREEZE_LOST postgres did not stay frozen: .*session of the backup/);
    expect(await quiescer.thaw()).toEqual({});
    expect(await sessions()).toBe(0);
  });

  it('A2 a deadline that has passed is a freeze that was lost, and the server itself ends it', async () => {
    const quiescer = quiescerOf();
    await quiescer.freeze(within(1500));
    await expect.poll(() => server.log(), { timeout: 20_000 }).toContain('due to idle-session timeout');
    expect(await refusal(quiescer.held())).toMatch(/FREEZE_LOST .*idle-session timeout|FREEZE_LOST .*gone from the server/);
    expect(await sessions()).toBe(1);
    expect(await quiescer.thaw()).toEqual({});
    expect(await sessions()).toBe(0);
  });

  it('A3 SIGKILL of the process that holds it ends the backup at the server', async () => {
    const script = join(dir, 'hold.mjs');
    const ready = join(dir, 'ready');
    const source = new URL('../../src/databases/postgres/freeze.ts', import.meta.url).pathname;
    const clock = new URL('../../src/base/system-clock.ts', import.meta.url).pathname;
    await writeFile(
      script,
      `import { readFileSync, writeFileSync } from 'node:fs';
       const { postgresFreezer } = await import('${source}');
       const { systemClock } = await import('${clock}');
       const quiescer = postgresFreezer.quiescer(JSON.parse(readFileSync(0, 'utf8')), () => undefined);
       await quiescer.freeze({ deadline: systemClock.boottime() + 60_000, signal: new AbortController().signal });
       await quiescer.held();
       writeFileSync('${ready}', 'ready');
       setInterval(() => undefined, 1000);`,
    );
    const child = spawn(process.execPath, [script], { stdio: ['pipe', 'inherit', 'inherit'] });
    try {
      child.stdin.end(JSON.stringify(login()));
      await expect.poll(() => existsSync(ready) && readFileSync(ready, 'utf8')).toBe('ready');
      expect(await sessions()).toBe(2);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    await expect.poll(sessions, { timeout: 5000 }).toBe(0);
    expect(server.log()).toContain('aborting backup due to backend exiting');
  });

  it('A3 a freeze that is called off leaves nothing behind', async () => {
    const stop = new AbortController();
    const quiescer = quiescerOf();
    // A lock on the catalogue makes the look before the start wait.
    const blocker = server.sql(`BEGIN; LOCK TABLE pg_tablespace IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)`);
    blocker.catch(() => undefined);
    await expect.poll(() => server.sql(`SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted`)).not.toBe('0');
    const freezing = refusal(quiescer.freeze(within(60_000, stop.signal)));
    await expect.poll(() => server.sql(`SELECT count(*) FROM pg_locks WHERE NOT granted`)).toBe('1');
    stop.abort();
    expect(await freezing).toMatch(/^FREEZE_FAILED .*called off/);
    expect(await quiescer.thaw()).toEqual({});
    expect(await refusal(quiescerOf().freeze(within(700)))).toMatch(/^FREEZE_EXPIRED /);
    expect(await refusal(quiescerOf().freeze(within(60_000)))).toMatch(/^DATABASE_BUSY .*statement timeout/);
    await server.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()`,
    );
    await expect.poll(sessions).toBe(0);
    expect(await refusal(quiescer.freeze({ deadline: 0, signal: stop.signal }))).toMatch(/^FREEZE_FAILED/);
  });

  it('A22 a wrong password, a missing right, a full server and a database that is not there are told apart', async () => {
    const freeze = (more: DatabaseSettings) => refusal(quiescerOf(login(more)).freeze(within(20_000)));
    expect(await freeze({ password: 'wrong' })).toMatch(/^DATABASE_LOGIN .*postgres.*password authentication failed/);
    expect(await freeze({ password: '' })).toMatch(/^DATABASE_LOGIN .*none is set/);
    expect(await freeze({ user: 'nobody' })).toMatch(/^DATABASE_LOGIN .*nobody/);
    expect(await freeze({ database: 'absent' })).toMatch(/^DATABASE_FAILED .*open the database absent/);
    await server.sql(`CREATE ROLE weak LOGIN PASSWORD 'weak'`);
    const weak = { user: 'weak', password: 'weak', host: '127.0.0.1' };
    expect(await freeze(weak)).toMatch(/^DATABASE_RIGHT weak may not start and stop a backup \(GRANT EXECUTE ON FUNCTION pg_backup_start/);
    await server.sql(`ALTER ROLE weak CONNECTION LIMIT 1`);
    expect(await freeze(weak)).toMatch(/^DATABASE_BUSY /);
    await server.sql(`ALTER ROLE weak CONNECTION LIMIT -1`);
    await server.sql('GRANT EXECUTE ON FUNCTION pg_backup_start, pg_backup_stop TO weak');

    const said: string[] = [];
    const quiescer = quiescerOf(login(weak), (line) => said.push(line));
    const facts = await quiescer.freeze(within(20_000));
    await quiescer.held();
    expect(facts).not.toHaveProperty('dataDirectory');
    expect(uncovered({ postgres: facts }, () => true)).toBe('cannot see where postgres keeps its data: GRANT pg_read_all_settings TO weak');
    expect(said.join('\n')).toContain('GRANT pg_read_all_settings TO weak');
    expect(await quiescer.thaw()).toHaveProperty('backupLabel');
  });

  it('A22 settings that cannot be are refused before anything is opened', () => {
    const said = (more: DatabaseSettings) => () => postgresFreezer.quiescer(login(more), () => undefined);
    expect(said({ user: '' })).toThrow(/user of PostgreSQL is not set/);
    expect(said({ port: '0' })).toThrow(/port of PostgreSQL is 1 to 65535/);
    expect(said({ port: '5432; rm' })).toThrow(/port of PostgreSQL/);
    expect(said({ socket: 'here' })).toThrow(/absolute path/);
    expect(said({ ca: '/etc/ca.pem' })).toThrow(/needs a host/);
    expect(said({ host: 'db.example' })).toThrow(/host db\.example of PostgreSQL is not this one: set ca/);
    expect(said({ colour: 'red' })).toThrow(/no setting colour/);
  });

  it('A4 a standby is frozen and said to be one; its promotion is a freeze that was lost', async () => {
    const own = await mkdtemp(join(tmpdir(), 'postgres-standby-'));
    const standby = await startPostgres({ dir: own, standbyOf: server });
    try {
      const quiescer = postgresFreezer.quiescer(login({ socket: standby.socket, port: String(standby.port) }), () => undefined);
      const facts = await quiescer.freeze(within(60_000));
      expect(facts).toMatchObject({ role: 'standby', dataDirectory: standby.data });
      expect(facts['warning']).toContain('follows the primary again unless standby.signal is removed');
      await quiescer.held();
      const after = await quiescer.thaw();
      expect(Buffer.from(after['backupLabel']!, 'base64').toString()).toContain('BACKUP FROM: standby');
      await quiescer.freeze(within(60_000));
      expect(await standby.sql('SELECT pg_promote()')).toBe('t');
      expect(await refusal(quiescer.held())).toMatch(/^FREEZE_LOST .*promoted/);
      expect(await quiescer.thaw()).toEqual({});
      expect(await standby.sql(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stillpoint'`)).toBe('0');
    } finally {
      await standby.stop();
      await rm(own, { recursive: true, force: true });
    }
  });

  it('A2 the death of the server is a freeze that was lost; then it is down, and the next freeze works', async () => {
    const quiescer = quiescerOf();
    await quiescer.freeze(within(60_000));
    expect(await postgresFreezer.present(login())).toBe(true);
    await server.kill();
    await expect.poll(() => refusal(quiescer.held())).toMatch(/^FREEZE_LOST /);
    const begun = performance.now();
    expect(await quiescer.thaw()).toEqual({});
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(await refusal(quiescerOf().freeze(within(20_000)))).toMatch(/^DATABASE_DOWN .*\.s\.PGSQL\.\d+ does not answer/);
    expect(await refusal(quiescerOf(login({ host: '127.0.0.1' })).freeze(within(20_000)))).toMatch(/^DATABASE_DOWN .*127\.0\.0\.1:/);
    expect(await postgresFreezer.present(login())).toBe(false);
    await rm(join(server.data, 'postmaster.pid'), { force: true });
    await server.restart();
    await quiescer.freeze(within(60_000));
    await quiescer.held();
    expect(await quiescer.thaw()).toHaveProperty('stopLsn');
  });
});
