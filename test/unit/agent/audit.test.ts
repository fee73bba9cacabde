// The audit trail as whoever can write the database meets it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Audit, beginAnew, createAudit } from '../../../src/agent/audit.ts';
import type { AgentGround } from '../../../src/agent/ground.ts';
import { createLog } from '../../../src/base/log.ts';
import { type Layout, layoutOf } from '../../../src/config/layout.ts';
import { createSealer } from '../../../src/config/secrets.ts';
import type { Trace } from '../../../src/model/trace.ts';
import { addresses, type RouteName } from '../../../src/rpc/addresses.ts';
import { auditedOf } from '../../../src/rpc/audited.ts';
import { type Route, routes } from '../../../src/rpc/routes.ts';
import { openState, type State } from '../../../src/state/state.ts';

const day = 24 * 3600 * 1000;
const sealer = createSealer(Buffer.alloc(32, 7));
const someone = { actor: 'root', address: '127.0.0.1' };
let home: string;
let layout: Layout;
let state: State;
let audit: Audit;
let now = 0;

function open(): void {
  state = openState(layout.database);
  const clock = { now: () => now, boottime: () => now };
  const ground = { state, layout, sealer, clock, log: createLog({ level: 'fatal' as never, file: join(home, 'log') }) };
  audit = createAudit(ground as unknown as AgentGround);
}

function close(): void {
  audit.stop();
  state.close();
}

/** As another process would, while the agent is off. */
function meddle(...statements: readonly string[]): void {
  close();
  const database = new DatabaseSync(layout.database);
  for (const sql of statements) database.exec(sql);
  database.close();
  open();
}

const trace = (name: string, more: Partial<Trace> = {}): Trace => ({
  ...someone,
  trace: name,
  resourceType: 'vault',
  resourceId: 'aabbccdd',
  resourceName: 'main',
  result: 'ok',
  ...more,
});
const record = (count: number) => {
  for (let i = 0; i < count; i++) audit.record(trace(`trace${i}`));
};
const verdict = () => audit.verify().then(({ entries }) => `${entries} entries`, String);

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'stillpoint-audit-'));
  layout = layoutOf({ AGENT_HOME: home });
  mkdirSync(layout.data, { recursive: true });
  now = Date.UTC(2026, 2, 1);
  open();
});
afterEach(() => {
  close();
  rmSync(home, { recursive: true });
});

describe('an untouched trail', () => {
  it('M5 is whole, also after restarts, a rolled back transaction and 2,500 entries', async () => {
    expect(await verdict()).toBe('0 entries');
    record(3);
    expect(() =>
      state.transaction(() => {
        audit.record(trace('undone'));
        throw new Error('no');
      }),
    ).toThrow('no');
    record(2);
    meddle();
    record(2495);
    const proof = await audit.verify();
    expect(proof).toMatchObject({ entries: 2500, first: 1, last: 2500, from: now, to: now, hash: state.audit.last()?.hash });
    expect(statSync(join(layout.data, 'audit.head')).mode & 0o777).toBe(0o600);
  });

  it('M5 is whole after a crash that left the head behind', async () => {
    record(3);
    audit.stop();
    const head = readFileSync(join(layout.data, 'audit.head'));
    record(4);
    close();
    writeFileSync(join(layout.data, 'audit.head'), head);
    open();
    expect(await verdict()).toBe('7 entries');
  });

  it('M5 forgets what is older than 400 days and can still be verified', async () => {
    record(3);
    now += 300 * day;
    record(2);
    now += 150 * day;
    audit.expire();
    expect(await audit.verify()).toMatchObject({ entries: 2, first: 4, last: 5 });
    now += 1000 * day;
    audit.expire();
    expect(await audit.verify()).toMatchObject({ entries: 1, first: 5 });
    record(1);
    expect(await verdict()).toBe('2 entries');
    meddle("DELETE FROM facts WHERE key = 'audit.start'");
    expect(await verdict()).toContain('the entries 1 to 4 are missing');
  });

  it('M5 goes on where a lost one ended, and says so', async () => {
    record(5);
    close();
    rmSync(layout.database);
    state = openState(layout.database);
    beginAnew({ state, sealer, layout });
    state.close();
    open();
    record(1);
    expect(await audit.verify()).toMatchObject({ entries: 2, first: 6, last: 7 });
    expect(state.audit.where([], 'seq')[0]).toMatchObject({
      trace: 'startTrail',
      result: 'ok',
      detail: expect.stringContaining('up to 5 are lost'),
    });
  });
});

