// What is told of ended tasks, and of what nobody asked for.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAlarms } from '../../../src/agent/alarms.ts';
import type { AgentContext } from '../../../src/agent/context.ts';
import { createEvents } from '../../../src/agent/events.ts';
import { heartbeatContext, sendHeartbeat } from '../../../src/agent/heartbeat.ts';
import { tellTask } from '../../../src/agent/tell-task.ts';
import { watchAlarms } from '../../../src/agent/watch-alarms.ts';
import { failure } from '../../../src/base/errors.ts';
import { layoutOf } from '../../../src/config/layout.ts';
import { type Plan, planDefaults } from '../../../src/model/plan.ts';
import type { BackupRow } from '../../../src/state/backups.ts';
import type { TaskRow } from '../../../src/state/tasks.ts';
import { noCare } from '../../../src/state/vaults.ts';
import { alarmGround, noon } from '../../beds/alarm-ground.ts';
import { httpReceiver } from '../../beds/http-receiver.ts';
import { selfSigned } from '../../beds/self-signed.ts';

const hour = 3600_000;
const day = 24 * hour;
const gib = 2 ** 30;
const home = mkdtempSync(join(tmpdir(), 'watch-alarms-'));
let bed: ReturnType<typeof openBed>;
beforeEach(() => {
  bed = openBed();
});
afterEach(async () => {
  await bed.context.alarms.stop();
  bed.context.state.close();
  rmSync(home, { recursive: true, force: true });
});

const plan: Plan = {
  ...planDefaults,
  id: 'plan0001',
  name: 'shop',
  description: '',
  vaultId: 'vault001',
  source: { kind: 'command', argv: ['x'], fileName: 'x', minBytes: 0 },
  method: 'stream',
  secret: null,
  timing: { kind: 'manual' },
  consistency: { freeze: false, otherwise: 'fall-back', allowInconsistent: false, freezeLimit: 60 },
  accountedUntil: noon,
  createdAt: noon,
  updatedAt: noon,
};

function openBed() {
  const ground = { ...alarmGround(), layout: layoutOf({ AGENT_HOME: home }) };
  const context = { ...ground, events: createEvents(ground), alarms: createAlarms(ground) } as unknown as AgentContext;
  const { state, clock } = ground;
  const times = { createdAt: noon, updatedAt: noon };
  const place = { type: 'local', path: '/p' } as const;
  state.pools.insert({
    id: 'pool0001',
    name: 'disk',
    remark: '',
    place,
    credentials: null,
    bandwidth: 0,
    state: 'online',
    stateDetail: '',
    checkedAt: noon,
    ...times,
  });
  const sizes = { capacityGb: 100, usedBytes: 0, immutableDays: 0, care: noCare, keys: [], recoveryKeyId: null, policyId: null };
  const kinds = { type: 'any', protection: 'backup', spec: 'server', state: 'available', stateDetail: '' } as const;
  const where = { poolId: 'pool0001', path: 'main/a', location: '/p/main/a', repositoryId: 'r', password: 's' };
  state.vaults.insert({ id: 'vault001', name: 'main', description: '', ...where, ...kinds, ...sizes, ...times });
  state.plans.insert(plan);
  let count = 0;
  const task = (change: Partial<TaskRow>): TaskRow => {
    const row: TaskRow = {
      id: `task${++count}`,
      type: 'backup',
      state: 'done',
      name: 'shop',
      request: { type: 'backup', tags: {}, full: false },
      poolId: null,
      vaultId: 'vault001',
      planId: 'plan0001',
      backupId: null,
      createdAt: clock.now(),
      startedAt: clock.now() - 65_000,
      endedAt: clock.now(),
      progress: null,
      warningCount: 0,
      warnings: [],
      problem: null,
      result: null,
      ...change,
    };
    state.tasks.insert(row);
    return row;
  };
  const backup = (change: Partial<BackupRow> = {}): string => {
    const id = `backup${++count}`;
    const texts = { description: '', planName: 'shop', source: 'command', method: 'stream', hostname: 'h', username: 'u' };
    const nothing = {
      record: id,
      consistency: null,
      consistencyReason: null,
      tree: null,
      parent: null,
      endedAt: null,
      summary: null,
      taskId: null,
      keep: null,
      deleteAt: null,
      stateBefore: null,
    };
    state.backups.insert({
      ...texts,
      ...nothing,
      id,
      vaultId: 'vault001',
      name: `auto-${id}`,
      state: 'available',
      kind: 'auto',
      planId: 'plan0001',
      full: false,
      warnings: 0,
      paths: [],
      tags: [],
      time: clock.now(),
      sizeBytes: 3 * gib,
      addedBytes: 1536,
      replica: false,
      ...change,
    });
    return id;
  };
  const standing = () =>
    state.alarming.alarms.where([{ sql: 'cleared_at IS NULL', values: {} }]).map(({ type, level }) => `${type} ${level}`);
  const events = () => state.events.where([]).map(({ type, level, content }) => `${type} ${level} ${content}`);
  return { context, later: ground.later, lines: ground.lines, task, backup, standing, events };
}

