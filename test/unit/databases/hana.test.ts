// SAP HANA, statement by statement: it is not to be had for tests, so what is proven is the order of the wire, and that a data snapshot is
// closed on every way.
import { beforeEach, describe, expect, it } from 'vitest';
import { failure, type StillpointError } from '../../../src/base/errors.ts';
import { systemClock } from '../../../src/base/system-clock.ts';
import { hanaFreezer } from '../../../src/databases/hana/freeze.ts';
import { hanaQuiescer } from '../../../src/databases/hana/quiesce.ts';
import { accessOf } from '../../../src/databases/hana/settings.ts';
import { mark } from '../../../src/databases/hana/snapshot.ts';
import { busy } from '../../../src/databases/hana/statements.ts';
import type { FreezeLimit, Quiescer } from '../../../src/ports/quiescer.ts';
import { type FakeHana, fakeHana } from '../../beds/hana-fake.ts';
import { quiescerContract } from '../../contract/quiescer.ts';

let hana: FakeHana;
let past: number;
let lines: string[];

beforeEach(() => {
  hana = fakeHana();
  past = 0;
  lines = [];
});

const clock = { now: () => Date.now(), boottime: () => past + systemClock.boottime() };

function quiescerOf(settings: Readonly<Record<string, string>> = {}): Quiescer {
  const access = accessOf({ user: 'BACKUP_USER', password: 'geheim', ...settings });
  return hanaQuiescer(access, (line) => lines.push(line), { clock, connect: hana.connect });
}

const limit = (ms = 60_000, signal = new AbortController().signal): FreezeLimit => ({ deadline: clock.boottime() + ms, signal });

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: StillpointError) => `${error.code} ${error.message}`,
  );

const coded = (code: number | string, message: string) => Object.assign(new Error(message), { code });
const refused = () => failure('DATABASE_DOWN', { database: 'SAP HANA', address: 'a', detail: 'connect ECONNREFUSED 127.0.0.1:30013' });

