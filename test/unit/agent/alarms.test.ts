// Alarms: raised once, told until they are taken, in order, and cleared for everybody who was told.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createAlarms } from '../../../src/agent/alarms.ts';
import type { AgentContext } from '../../../src/agent/context.ts';
import { createEvents } from '../../../src/agent/events.ts';
import { alarmMethods } from '../../../src/agent/methods/alarms.ts';
import type { TaskDesk } from '../../../src/agent/task-desk.ts';
import { failure } from '../../../src/base/errors.ts';
import { type AlarmState, type Level, levels, type Subject } from '../../../src/model/event.ts';
import type { Alert } from '../../../src/ports/alarm-sink.ts';
import type { SinkInput } from '../../../src/rpc/schemas-alarms.ts';
import type { AlarmSinkRow } from '../../../src/state/alarms.ts';
import { type AlarmGround, alarmGround, noon } from '../../beds/alarm-ground.ts';
import { type Answer, httpReceiver } from '../../beds/http-receiver.ts';
import { randomOf } from '../model/random.ts';

const minute = 60_000;
const vault: Subject = { kind: 'vault', id: 'vault001', name: 'main' };
const usage = (level: Level, content = `usage ${level}`): AlarmState => ({ subject: vault, type: 'VAULT_USAGE', level, content });
const call = { caller: { name: 'anna', address: 'local' }, signal: new AbortController().signal };
const open: { close(): Promise<void> | void }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

function contextOn(ground: AlarmGround, take?: (sink: AlarmSinkRow, alert: Alert) => Promise<void> | void) {
  const tell = take && (async (row: AlarmSinkRow) => ({ tell: async (alert: Alert) => void (await take(row, alert)) }));
  const alarms = createAlarms(ground, tell);
  const context: AgentContext = { ...ground, events: createEvents(ground), alarms, audit: {} as AgentContext['audit'] };
  open.push({ close: () => alarms.stop() });
  return { ...ground, context, alarms, rpc: alarmMethods(context, {} as TaskDesk) };
}

/** With one receiver in memory for each name; `refusing` are those that take nothing. */
function bench(names: Readonly<Record<string, Level>> = { all: 'info' }, ground = alarmGround()) {
  const told: { readonly sink: string; readonly alert: Alert }[] = [];
  const refusing = new Set<string>();
  const made = contextOn(ground, (sink, alert) => {
    if (refusing.has(sink.name)) throw failure('ALARM_SINK', { sink: sink.name, detail: 'it answered 500' });
    told.push({ sink: sink.name, alert });
  });
  const rows = { kind: 'webhook', settings: {}, secret: null, trouble: '', createdAt: noon, updatedAt: noon };
  for (const [name, level] of Object.entries(names))
    if (made.state.alarming.sinks.where([]).every((row) => row.name !== name))
      made.state.alarming.sinks.insert({ id: `id-${name}`, name, level, ...rows });
  const heard = (name = 'all') =>
    told.filter(({ sink }) => sink === name).map(({ alert }) => `${alert.kind} ${alert.level} ${alert.content}`);
  return { ...made, told, refusing, heard };
}

async function hook(answer?: Answer) {
  const server = await httpReceiver(answer);
  open.push(server);
  return server;
}