describe('ended tasks', () => {
  it('M3 M2 a backup that fails is an event and an alarm; the next good one is an event and ends it', () => {
    const { context, task, backup, standing, events } = bed;
    const problem = failure('SOURCE_COMMAND', { command: 'x', detail: 'ended with 3' }).toProblem();
    tellTask(context, task({ state: 'failed', problem }));
    tellTask(context, task({ state: 'died', problem: failure('TASK_DIED', { detail: 'SIGKILL' }).toProblem() }));
    expect(standing()).toEqual(['BACKUP_FAILED major']);
    tellTask(context, task({ state: 'cancelled', problem: failure('TASK_CANCELLED').toProblem() }));
    expect(standing()).toEqual(['BACKUP_FAILED major']);
    const backupId = backup();
    tellTask(context, task({ state: 'warnings', warningCount: 2, warnings: [{ item: '/a', detail: 'it vanished' }], backupId }));
    expect(standing()).toEqual([]);
    tellTask(context, task({ backupId }));
    expect(events().toReversed()).toEqual([
      'BACKUP_FAILED major shop failed: the command x ended with 3. No backup was made. Run the command by hand and read what it says.',
      expect.stringContaining('BACKUP_FAILED major shop failed: the task process died (SIGKILL)'),
      'BACKUP_CANCELLED info shop was cancelled, in 1 min 5 s',
      `BACKUP_WARNINGS minor auto-${backupId}: 3 GiB, 1.5 KiB of it new, in 1 min 5 s; 2 warnings; /a: it vanished`,
      `BACKUP_DONE info auto-${backupId}: 3 GiB, 1.5 KiB of it new, in 1 min 5 s`,
    ]);
  });

  it('M3 restores, checks, prunes and expiries are events of the vault', () => {
    const { context, task, events } = bed;
    const prune = {
      packsBefore: 1,
      packsRemoved: 1,
      packsRepacked: 0,
      bytesBefore: 9,
      bytesUnused: 0,
      bytesFreed: 12 * 2 ** 20,
      blobsUsed: 1,
      blobsUnused: 0,
      dryRun: false,
    };
    tellTask(
      context,
      task({ type: 'prune', request: { type: 'prune', dryRun: false, maxUnusedPercent: 5 }, result: { prune, warnings: 0 } }),
    );
    tellTask(
      context,
      task({ type: 'prune', request: { type: 'prune', dryRun: true, maxUnusedPercent: 5 }, result: { prune, warnings: 0 } }),
    );
    tellTask(context, task({ type: 'forget', name: 'main', request: { type: 'forget', records: ['a', 'b'] }, result: { warnings: 0 } }));
    tellTask(
      context,
      task({ type: 'restore', request: { type: 'restore' }, state: 'failed', problem: failure('TARGET_FULL', { path: '/x' }).toProblem() }),
    );
    tellTask(context, task({ type: 'ls', request: { type: 'attended' } }));
    expect(
      events()
        .map((text) => text.split(' ').slice(0, 4).join(' '))
        .toReversed(),
    ).toEqual(['PRUNE_DONE info 12 MiB', 'EXPIRE_DONE info 2 backups', 'RESTORE_FAILED major shop failed:']);
  });

  it('M2 damage stands until a check that read everything was clean', () => {
    const { context, task, standing } = bed;
    const check = { packs: 1, blobs: 1, bytesRead: 5, errors: [], notes: [], hurt: {} };
    const problem = failure('REPO_DAMAGED', { kind: 'data', name: 'x', detail: 'y' }).toProblem();
    tellTask(context, task({ type: 'check', request: { type: 'check', readData: false }, state: 'failed', problem }));
    expect(standing()).toEqual(['VAULT_DAMAGED critical']);
    for (const readData of [false, '1/30', '5%'])
      tellTask(context, task({ type: 'check', request: { type: 'check', readData }, result: { check, warnings: 0 } }));
    expect(standing()).toEqual(['VAULT_DAMAGED critical']);
    tellTask(context, task({ type: 'check', request: { type: 'check', readData: true }, result: { check, warnings: 0 } }));
    expect(standing()).toEqual([]);
  });

  it('M2 a freeze that ran into its limit is an alarm until a backup without one', () => {
    const { context, task, backup, standing } = bed;
    const consistencyReason = failure('FREEZE_EXPIRED', { seconds: 60 }).message;
    tellTask(context, task({ state: 'warnings', backupId: backup({ consistencyReason }) }));
    expect(standing()).toEqual(['LONG_FREEZE minor']);
    tellTask(context, task({ state: 'failed', problem: failure('TASK_DIED', { detail: 'x' }).toProblem() }));
    expect(standing().toSorted()).toEqual(['BACKUP_FAILED major', 'LONG_FREEZE minor']);
    tellTask(context, task({ backupId: backup() }));
    expect(standing()).toEqual([]);
  });
});

