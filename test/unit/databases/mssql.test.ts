// SQL Server, statement by statement: it is not to be had for tests, so what is proven is the order of the wire and what is made of the answers.
import { beforeEach, describe, expect, it } from 'vitest';
import { failure, type StillpointError } from '../../../src/base/errors.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { mssqlFreezer } from '../../../src/databases/mssql/freeze.ts';
import { mssqlQuiescer } from '../../../src/databases/mssql/quiesce.ts';
import { accessOf } from '../../../src/databases/mssql/settings.ts';
import { on, record } from '../../../src/databases/mssql/statements.ts';
import type { FreezeLimit, Quiescer } from '../../../src/ports/quiescer.ts';
import { type FakeSqlServer, fakeSqlServer } from '../../beds/mssql-fake.ts';
import { quiescerContract } from '../../contract/quiescer.ts';

let server: FakeSqlServer;
let now: number;
let lines: string[];

beforeEach(() => {
  server = fakeSqlServer();
  now = 0;
  lines = [];
});

/** Goes on by itself, and by what a test adds. */
const clock = { now: () => Date.now(), boottime: () => now + systemClock.boottime() };

function quiescerOf(settings: Readonly<Record<string, string>> = {}): Quiescer {
  const access = accessOf({ user: 'backup', password: 'geheim', ...settings });
  return mssqlQuiescer(access, (line) => lines.push(line), { clock, connect: server.connect });
}

const limit = (ms = 60_000, signal = new AbortController().signal): FreezeLimit => ({ deadline: clock.boottime() + ms, signal });

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: StillpointError) => `${error.code} ${error.message}`,
  );

const numbered = (number: number, message: string) => Object.assign(new Error(message), { code: 'EREQUEST', number });

const look = ['52: about', '52: status', '52: backups', '52: databases'];
const begin = ['51: self', ...look, '51: ON', '52: status'];