describe('raise and clear', () => {
  it('M2 one stands for each subject and type: a repeat counts up, a higher level is told again, the end is told too', async () => {
    const { alarms, later, heard, rpc } = bench();
    for (const [level, content] of [
      ['minor', 'a'],
      ['minor', 'b'],
      ['major', 'c'],
      ['minor', 'd'],
    ] as const) {
      alarms.raise(usage(level, content));
      later(minute);
    }
    const listed = await rpc.alarmList({ query: {} }, call);
    expect(listed.items).toMatchObject([
      {
        subject: vault,
        type: 'VAULT_USAGE',
        level: 'major',
        content: 'd',
        count: 4,
        raisedAt: noon,
        lastAt: noon + 3 * minute,
        clearedAt: null,
      },
    ]);
    alarms.clear(vault, 'VAULT_USAGE');
    alarms.clear(vault, 'VAULT_USAGE');
    alarms.clear({ ...vault, kind: 'pool' }, 'VAULT_USAGE');
    await alarms.rest();
    expect(heard()).toEqual(['raise minor a', 'raise major c', 'clear major d']);
    expect((await rpc.alarmList({ query: {} }, call)).items).toEqual([]);
    expect((await rpc.alarmList({ query: { all: true, level: 'major', subject: 'main' } }, call)).items).toMatchObject([
      { clearedAt: noon + 4 * minute },
    ]);
    expect((await rpc.alarmList({ query: { all: true, level: 'critical' } }, call)).items).toEqual([]);
  });

  it('M2 a receiver is told from its level on, and of the end of what it was told alone', async () => {
    const { alarms, heard } = bench({ all: 'info', bad: 'major' });
    alarms.raise(usage('minor'));
    alarms.clear(vault, 'VAULT_USAGE');
    alarms.raise(usage('minor'));
    alarms.raise(usage('critical'));
    alarms.clear(vault, 'VAULT_USAGE');
    await alarms.rest();
    expect(heard('bad')).toEqual(['raise critical usage critical', 'clear critical usage critical']);
    expect(heard()).toHaveLength(5);
  });

  it('M2 an operator looks after an alarm until it gets worse', async () => {
    const { alarms, rpc } = bench();
    alarms.raise(usage('minor'));
    const [{ id }] = (await rpc.alarmList({ query: {} }, call)).items as unknown as [{ id: string }];
    expect(await rpc.alarmAck({ params: { id: id.slice(0, 6) } }, call)).toMatchObject({ ackedBy: 'anna', ackedAt: noon });
    alarms.raise(usage('minor'));
    expect(await rpc.alarmShow({ params: { id } }, call)).toMatchObject({ ackedBy: 'anna', count: 2 });
    alarms.raise(usage('major'));
    expect(await rpc.alarmShow({ params: { id } }, call)).toMatchObject({ ackedBy: null });
    alarms.clear(vault, 'VAULT_USAGE');
    expect(() => rpc.alarmAck({ params: { id } }, call)).toThrow(/over already/);
  });

  it('M2 receivers see raise and clear of an alarm in turn, whatever comes in whatever order', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { one: pick } = randomOf(seed);
      const dos = ['raise', 'raise', 'clear', 'deliver', 'wait', 'refuse', 'take', 'restart'] as const;
      const steps = Array.from({ length: 30 }, () => ({ do: pick(dos), type: pick(['A', 'B']), level: pick(levels) }));
      const ground = alarmGround();
      const first = bench({ all: 'info', bad: 'major' }, ground);
      const { told, refusing } = first;
      let { alarms } = first;
      for (const { do: what, type, level } of steps) {
        if (what === 'raise') alarms.raise({ ...usage(level), type });
        if (what === 'clear') alarms.clear(vault, type);
        if (what === 'deliver') alarms.deliver();
        if (what === 'wait') await alarms.rest();
        if (what === 'refuse') refusing.add('all').add('bad');
        if (what === 'take') refusing.clear();
        if (what === 'restart') {
          await alarms.rest();
          alarms = createAlarms(ground, async (row) => ({
            tell: async (alert) => {
              if (refusing.has(row.name)) throw failure('ALARM_SINK', { sink: row.name, detail: 'no' });
              told.push({ sink: row.name, alert });
            },
          }));
        }
        ground.later(20_000);
      }
      refusing.clear();
      ground.later(3600_000);
      alarms.deliver();
      await alarms.rest();
      const standing = ground.state.alarming.alarms.where([{ sql: 'cleared_at IS NULL', values: {} }]);
      for (const sink of ['all', 'bad'])
        for (const type of ['A', 'B']) {
          let last: Alert | undefined;
          for (const { alert } of told.filter((one) => one.sink === sink && one.alert.type === type)) {
            if (alert.kind === 'clear') expect(last).toMatchObject({ kind: 'raise', id: alert.id });
            else if (last?.kind === 'raise')
              expect([last.id, levels.indexOf(alert.level) > levels.indexOf(last.level)]).toEqual([alert.id, true]);
            last = alert;
          }
          const due = standing.some((row) => row.type === type && (sink === 'all' || levels.indexOf(row.level) >= 2));
          expect(last?.kind ?? 'clear').toBe(due ? 'raise' : 'clear');
        }
      await alarms.stop();
      ground.state.close();
    }
  });
});