describe('what is watched', () => {
  it('M2 a pool that is offline, until it is back; a pool that is gone takes its alarm with it', () => {
    const { context, standing, later } = bed;
    const { state } = context;
    state.pools.update('pool0001', { state: 'offline', stateDetail: 'no marker' });
    for (let i = 0; i < 5; i++, later(60_000)) watchAlarms(context);
    expect(state.alarming.alarms.where([])).toMatchObject([
      { type: 'POOL_OFFLINE', level: 'major', count: 1, content: expect.stringContaining('no marker') },
    ]);
    state.pools.update('pool0001', { state: 'online' });
    watchAlarms(context);
    expect(standing()).toEqual([]);
    state.pools.insert({ ...state.pools.find('pool0001'), id: 'pool0002', name: 'other', state: 'offline' });
    watchAlarms(context);
    state.pools.remove('pool0002');
    watchAlarms(context);
    expect(standing()).toEqual([]);
  });

  it('M2 a vault at 80, 95 and above 100 percent of its capacity', () => {
    const { context, standing } = bed;
    const at = (percent: number) => {
      context.state.vaults.update('vault001', { usedBytes: Math.floor(percent * gib) });
      watchAlarms(context);
      return standing();
    };
    expect([at(79.9), at(80), at(94.9), at(95), at(100), at(100.1)]).toEqual([
      [],
      ['VAULT_USAGE minor'],
      ['VAULT_USAGE minor'],
      ['VAULT_USAGE major'],
      ['VAULT_USAGE major'],
      ['VAULT_USAGE critical'],
    ]);
    expect(at(50)).toEqual([]);
  });

  it('M2 the age of the last good backup: the limit of the plan, also of one that never had one, and of paused ones', () => {
    const { context, standing, backup, later } = bed;
    const { state } = context;
    const tick = () => {
      watchAlarms(context);
      return standing();
    };
    later(400 * day);
    expect(tick()).toEqual([]);
    later(-400 * day);
    state.plans.update('plan0001', { maxAgeHours: 30, pause: { by: 'source', since: noon, reason: 'the source is off' } });
    later(30 * hour);
    expect(tick()).toEqual([]);
    later(1000);
    expect(tick()).toEqual(['BACKUP_TOO_OLD major']);
    expect(state.alarming.alarms.where([])[0]!.content).toMatch(/no good backup yet; it is paused: the source is off/);
    backup();
    backup({ state: 'error', time: noon + 9 * day });
    expect(tick()).toEqual([]);
    later(31 * hour);
    expect(tick()).toEqual(['BACKUP_TOO_OLD major']);
    state.plans.update('plan0001', { associated: false });
    expect(tick()).toEqual([]);
  });

  it('M2 a scheduled plan without a limit: two missed starts and twelve hours, whatever its rhythm', () => {
    const { context, standing, later } = bed;
    const rule = { retention: { kind: 'permanent' }, fullEveryDays: null } as const;
    // Noon of 1 March 2026 is a Sunday's; on weekdays at 02:00: the first starts after it are Monday and Tuesday.
    const schedule = { kind: 'hours', hours: [2], days: { weekdays: [1, 2, 3, 4, 5] }, zone: 'UTC' } as const;
    context.state.plans.update('plan0001', { timing: { kind: 'own', rule: { ...rule, schedule } } });
    later(2 * day + 2 * hour);
    watchAlarms(context);
    expect(standing()).toEqual([]);
    later(1000);
    watchAlarms(context);
    expect(standing()).toEqual(['BACKUP_TOO_OLD major']);
  });

  it('M2 a prune that somebody blocks for a day', () => {
    const { context, standing, task, later } = bed;
    const prune = (problem: TaskRow['problem']) =>
      task({ type: 'prune', request: { type: 'prune', dryRun: false, maxUnusedPercent: 5 }, state: problem ? 'failed' : 'done', problem });
    const locked = failure('REPO_LOCKED', { location: '/p', who: 'x', detail: 'y' }).toProblem();
    prune(locked);
    later(hour);
    prune(null);
    later(hour);
    for (let i = 0; i < 3; i++, later(11.9 * hour)) {
      prune(locked);
      watchAlarms(context);
      expect(standing()).toEqual([]);
    }
    watchAlarms(context);
    expect(standing()).toEqual(['PRUNE_BLOCKED major']);
    prune(failure('POOL_OFFLINE', { location: 'x', detail: 'y' }).toProblem());
    watchAlarms(context);
    expect(standing()).toEqual([]);
  });

  it('M2 a certificate that ends in less than a month, a week, a day', () => {
    const { context, standing, later } = bed;
    const { certificates } = context.layout;
    mkdirSync(certificates, { recursive: true });
    // It ends a day from now, by the real clock.
    writeFileSync(join(certificates, 'server.crt'), selfSigned().cert);
    later(Date.now() + day - noon);
    const before = (days: number) => {
      later(-days * day);
      watchAlarms(context);
      later(days * day);
      return standing().filter((text) => text.startsWith('CERTIFICATE'));
    };
    expect([before(31.5), before(29.5), before(6.5), before(0.5)]).toEqual([
      [],
      ['CERTIFICATE_ENDS minor'],
      ['CERTIFICATE_ENDS major'],
      ['CERTIFICATE_ENDS critical'],
    ]);
  });
});