describe('SQL Server', () => {
  quiescerContract('mssql', async () => ({
    quiescer: quiescerOf(),
    isStill: async () => server.holder() !== undefined,
    breakIn: async () => server.end(server.holder()!, 'killed'),
    remove: async () => undefined,
  }));

  it('A1 suspends copy-only in one session, proves it in another, and lets go in the first', async () => {
    const quiescer = quiescerOf();
    const facts = await quiescer.freeze(limit());
    await quiescer.held();
    expect(server.holder()).toBe(51);
    expect(await quiescer.thaw()).toEqual({});
    expect(server.said).toEqual([...begin, '52: status', '51: cancel', '51: OFF', '52: status', '51: close', '52: close']);
    expect(facts).toMatchObject({
      version: '16.0.4105.2',
      mode: 'COPY_ONLY',
      role: 'single',
      'database/Shop': '/var/opt/mssql/data/shop.mdf\n/var/opt/mssql/log/shop.ldf',
      'database/It, is': '/var/opt/mssql/data/itis.mdf',
    });
    expect(lines).toEqual(['SQL Server 16.0.4105.2: session 51 has suspended 2 databases']);
  });

  it('A3 the batch that suspends has its own limit at the server', () => {
    const text = on(30_000.7).replace(/\s+/g, ' ');
    expect(text).toContain('SET LOCK_TIMEOUT 30000; DECLARE @end datetime2(3) = DATEADD(millisecond, 30000, SYSUTCDATETIME());');
    expect(text).toContain(
      'ALTER SERVER CONFIGURATION SET SUSPEND_FOR_SNAPSHOT_BACKUP = ON (MODE = COPY_ONLY); END TRY BEGIN CATCH THROW; END CATCH;',
    );
    expect(text).toMatch(/WAITFOR DELAY @wait; END; ALTER SERVER CONFIGURATION SET SUSPEND_FOR_SNAPSHOT_BACKUP = OFF;$/);
  });

  it('A1 where a directory is named the snapshot is recorded, which lets go; where that fails it lets go without', async () => {
    const settings = { metadata: "/backup/o'clock" };
    expect(record("/backup/o'clock/a.bkm")).toBe("BACKUP SERVER TO DISK = N'/backup/o''clock/a.bkm' WITH METADATA_ONLY, FORMAT");
    const quiescer = quiescerOf(settings);
    await quiescer.freeze(limit());
    const { metadata } = await quiescer.thaw();
    expect(metadata).toMatch(/^\/backup\/o'clock\/stillpoint-by-hand-\d{8}T\d{6}Z\.bkm$/);
    expect(server.said.slice(begin.length)).toEqual(['51: cancel', `51: ${record(metadata!)}`, '52: status', '51: close', '52: close']);
    expect(lines.at(-1)).toBe(`SQL Server recorded the snapshot in ${metadata}`);

    server.answer = (statement) => (statement.startsWith('BACKUP') ? numbered(3201, 'cannot open backup device') : undefined);
    await quiescer.freeze(limit());
    server.said.length = 0;
    expect(await quiescer.thaw()).toEqual({});
    const tried = expect.stringMatching(/^53: BACKUP SERVER TO DISK/);
    expect(server.said).toEqual(['53: cancel', tried, '53: OFF', '54: status', '53: close', '54: close']);
    expect(lines.at(-1)).toContain('cannot open backup device');
  });

  it('A4 a failover cluster and secondary copies are refused, and nothing is suspended', async () => {
    const about = { major: 16, version: '16.0.1', edition: 'e', clustered: 1, hadr: 0 };
    server.answer = (statement) => (statement === 'about' ? [about] : undefined);
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^DATABASE_CLUSTER .*failover cluster instance/);
    server.answer = (statement) =>
      statement === 'about' ? [{ ...about, clustered: 0, hadr: 1 }] : statement === 'secondaries' ? [{ name: 'Shop' }] : undefined;
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^DATABASE_CLUSTER .*secondary copy of Shop/);
    expect(server.said).toEqual([
      ...['51: self', '52: about', '51: close', '52: close'],
      ...['53: self', '54: about', '54: secondaries', '53: close', '54: close'],
    ]);
  });

  it('A4 the primary of an availability group is frozen, and said to be one', async () => {
    server.answer = (statement) =>
      statement === 'about' ? [{ major: 16, version: '16.0.1', edition: 'e', clustered: 0, hadr: 1 }] : undefined;
    const quiescer = quiescerOf();
    expect(await quiescer.freeze(limit())).toMatchObject({ role: 'primary of availability groups' });
    await quiescer.thaw();
  });

  it('A22 an older version, too many databases and none at all are refused with the reason', async () => {
    server.answer = (statement) => (statement === 'about' ? [{ major: 15, version: '15.0.4420.2' }] : undefined);
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^FREEZE_REFUSED .*15\.0\.4420\.2 cannot suspend .* 2022/);
    server.answer = (statement) => (statement === 'databases' ? [] : undefined);
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^FREEZE_REFUSED .*no user database/);
    const many = Array.from({ length: 65 }, (_, index) => ({ id: index + 5, name: `d${index}`, path: '/d' }));
    server.answer = (statement) => (statement === 'databases' ? many : undefined);
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^FREEZE_REFUSED .*65 databases; 64/);
    expect(server.said.filter((line) => line.endsWith('ON'))).toEqual([]);
  });

  it('A3 a backup that runs, or somebody else who suspends, is told early; the other one is not disturbed', async () => {
    server.answer = (statement) => (statement === 'backups' ? [{ session: 60, command: 'BACKUP LOG', name: 'Shop' }] : undefined);
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^DATABASE_BUSY .*session 60 runs BACKUP LOG of Shop/);
    server.answer = () => undefined;
    server.suspend(77);
    const quiescer = quiescerOf();
    expect(await refusal(quiescer.freeze(limit()))).toMatch(/^DATABASE_BUSY .*session 77 has suspended Shop/);
    expect(await quiescer.thaw()).toEqual({});
    expect(server.holder()).toBe(77);
    expect(server.said.filter((line) => /ON|OFF|KILL/.test(line))).toEqual([]);
  });

  it('A22 a server that is down and a login that is refused come as they are, and thaw has nothing to do', async () => {
    const down = failure('DATABASE_DOWN', { database: 'SQL Server', address: '127.0.0.1:1433', detail: 'refused' });
    server.refuse = down;
    const quiescer = quiescerOf();
    expect(await refusal(quiescer.freeze(limit()))).toMatch(/^DATABASE_DOWN /);
    expect(await quiescer.thaw()).toEqual({});
    expect(server.said).toEqual([]);
    expect(await refusal(quiescer.held())).toMatch(/^FREEZE_LOST /);
  });

  it('A22 a missing right, a lock and a failure of the suspension are told apart, and nothing stays suspended', async () => {
    const after = async (error: Error) => {
      server.answer = (statement) => (statement === 'ON' ? error : undefined);
      return refusal(quiescerOf().freeze(limit()));
    };
    expect(await after(numbered(15_247, 'User does not have permission'))).toMatch(/^DATABASE_RIGHT backup may not suspend its databases/);
    expect(await after(numbered(1222, 'Lock request time out'))).toMatch(/^DATABASE_BUSY /);
    expect(await after(numbered(925, 'Maximum number of databases'))).toMatch(/^FREEZE_REFUSED /);
    expect(await after(numbered(3633, 'The operating system'))).toMatch(/^DATABASE_FAILED .*error 3633/);
    expect(await after(new Error('odd'))).toMatch(/^DATABASE_FAILED /);
    server.answer = (statement) =>
      statement === 'status' ? numbered(300, 'VIEW SERVER PERFORMANCE STATE permission was denied') : undefined;
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^DATABASE_RIGHT .*VIEW SERVER PERFORMANCE STATE/);
    expect(server.holder()).toBeUndefined();
    expect(server.said.filter((line) => line.endsWith('close')).length).toBe(12);
  });

  it('A3 a database that does not stop, a deadline and a freeze that is called off are undone', async () => {
    server.stubborn.add(7);
    expect(await refusal(quiescerOf().freeze(limit(100)))).toMatch(/^FREEZE_EXPIRED /);
    expect(server.holder()).toBeUndefined();
    const stop = new AbortController();
    const freezing = refusal(quiescerOf().freeze(limit(60_000, stop.signal)));
    await expect.poll(() => server.holder()).toBe(53);
    stop.abort();
    expect(await freezing).toMatch(/^FREEZE_FAILED .*called off/);
    expect(server.holder()).toBeUndefined();
    expect(server.said.filter((line) => /cancel|OFF/.test(line))).toEqual(['51: cancel', '51: OFF', '53: cancel', '53: OFF']);
  });

  it('A2 the proof fails when the session ends, when somebody lets go, and when the limit is over', async () => {
    const frozen = async () => {
      const quiescer = quiescerOf();
      await quiescer.freeze(limit());
      await quiescer.held();
      return quiescer;
    };
    const ended = await frozen();
    server.end(51, 'killed by an administrator');
    expect(await refusal(ended.held())).toMatch(/^FREEZE_LOST .*session 51, which suspended it, has ended: killed by an administrator/);
    expect(await ended.thaw()).toEqual({});

    const resumed = await frozen();
    server.resume();
    expect(await refusal(resumed.held())).toMatch(/^FREEZE_LOST .*writes of database 5 are no longer suspended/);
    await resumed.thaw();

    const again = await frozen();
    server.suspend(server.holder()!);
    now += 5000;
    expect(await refusal(again.held())).toMatch(/^FREEZE_LOST .*Shop were let go and suspended again/);
    await again.thaw();

    const late = await frozen();
    const realNow = Date.now;
    now += 60_001;
    Date.now = () => realNow() + 60_001;
    try {
      expect(await refusal(late.held())).toMatch(/^FREEZE_LOST .*limit has passed/);
    } finally {
      Date.now = realNow;
    }
    await late.thaw();

    const deaf = await frozen();
    server.answer = (statement) => (statement === 'status' ? new Error('socket hang up') : undefined);
    expect(await refusal(deaf.held())).toMatch(/^FREEZE_LOST .*cannot be asked: socket hang up/);
    server.answer = () => undefined;
    await deaf.thaw();
  });

  it('A3 where the session cannot let go the other one does, then it is killed', async () => {
    const quiescer = quiescerOf();
    await quiescer.freeze(limit());
    server.answer = (statement, session) => (statement === 'OFF' && session === 51 ? numbered(5030, 'no') : undefined);
    server.said.length = 0;
    await quiescer.thaw();
    expect(server.said).toEqual(['51: cancel', '51: OFF', '52: status', '52: OFF', '52: status', '51: close', '52: close']);

    await quiescer.freeze(limit());
    server.answer = (statement) => (statement === 'OFF' ? numbered(5030, 'no') : undefined);
    server.said.length = 0;
    await quiescer.thaw();
    expect(server.said).toEqual([
      ...['53: cancel', '53: OFF', '54: status', '54: OFF', '54: status'],
      ...['54: KILL 53', '54: status', '54: close'],
    ]);
    expect(server.holder()).toBeUndefined();
  });

  it('A3 a thaw that is not proven fails within 5 s, is tried again with a new session, and then works', async () => {
    const quiescer = quiescerOf();
    await quiescer.freeze(limit());
    server.answer = (statement) => (statement === 'status' ? 'never' : undefined);
    const begun = performance.now();
    expect(await refusal(quiescer.thaw())).toMatch(/^FREEZE_THAW_FAILED cannot thaw mssql: the server does not answer/);
    expect(performance.now() - begun).toBeLessThan(5000);
    server.refuse = failure('DATABASE_BUSY', { database: 'SQL Server', detail: 'too many sessions' });
    expect(await refusal(quiescer.thaw())).toMatch(/^FREEZE_THAW_FAILED .*too many sessions/);
    server.refuse = undefined;
    server.answer = () => undefined;
    server.said.length = 0;
    expect(await quiescer.thaw()).toEqual({});
    expect(server.said).toEqual(['53: status', '53: close']);
    expect(await quiescer.thaw()).toEqual({});
  });

  it('A3 a thaw that comes while a freeze undoes itself is the same thaw', async () => {
    server.stubborn.add(7);
    const stop = new AbortController();
    const quiescer = quiescerOf();
    const freezing = refusal(quiescer.freeze(limit(60_000, stop.signal)));
    await expect.poll(() => server.holder()).toBe(51);
    stop.abort();
    await quiescer.thaw();
    expect(server.holder()).toBeUndefined();
    expect(await freezing).toMatch(/^FREEZE_FAILED /);
    expect(server.said.filter((line) => line.endsWith('cancel'))).toHaveLength(1);
  });

  it('A3 a server that is gone holds nothing', async () => {
    const quiescer = quiescerOf();
    await quiescer.freeze(limit());
    server.end(51, 'socket hang up');
    server.end(52, 'socket hang up');
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    server.refuse = failure('DATABASE_DOWN', { database: 'SQL Server', address: 'a', detail: 'd' }, { cause: refused });
    expect(await quiescer.thaw()).toEqual({});
  });

  it('A22 settings that cannot be are refused, and no secret is told', async () => {
    const said = (more: Readonly<Record<string, string>>) => () => mssqlFreezer.quiescer({ user: 'u', ...more }, () => undefined);
    expect(said({ user: '' })).toThrow(/user of SQL Server is not set/);
    expect(said({ port: '99999' })).toThrow(/port of SQL Server/);
    expect(said({ metadata: 'backup.bkm' })).toThrow(/metadata of SQL Server is an absolute path/);
    expect(said({ metadata: '/a\nb' })).toThrow(/metadata of SQL Server/);
    expect(said({ ca: 'x' })).toThrow(/absolute path/);
    expect(said({ host: '203.0.113.9' })).toThrow(/host 203\.0\.113\.9 of SQL Server is not this one: set ca/);
    expect(said({ colour: 'red' })).toThrow(/no setting colour/);
    const quiescer = quiescerOf();
    await quiescer.freeze(limit());
    await quiescer.thaw();
    expect(JSON.stringify([lines, server.said])).not.toContain('geheim');
  });
});