describe('delivery', () => {
  it('M2 tries again after 10 s, then after twice as long each time, up to an hour, and in order', async () => {
    const { alarms, later, heard, refusing, context, state, told } = bench();
    refusing.add('all');
    alarms.raise(usage('minor', 'first'));
    await alarms.rest();
    alarms.clear(vault, 'VAULT_USAGE');
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 12; attempt++) {
      const [head] = state.alarming.deliveries.where([]);
      pauses.push((head!.nextAt - context.clock.now()) / 1000);
      later(head!.nextAt - context.clock.now() - 1);
      alarms.deliver();
      await alarms.rest();
      expect(state.alarming.deliveries.where([])[0]!.attempts).toBe(attempt + 1);
      later(1);
      alarms.deliver();
      await alarms.rest();
    }
    expect(pauses).toEqual([10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]);
    refusing.clear();
    later(3600_000);
    alarms.deliver();
    await alarms.rest();
    expect(heard()).toEqual(['raise minor first', 'clear minor first']);
    expect(told[0]!.alert.id).toBe(told[1]!.alert.id);
  });

  it('M2 who takes nothing shows his trouble and makes an event, never an alarm, and holds up nobody else', async () => {
    const { alarms, heard, refusing, rpc, later, state } = bench({ all: 'info', dead: 'info' });
    refusing.add('dead');
    alarms.raise(usage('major'));
    await alarms.rest();
    expect(heard()).toHaveLength(1);
    const listed = async () =>
      (await rpc.alarmSinkList({ query: {} }, call)).items.map(({ name, trouble, waiting }) => [name, trouble, waiting]);
    expect(await listed()).toEqual([
      ['log', '', 0],
      ['all', '', 0],
      ['dead', expect.stringMatching(/dead did not take.*500/), 1],
    ]);
    expect(state.alarming.alarms.count()).toBe(1);
    expect(state.events.where([])).toMatchObject([{ type: 'ALARM_SINK_FAILED', level: 'minor' }]);
    refusing.clear();
    later(10_000);
    alarms.deliver();
    await alarms.rest();
    expect(await listed()).toEqual([
      ['log', '', 0],
      ['all', '', 0],
      ['dead', '', 0],
    ]);
  });

  it('M2 keeps a thousand for each receiver, drops the oldest and says so, and still waits as long as before', async () => {
    const { alarms, refusing, state, later } = bench();
    refusing.add('all');
    for (let i = 0; i < 503; i++) {
      alarms.raise(usage('major', `n${i}`));
      alarms.clear(vault, 'VAULT_USAGE');
      if (i === 3) await alarms.rest();
    }
    await alarms.rest();
    const waiting = state.alarming.deliveries.where([]);
    expect(waiting).toHaveLength(1000);
    expect(waiting[0]).toMatchObject({ alert: { content: 'n3', kind: 'raise' }, attempts: 1, nextAt: noon + 10_000 });
    later(10_000);
    alarms.deliver();
    await alarms.rest();
    expect(state.alarming.sinks.where([])[0]!.trouble).toMatch(/6 alerts were dropped/);
  });

  it('M2 a storm becomes 60 alerts in a minute, the last of which says how many it stands for', async () => {
    const { alarms, heard, told, later } = bench();
    const pool = (i: number): Subject => ({ kind: 'pool', id: `pool${i}`, name: `p${i}` });
    for (let i = 0; i < 300; i++)
      alarms.raise({ subject: pool(i), type: 'POOL_OFFLINE', level: i === 200 ? 'critical' : 'minor', content: `${i}` });
    await alarms.rest();
    expect(heard()).toHaveLength(60);
    expect(told[59]!.alert).toMatchObject({
      type: 'ALERTS_JOINED',
      level: 'critical',
      content: expect.stringMatching(/^241 more alerts.*241 raised, 0 cleared.*POOL_OFFLINE/),
    });
    alarms.clear(pool(0), 'POOL_OFFLINE');
    later(30_000);
    alarms.deliver();
    await alarms.rest();
    expect(heard()).toHaveLength(60);
    later(31_000);
    alarms.deliver();
    await alarms.rest();
    expect(heard().slice(60)).toEqual(['clear minor 0']);
  });

  it('M2 a storm hides the end of no alarm that was told', async () => {
    const { alarms, told, later } = bench();
    const pool = (i: number): Subject => ({ kind: 'pool', id: `pool${i}`, name: `p${i}` });
    for (let i = 0; i < 100; i++) alarms.raise({ subject: pool(i), type: 'POOL_OFFLINE', level: 'minor', content: `${i}` });
    for (let i = 0; i < 100; i++) alarms.clear(pool(i), 'POOL_OFFLINE');
    for (let i = 0; i < 3; i++, later(61_000)) {
      alarms.deliver();
      await alarms.rest();
    }
    const ids = (kind: string) =>
      told.filter(({ alert }) => alert.kind === kind && alert.type !== 'ALERTS_JOINED').map(({ alert }) => alert.id);
    expect(ids('raise')).toHaveLength(59);
    expect(ids('clear')).toEqual(ids('raise'));
    expect(told.at(-1)!.alert.content).toMatch(/^82 more alerts.*41 raised, 41 cleared/);
  });

  it('M2 what was not taken when the agent ended is told by the next one, after 500s and hanging, in order', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'alarms-'));
    const database = join(folder, 'agent.db');
    const key = randomBytes(32);
    let down = true;
    const server = await hook((_heard, response, index) => {
      if (!down) response.writeHead(200).end();
      else if (index === 0) response.writeHead(500).end('down');
    });
    const one = contextOn(alarmGround(database, noon, key));
    one.rpc.alarmSinkCreate(
      { body: { name: 'ops', settings: { kind: 'webhook', url: `${server.url}/hook/tok-in-path`, secret: 'tok' } } },
      call,
    );
    one.alarms.raise(usage('major', 'first'));
    await one.alarms.rest();
    one.later(10_000);
    one.alarms.clear(vault, 'VAULT_USAGE');
    await server.count(2);
    await one.alarms.stop();
    one.state.close();
    down = false;
    const two = contextOn(alarmGround(database, noon + minute, key));
    two.alarms.deliver();
    await two.alarms.rest();
    const bodies = server.heard.map(({ body }) => JSON.parse(body) as Alert);
    expect(bodies.map(({ kind }) => kind)).toEqual(['raise', 'raise', 'raise', 'clear']);
    expect(new Set(bodies.map(({ id }) => id)).size).toBe(1);
    expect(server.heard[3]!.headers.authorization).toBe('Bearer tok');
    two.state.close();
    rmSync(folder, { recursive: true });
  });
});