/** Statements without the connection, comments and ids shortened. */
const wire = (said: readonly string[]) => said.map((line) => line.replace(mark, 'MARK ').replace(/MARK [^']*/, 'MARK'));
const states = () => hana.catalogue.map((entry) => entry.state);

const look = ['about', 'hosts', 'replication', 'running', 'places', 'volumes', 'prepared'].map((name) => `300002: ${name}`);
const created = "300001: BACKUP DATA FOR FULL SYSTEM CREATE SNAPSHOT COMMENT 'MARK'";
const begin = ['300001: self', ...look, created, '300002: prepared'];
const id = '1700000000000';
const close = (connection: number) =>
  `${connection}: BACKUP DATA FOR FULL SYSTEM CLOSE SNAPSHOT BACKUP_ID ${id} UNSUCCESSFUL 'released by stillpoint'`;

describe('SAP HANA', () => {
  quiescerContract('hana', async () => ({
    quiescer: quiescerOf(),
    isStill: async () => states().includes('prepared'),
    breakIn: async () => {
      hana.catalogue.at(-1)!.state = 'failed';
    },
    remove: async () => undefined,
  }));

  it('A1 a data snapshot is created, proven prepared and closed, in this order', async () => {
    const quiescer = quiescerOf();
    const facts = await quiescer.freeze(limit());
    await quiescer.held();
    expect(states()).toEqual(['prepared']);
    expect(await quiescer.thaw()).toEqual({ closed: 'unsuccessful' });
    const state = `300002: SELECT STATE_NAME AS STATE FROM M_BACKUP_CATALOG WHERE ENTRY_TYPE_NAME = 'data snapshot' AND BACKUP_ID = ${id}`;
    const end = ['300002: prepared', close(300_001), '300002: prepared', '300001: close', '300002: close'];
    expect(wire(hana.said)).toEqual([...begin, state, ...end]);
    expect(facts).toMatchObject({ sid: 'HDB', role: 'single', backupId: id, dataDirectory: '/hana/data/HDB' });
    expect(facts['comment']).toBe(hana.catalogue[0]!.comment);
    expect(await quiescer.thaw()).toEqual({});
    expect(await refusal(quiescer.held())).toMatch(/^FREEZE_LOST .*no data snapshot/);
    expect(lines).toEqual([`SAP HANA HDB: data snapshot ${id} is prepared`]);
  });

  it('A4 scale-out and secondaries are refused; the primary of a replication is not', async () => {
    const freeze = (what: string, rows: readonly Readonly<Record<string, unknown>>[]) => {
      hana.answer = (statement) => (statement === what ? rows : undefined);
      return refusal(quiescerOf().freeze(limit()));
    };
    expect(await freeze('hosts', [{ HOSTS: 3 }])).toMatch(/^DATABASE_CLUSTER .*scale-out system of 3 hosts/);
    expect(await freeze('replication', [{ VALUE: 'syncmem' }])).toMatch(/^DATABASE_CLUSTER .*secondary .*syncmem/);
    expect(hana.catalogue).toEqual([]);
    hana.answer = (statement) => (statement === 'replication' ? [{ VALUE: 'primary' }] : undefined);
    const quiescer = quiescerOf();
    expect(await quiescer.freeze(limit())).toMatchObject({ role: 'primary of system replication' });
    await quiescer.thaw();
  });

  it('A22 a tenant database, another system and a running backup are refused, each with its reason', async () => {
    const freeze = (what: string, rows: readonly Readonly<Record<string, unknown>>[], settings = {}) => {
      hana.answer = (statement) => (statement === what ? rows : undefined);
      return refusal(quiescerOf(settings).freeze(limit()));
    };
    expect(await freeze('about', [{ SID: 'HDB', NAME: 'HDB', VERSION: '2' }])).toMatch(
      /^FREEZE_REFUSED .*is the database HDB; .*SYSTEMDB only/,
    );
    expect(await freeze('none', [], { sid: 'PRD' })).toMatch(/^FREEZE_REFUSED .*is HDB, not PRD/);
    expect(await freeze('running', [{ TYPE: 'complete data backup' }])).toMatch(/^DATABASE_BUSY .*complete data backup is running/);
    expect(hana.catalogue).toEqual([]);
    expect(hana.said.filter((line) => line.endsWith('close'))).toHaveLength(6);
  });

  it("A3 somebody else's prepared snapshot is a refusal and stays; one left behind by this host is closed first", async () => {
    hana.catalogue.push({ id: '7', comment: 'storage team', state: 'prepared' });
    const quiescer = quiescerOf();
    expect(await refusal(quiescer.freeze(limit()))).toMatch(/^DATABASE_BUSY .*snapshot 7 is prepared .*storage team/);
    expect(await quiescer.thaw()).toEqual({});
    expect(states()).toEqual(['prepared']);
    hana.catalogue[0]!.state = 'successful';
    hana.catalogue.push({ id: '8', comment: `${mark}2026-01-01T00:00:00.000Z`, state: 'prepared' });
    await quiescer.freeze(limit());
    expect(states()).toEqual(['successful', 'failed', 'prepared']);
    expect(lines.join('\n')).toContain('closed the data snapshot 8 that an earlier freeze left behind');
    await quiescer.thaw();
  });

  it('A3 a thaw of a new process closes what a process that died left prepared, and nothing else', async () => {
    await quiescerOf().freeze(limit());
    hana.catalogue.push({ id: '9', comment: 'storage team', state: 'prepared' });
    hana.said.length = 0;
    expect(await quiescerOf().thaw()).toEqual({});
    expect(hana.said).toEqual(['300003: prepared', close(300_003), '300003: close']);
    expect(states()).toEqual(['failed', 'prepared']);

    hana.refuse = failure('DATABASE_LOGIN', { database: 'SAP HANA', user: 'u', detail: 'authentication failed' });
    expect(await refusal(quiescerOf().thaw())).toMatch(/^FREEZE_THAW_FAILED .*authentication failed/);
  });

  it('A22 a server that is down, a login and a missing right are told apart, and thaw has nothing to do', async () => {
    const quiescer = quiescerOf();
    hana.refuse = refused();
    expect(await refusal(quiescer.freeze(limit()))).toMatch(/^DATABASE_DOWN /);
    expect(await quiescer.thaw()).toEqual({});
    hana.refuse = coded(10, 'authentication failed');
    expect(await refusal(quiescer.freeze(limit()))).toMatch(/^DATABASE_LOGIN .*BACKUP_USER/);
    hana.refuse = undefined;
    hana.answer = (statement) => (statement.includes('CREATE') ? coded(258, 'insufficient privilege') : undefined);
    expect(await refusal(quiescer.freeze(limit()))).toMatch(/^DATABASE_RIGHT BACKUP_USER may not create a data snapshot/);
    expect(await quiescer.thaw()).toEqual({});
    expect(hana.said.filter((line) => line.includes('CLOSE'))).toEqual([]);
  });

  it('A3 a create that fails, even after it has made the snapshot, leaves none prepared', async () => {
    hana.answer = (statement) => (statement.includes('CREATE') ? coded(447, 'backup could not be completed') : undefined);
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^DATABASE_FAILED .*create a data snapshot.*error 447/);
    expect(wire(hana.said).slice(-4)).toEqual([created, '300002: prepared', '300001: close', '300002: close']);

    hana.answer = (statement) => {
      if (!statement.includes('CREATE')) return undefined;
      hana.catalogue.push({ id: '11', comment: /'(.*)'/.exec(statement)![1]!, state: 'prepared' });
      return coded('EHDBCLOSE', 'Connection closed by server');
    };
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^DATABASE_DOWN /);
    expect(states()).toEqual(['failed']);
  });

  it('A3 a check that fails after the create closes what was created', async () => {
    let asked = 0;
    hana.answer = (statement) => (statement === 'prepared' && ++asked === 2 ? coded(2048, 'column store error') : undefined);
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^DATABASE_FAILED .*2048/);
    expect(states()).toEqual(['failed']);
  });

  it('A3 a create that takes too long or is called off is ended, and what it makes yet is closed', async () => {
    hana.slow = new Promise(() => undefined);
    expect(await refusal(quiescerOf().freeze(limit(100)))).toMatch(/^FREEZE_EXPIRED /);
    expect(wire(hana.said).slice(begin.length - 1)).toEqual([
      "300002: ALTER SYSTEM DISCONNECT SESSION '300001'",
      '300002: prepared',
      `300002: ${busy('300001')}`,
      '300002: close',
    ]);

    // The user may not end sessions, and the server goes on with what its client has left: it is waited for.
    const stop = new AbortController();
    let runs = 0;
    hana.answer = (statement) => {
      if (statement.includes('DISCONNECT')) return coded(258, 'insufficient privilege');
      if (!statement.startsWith('SELECT TO_VARCHAR(CONNECTION_ID)')) return undefined;
      if (++runs === 3) hana.catalogue.push({ id: '12', comment: lastComment(), state: 'prepared' });
      return runs <= 3 ? [{ ID: '1' }] : [];
    };
    const freezing = refusal(quiescerOf().freeze(limit(60_000, stop.signal)));
    await expect.poll(() => hana.said.filter((line) => line.includes('CREATE')).length).toBe(2);
    stop.abort();
    expect(await freezing).toMatch(/^FREEZE_FAILED .*called off/);
    expect(runs).toBe(4);
    expect(states()).toEqual(['failed']);
  });

  const lastComment = () => /'(.*)'/.exec(hana.said.findLast((line) => line.includes('CREATE'))!)![1]!;

  it('A2 the proof fails when it is closed by somebody, gone, or over its limit', async () => {
    const frozen = async () => {
      const quiescer = quiescerOf();
      await quiescer.freeze(limit());
      await quiescer.held();
      return quiescer;
    };
    const abandoned = await frozen();
    hana.catalogue.at(-1)!.state = 'failed';
    expect(await refusal(abandoned.held())).toMatch(/^FREEZE_LOST .*is failed, not prepared/);
    expect(await abandoned.thaw()).toEqual({});
    const gone = await frozen();
    hana.catalogue.length = 0;
    expect(await refusal(gone.held())).toMatch(/^FREEZE_LOST .*is gone/);
    await gone.thaw();
    const late = await frozen();
    past += 60_001;
    expect(await refusal(late.held())).toMatch(/^FREEZE_LOST .*limit has passed/);
    await late.thaw();
    const deaf = await frozen();
    hana.end(300_008, 'Connection closed by server');
    expect(await refusal(deaf.held())).toMatch(/^FREEZE_LOST .*Connection closed by server/);
    await deaf.thaw();
    expect(states().every((state) => state === 'failed')).toBe(true);
  });

  it('A3 where the session that created it cannot close it the other one does, or a new one', async () => {
    const quiescer = quiescerOf();
    await quiescer.freeze(limit());
    hana.answer = (statement, connection) =>
      statement.includes('CLOSE') && connection === 300_001 ? coded(2, 'general error') : undefined;
    hana.said.length = 0;
    expect(await quiescer.thaw()).toEqual({ closed: 'unsuccessful' });
    expect(hana.said.slice(0, 3)).toEqual(['300002: prepared', close(300_001), close(300_002)]);

    hana.answer = () => undefined;
    await quiescer.freeze(limit());
    for (const connection of [300_003, 300_004]) hana.end(connection, 'Connection closed by server');
    expect(await quiescer.thaw()).toEqual({ closed: 'unsuccessful' });
    expect(states()).toEqual(['failed', 'failed']);
  });

  it('A3 a close that fails is a thaw that failed within 5 s; it is tried again and then works', async () => {
    const quiescer = quiescerOf();
    await quiescer.freeze(limit());
    hana.answer = (statement) => (statement.includes('CLOSE') ? coded(447, 'backup could not be closed') : undefined);
    const begun = performance.now();
    expect(await refusal(quiescer.thaw())).toMatch(
      /^FREEZE_THAW_FAILED cannot thaw hana: .*1700000000000 is still prepared: backup could not be closed/,
    );
    expect(performance.now() - begun).toBeLessThan(5000);
    hana.answer = () => undefined;
    expect(await quiescer.thaw()).toEqual({ closed: 'unsuccessful' });
    expect(states()).toEqual(['failed']);
    expect(await quiescer.thaw()).toEqual({});
  });

  it('A3 a close that is slow is waited for, not cut off; when its session is lost another one closes', async () => {
    const quiescer = quiescerOf();
    await quiescer.freeze(limit());
    hana.answer = (statement) => (statement.includes('CLOSE') ? 'never' : undefined);
    hana.said.length = 0;
    const begun = performance.now();
    expect(await refusal(quiescer.thaw())).toMatch(/^FREEZE_THAW_FAILED .*does not answer/);
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(hana.said).toEqual(['300002: prepared', close(300_001)]);
    const again = quiescer.thaw();
    for (const connection of [300_001, 300_002]) hana.end(connection, 'Connection closed by server');
    hana.refuse = failure('DATABASE_LOGIN', { database: 'SAP HANA', user: 'u', detail: 'user is locked' });
    expect(await refusal(again)).toMatch(/^FREEZE_THAW_FAILED .*user is locked/);
    expect(states()).toEqual(['prepared']);
    hana.answer = () => undefined;
    hana.refuse = undefined;
    expect(await quiescer.thaw()).toEqual({ closed: 'unsuccessful' });
    expect(states()).toEqual(['failed']);
    expect(hana.said.slice(2)).toEqual(['300003: prepared', close(300_003), '300003: prepared', '300003: close']);
  });

  it('A22 settings that cannot be are refused, ids from the server are numbers, and no secret is told', async () => {
    const said = (more: Readonly<Record<string, string>>) => () => hanaFreezer.quiescer({ user: 'u', ...more }, () => undefined);
    expect(said({ user: '' })).toThrow(/user of SAP HANA is not set/);
    expect(said({ instance: '0' })).toThrow(/two digits/);
    expect(said({ sid: 'toolong' })).toThrow(/three characters/);
    expect(said({ port: 'x' })).toThrow(/port of SAP HANA/);
    expect(said({ ca: 'x' })).toThrow(/absolute path/);
    expect(said({ host: 'hana.example' })).toThrow(/host hana\.example of SAP HANA is not this one: set ca/);
    expect(said({ colour: 'red' })).toThrow(/no setting colour/);
    expect(accessOf({ user: 'u', instance: '07' }).address).toBe('127.0.0.1:30713');
    hana.answer = (statement) => (statement === 'self' ? [{ ID: "1'; DROP" }] : undefined);
    const quiescer = quiescerOf();
    await quiescer.freeze(limit());
    await quiescer.thaw();
    expect(JSON.stringify([lines, hana.said])).not.toContain('geheim');
  });
});