describe('heartbeats', () => {
  it('M2 asks the address of the moment, three times if need be; a failure is an event and a line that tell the host alone', async () => {
    const { context, events, lines } = bed;
    let refusals = 2;
    const server = await httpReceiver((_heard, response) => void response.writeHead(refusals-- > 0 ? 503 : 200).end());
    const heartbeat = { start: `${server.url}/T0KEN/start`, failure: `${server.url}/T0KEN/fail?x=1` };
    context.state.plans.update(plan.id, { heartbeat: context.sealer.seal(heartbeatContext(plan.id), JSON.stringify(heartbeat)) });
    const quick = { initial: 1 };
    await sendHeartbeat(context, plan.id, 'start', quick);
    await sendHeartbeat(context, plan.id, 'success', quick);
    expect(server.heard.map(({ method, path }) => `${method} ${path}`)).toEqual(Array(3).fill('GET /T0KEN/start'));
    expect(events()).toEqual([]);
    refusals = 100;
    await sendHeartbeat(context, plan.id, 'failure', quick);
    expect(server.heard).toHaveLength(6);
    await server.close();
    await sendHeartbeat(context, plan.id, 'start', quick);
    expect(events().toReversed()).toMatchObject([
      expect.stringMatching(/HEARTBEAT_FAILED minor .*failure.*127\.0\.0\.1.*503/),
      expect.stringMatching(/HEARTBEAT_FAILED minor .*start.*ECONNREFUSED/),
    ]);
    context.state.plans.update(plan.id, { heartbeat: 'not sealed by us' });
    await sendHeartbeat(context, plan.id, 'start', quick);
    expect(JSON.stringify([events(), lines])).not.toContain('T0KEN');
  });
});