describe('receivers and rules', () => {
  it('M2 secrets and addresses of receivers are sealed, and neither listed nor logged', async () => {
    const { rpc, state, lines, alarms } = contextOn(alarmGround());
    const server = await hook((_heard, response) => void response.writeHead(401).end('no'));
    await rpc.alarmSinkCreate(
      { body: { name: 'ops', level: 'major', settings: { kind: 'webhook', url: `${server.url}/T0KEN`, auth: 'hmac', secret: 's3cret' } } },
      call,
    );
    const mail: SinkInput = {
      kind: 'mail',
      host: '127.0.0.1',
      port: 1,
      tls: 'none',
      user: 'me',
      password: 's3cret',
      from: 'a@b.c',
      to: ['d@e.f'],
    };
    await rpc.alarmSinkCreate({ body: { name: 'post', settings: mail } }, call);
    const tested = await rpc.alarmTest({ body: {} }, call);
    expect(tested.items.map(({ taken }) => taken)).toEqual([false, false]);
    alarms.raise(usage('major'));
    await alarms.rest();
    const listed = await rpc.alarmSinkList({ query: {} }, call);
    expect(listed.items.map(({ name, kind, hasSecret }) => [name, kind, hasSecret])).toEqual([
      ['log', 'log', false],
      ['ops', 'webhook', true],
      ['post', 'mail', true],
    ]);
    const rows = JSON.stringify([state.alarming.sinks.where([]), state.events.where([]), listed, tested, lines]);
    expect(rows).toContain('127.0.0.1');
    expect(rows).not.toMatch(/T0KEN|s3cret/);
  });

  it('M2 refuses what cannot be meant', () => {
    const { rpc } = bench();
    const add =
      (settings: Parameters<typeof rpc.alarmSinkCreate>[0]['body']['settings'], name = 'x') =>
      () =>
        rpc.alarmSinkCreate({ body: { name, settings } }, call);
    expect(add({ kind: 'webhook', url: 'ftp://x' })).toThrow(/https/);
    expect(add({ kind: 'webhook', url: 'https://u:p@x' })).toThrow(/no user/);
    expect(add({ kind: 'webhook', url: 'https://x', auth: 'hmac' })).toThrow(/takes a secret/);
    expect(add({ kind: 'mail', host: 'far', tls: 'none', user: 'u', password: 'p', from: 'a@b', to: ['a@b'] })).toThrow(/in the open/);
    expect(add({ kind: 'command', command: 'not-on-any-list' })).toThrow(/not allowed/);
    expect(add({ kind: 'webhook', url: 'https://x' }, 'all')).toThrow(/exists/);
    expect(add({ kind: 'webhook', url: 'https://x' }, 'log')).toThrow(/exists/);
    expect(add({ kind: 'webhook', url: 'https://x' }, 'a b')).toThrow(/name/);
    expect(() => rpc.alarmSinkDelete({ params: { id: 'log' } }, call)).toThrow(/always told/);
  });

  it('M2 who is added while something stands is told of it; who is removed takes what waits with him', async () => {
    const { rpc, alarms, state, heard, refusing } = bench();
    alarms.raise(usage('minor'));
    alarms.raise({ ...usage('critical'), type: 'VAULT_DAMAGED' });
    refusing.add('new');
    await rpc.alarmSinkCreate({ body: { name: 'new', level: 'major', settings: { kind: 'webhook', url: 'https://x' } } }, call);
    await alarms.rest();
    expect(heard()).toHaveLength(2);
    expect(state.alarming.deliveries.where([]).map(({ alert }) => alert.type)).toEqual(['VAULT_DAMAGED']);
    await rpc.alarmSinkDelete({ params: { id: 'new' } }, call);
    expect(state.alarming.deliveries.count()).toBe(0);
  });

  it('M2 the log is told always', () => {
    const { alarms, lines } = bench({});
    alarms.raise(usage('major', 'it is full'));
    alarms.clear(vault, 'VAULT_USAGE');
    expect(lines.join('\n')).toMatch(/MAJOR.*VAULT_USAGE of vault main.*it is full[\s\S]*CLEARED/);
  });
});