describe('a trail that was tampered with', () => {
  beforeEach(() => record(9));

  const changes: readonly (readonly [what: string, said: string, ...sql: readonly string[]])[] = [
    ['a changed actor', 'entry 4 is not as it was written', "UPDATE audit SET actor = 'nobody' WHERE seq = 4"],
    ['a changed result', 'entry 2 is not as it was written', "UPDATE audit SET result = 'failed' WHERE seq = 2"],
    ['a time moved', 'entry 7 is not as it was written', 'UPDATE audit SET at = at + 1 WHERE seq = 7'],
    ['one removed', 'entry 5 is missing', 'DELETE FROM audit WHERE seq = 5'],
    ['the first removed', 'entry 1 is missing', 'DELETE FROM audit WHERE seq = 1'],
    ['the newest removed', 'the entries 8 to 9 are missing', 'DELETE FROM audit WHERE seq >= 8'],
    ['all removed', 'the entries 1 to 9 are missing', 'DELETE FROM audit'],
    [
      'one removed and those behind moved up',
      'entry 5 is not as it was written',
      'DELETE FROM audit WHERE seq = 5',
      'UPDATE audit SET seq = seq - 1 WHERE seq > 5',
    ],
    [
      'two exchanged',
      'entry 3 is not as it was written',
      'UPDATE audit SET seq = -1 WHERE seq = 3',
      'UPDATE audit SET seq = 3 WHERE seq = 6',
      'UPDATE audit SET seq = 6 WHERE seq = -1',
    ],
    [
      'one put in',
      'entry 10 is not as it was written',
      "INSERT INTO audit SELECT 10, 'x', at, actor, address, trace, resource_type, resource_id, resource_name, result, code, detail, hash, hash FROM audit WHERE seq = 9",
    ],
    [
      'one put before the first',
      'entry 0 was put in',
      "INSERT INTO audit SELECT 0, 'x', at, actor, address, trace, resource_type, resource_id, resource_name, result, code, detail, previous, hash FROM audit WHERE seq = 1",
    ],
    [
      'a beginning made up',
      'its signed beginning was changed',
      `INSERT INTO facts VALUES ('audit.start', '{"value":{"seq":3,"hash":"x"},"mac":"00"}')`,
      'DELETE FROM audit WHERE seq <= 3',
    ],
  ];
  it.each(changes)('M5 shows %s: %s', async (_what, said, ...sql) => {
    expect(await verdict()).toBe('9 entries');
    meddle(...sql);
    expect(await verdict()).toContain(said);
    // What is recorded afterwards hides nothing, and a restart neither.
    record(3);
    expect(await verdict()).toContain(said);
    meddle();
    expect(await verdict()).toContain(said);
  });

  it('M5 shows that the newest entry was removed while the agent ran', async () => {
    await audit.verify();
    state.audit.remove(state.audit.last()?.id ?? '');
    record(2);
    expect(await verdict()).toContain('entry 9 is missing');
  });

  it.each(['removed', 'changed'])('M5 shows that the head was %s together with the newest entries', async (how) => {
    close();
    if (how === 'removed') rmSync(join(layout.data, 'audit.head'));
    else
      writeFileSync(join(layout.data, 'audit.head'), readFileSync(join(layout.data, 'audit.head'), 'utf8').replace('"seq":9', '"seq":7'));
    const database = new DatabaseSync(layout.database);
    database.exec('DELETE FROM audit WHERE seq >= 8');
    database.close();
    open();
    record(1);
    expect(await verdict()).toContain(`data/audit.head was ${how === 'removed' ? 'missing' : 'wrong'}`);
  });
});

describe('the tracker', () => {
  it('M5 can be off, stays off, records its own switching, and is not switched by a hand in the database', async () => {
    record(1);
    audit.setTracker(false, someone);
    record(5);
    meddle();
    record(5);
    expect(audit.isOn()).toBe(false);
    audit.setTracker(true, someone);
    record(1);
    expect(state.audit.where([], 'seq').map((row) => `${row.trace} ${row.detail}`.trim())).toEqual([
      'trace0',
      'setTracker off',
      'setTracker on',
      'trace0',
    ]);
    expect(await verdict()).toBe('4 entries');
    meddle(`UPDATE facts SET value = replace(value, 'true', 'false') WHERE key = 'audit.tracker'`);
    expect(audit.isOn()).toBe(true);
  });
});

describe('what is recorded', () => {
  it('M5 resolves what was typed, and knows the name of what is gone', () => {
    const { id } = state.audit.last() ?? { id: '' };
    expect(id).toBe('');
    audit.record(trace('createVault', { resourceId: '0011223344556677', resourceName: 'gone' }));
    audit.record(trace('deleteVault', { resourceId: '0011223344556677', resourceName: '' }));
    expect(state.audit.last()).toMatchObject({ trace: 'deleteVault', resourceName: 'gone' });
  });

  it('M5 takes names and IDs from request and answer, never a value', () => {
    const caller = { name: 'root', address: '127.0.0.1' };
    const secret = 'canary-5512';
    const update = auditedOf(
      { name: 'updatePool', resource: 'pool' },
      { params: { id: 'disk' }, body: { credentials: { accessKey: secret, secretKey: secret }, name: 'disk2' } },
      caller,
      { body: { id: 'p1', name: 'disk2' } },
    );
    expect(update).toMatchObject({ resourceId: 'p1', resourceName: 'disk2', result: 'ok', detail: 'with credentials, name' });
    const refused = auditedOf({ name: 'createVault', resource: 'vault' }, { body: { name: 'v', recoveryKey: secret } }, caller, {
      code: 'USAGE',
    });
    expect(refused).toMatchObject({ resourceId: '', resourceName: 'v', result: 'failed', code: 'USAGE', detail: '' });
    const task = { id: 't1', type: 'backup', name: 'b', vaultId: 'v1', vaultName: 'main', backupId: 'b1', warningCount: 0, createdAt: 1 };
    const started = auditedOf({ name: 'createVaultBackup', resource: 'vault' }, { body: { plan: 'etc' } }, caller, { body: task });
    expect(started).toMatchObject({ resourceId: 'v1', resourceName: 'main', detail: 'plan etc; task t1' });
    const key = auditedOf({ name: 'removeKey', resource: 'vault' }, { params: { id: 'main', key: 'ab12' } }, caller, {
      body: { id: 'ab12' },
    });
    expect(key).toMatchObject({ resourceId: 'main', detail: 'key ab12' });
    expect(JSON.stringify([update, refused, started, key])).not.toContain(secret);
  });

  it('M5 house: every operation that changes something has a trace name', () => {
    const free: readonly RouteName[] = ['policyPreview', 'alarmTest', 'auditVerify', 'auditTracker'];
    const silent = (Object.entries(routes) as [RouteName, Route][])
      .filter(([name, route]) => route.method !== 'GET' && !route.trace && !free.includes(name))
      .map(([name]) => `${name} ${addresses[name]}`);
    expect(silent).toEqual([]);
  });
});
