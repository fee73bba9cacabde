import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentContext } from '../../../src/agent/context.ts';
import { createLiveTask, type LiveTask } from '../../../src/agent/live-task.ts';
import { prometheusText } from '../../../src/agent/prometheus.ts';
import { createUsage } from '../../../src/agent/usage.ts';
import { createLog } from '../../../src/base/log.ts';
import { createProcessLook, type ProcessLook } from '../../../src/host/usage.ts';
import type { AlarmState } from '../../../src/model/event.ts';
import { type Plan, planDefaults } from '../../../src/model/plan.ts';
import type { Metric } from '../../../src/state/alarms.ts';
import { openState, type State } from '../../../src/state/state.ts';
import type { TaskRow } from '../../../src/state/tasks.ts';

const start = Date.UTC(2026, 2, 1);
const process100 = new Map([[77, { cpuPercent: 100, memoryBytes: 5e6 }]]);
let state: State;
let told: string[];
let now: number;
let live: LiveTask | undefined;
let looks: number;
let rests: number;

const plan = (method: string): Plan => ({
  ...planDefaults,
  hooks: { before: [], after: [], failure: [] },
  id: `p-${method}`,
  name: method,
  description: '',
  vaultId: 'v',
  source: { kind: 'command', shell: 'x', fileName: 'x', minBytes: 0 },
  method,
  secret: null,
  consistency: {} as Plan['consistency'],
  accountedUntil: 0,
  createdAt: 1,
  updatedAt: 1,
});

const task = (planId: string): TaskRow => ({
  id: `t-${planId}`,
  type: 'backup',
  state: 'running',
  name: planId,
  request: {},
  poolId: null,
  vaultId: null,
  planId,
  backupId: null,
  createdAt: 1,
  startedAt: 1,
  endedAt: null,
  progress: null,
  warningCount: 0,
  warnings: [],
  problem: null,
  result: null,
});

beforeEach(() => {
  state = openState(':memory:');
  told = [];
  now = start;
  looks = 0;
  rests = 0;
  live = undefined;
  insertVault();
});
afterEach(() => state.close());

function insertVault(): void {
  state.pools.insert({
    id: 'pool',
    name: 'pool',
    remark: '',
    place: { type: 'local', path: '/p' },
    credentials: null,
    bandwidth: 0,
    state: 'online',
    stateDetail: '',
    checkedAt: 1,
    createdAt: 1,
    updatedAt: 1,
  });
  state.vaults.insert({
    id: 'v',
    name: 'v',
    description: '',
    poolId: 'pool',
    path: '',
    location: '',
    repositoryId: '',
    password: '',
    state: 'available',
    stateDetail: '',
    capacityGb: 10,
    usedBytes: 2.5 * 2 ** 30,
    keys: [],
    recoveryKeyId: null,
    type: 'any',
    protection: 'backup',
    spec: 'server',
    policyId: null,
    immutableDays: 0,
    care: { checkedAt: 0, share: 0, readAt: 0, prunedAt: 0, triedAt: 0 },
    createdAt: 1,
    updatedAt: 1,
  });
}

const clock = { now: () => now, boottime: () => now - start };

function contextOf(): AgentContext {
  const alarms = {
    raise: ({ type, level, subject }: AlarmState) => void told.push(`${type} ${subject.name} ${level}`),
    clear: ({ name }: { name: string }, type: string) => void told.push(`${type} ${name} over`),
    deliver: () => undefined,
    stop: async () => undefined,
  };
  return { state, clock, alarms, log: createLog({ level: 'error' }) } as unknown as AgentContext;
}

function usageWith(look: ProcessLook['look'] = async () => process100) {
  const counted: ProcessLook = {
    look(roots) {
      looks++;
      return look(roots);
    },
    rest: () => void rests++,
  };
  return createUsage(contextOf(), { live: () => live }, counted);
}

function runPlan(method: string): void {
  state.plans.insert(plan(method));
  state.tasks.insert(task(`p-${method}`));
  live = createLiveTask(clock);
}

const read = (subject: string, metric: string) => state.samples.read({ subject, metric, from: 0, to: now }).map(({ mean }) => mean);
const rule = (id: string, metric: Metric, threshold: number, seconds: number, level: 'minor' | 'critical') =>
  state.alarming.rules.insert({ id, planId: 'p-stream', metric, threshold, seconds, level, createdAt: 1 });

describe('a running plan', () => {
  it('M1 is measured every time, its network by what its task tells; nothing else is', async () => {
    const usage = usageWith();
    await usage.tick(now);
    expect(looks).toBe(0);
    runPlan('stream');
    await usage.tick(now);
    expect(looks, 'its process has not spoken').toBe(0);
    live?.onUsage({ pid: 77, received: 0, sent: 0 });
    now += 15_000;
    live?.onUsage({ pid: 77, received: 1500, sent: 15_000_000 });
    await usage.tick(now);
    expect(usage.latest('p-stream')).toEqual({ cpu: 100, memory: 5e6, 'network-in': 100, 'network-out': 1e6 });
    now += 15_000;
    await usage.tick(now);
    expect(usage.latest('p-stream'), 'it told nothing new').toEqual({ cpu: 100, memory: 5e6, 'network-in': 100, 'network-out': 1e6 });
    expect(read('plan:p-stream', 'network-out')).toEqual([1e6]);
    now += 15_000;
    live?.onUsage({ pid: 77, received: 1500, sent: 45_000_000 });
    await usage.tick(now);
    expect(read('plan:p-stream', 'network-out')).toEqual([1e6, 1e6]);
    expect(read('plan:p-stream', 'cpu')).toEqual([100, 100, 100]);
    state.tasks.update('t-p-stream', { state: 'done' });
    now += 15_000;
    await usage.tick(now);
    expect(usage.latest('p-stream')).toBeUndefined();
    now += 15_000;
    await usage.tick(now);
    expect([looks, rests]).toEqual([3, 1]);
  });

  it('M1 is not measured if it is a snapshot plan', async () => {
    runPlan('snapshot');
    live?.onUsage({ pid: 77, received: 0, sent: 0 });
    const usage = usageWith();
    now += 15_000;
    await usage.tick(now);
    expect(looks).toBe(0);
    expect(usage.latest('p-snapshot')).toBeUndefined();
  });

  it('M1 is looked at less often where a look is dear, never twice at once, and a look that fails harms nobody', async () => {
    runPlan('stream');
    live?.onUsage({ pid: 77, received: 0, sent: 0 });
    const usage = usageWith(async () => {
      now += 1000;
      if (looks === 2) throw new Error('no ps');
      return process100;
    });
    await Promise.all([usage.tick(now), usage.tick(now)]);
    for (let i = 0; i < 3; i++) {
      now += 14_000;
      await usage.tick(now);
    }
    expect(looks).toBe(2);
    live?.onUsage({ pid: 77, received: 0, sent: 70_000 });
    await usage.tick(now);
    expect(usage.latest('p-stream'), 'what the task tells costs nothing').toHaveProperty('network-out');
  });

  it('M2 is told of when a metric stays above its threshold long enough, worse levels too, and when that is over', async () => {
    runPlan('stream');
    rule('a', 'cpu', 90, 30, 'minor');
    rule('b', 'cpu', 90, 60, 'critical');
    rule('c', 'memory', 5e6, 0, 'minor');
    live?.onUsage({ pid: 77, received: 0, sent: 0 });
    let cpuPercent = 100;
    const usage = usageWith(async () => new Map([[77, { cpuPercent, memoryBytes: 5e6 }]]));
    const pass = async (seconds: number) => {
      for (let passed = 0; passed < seconds; passed += 15) {
        await usage.tick(now);
        now += 15_000;
      }
      return told.splice(0);
    };
    expect(await pass(30)).toEqual([]);
    cpuPercent = 90;
    expect(await pass(15), 'the threshold is not above itself').toEqual([]);
    cpuPercent = 91;
    expect(await pass(30)).toEqual([]);
    expect(await pass(15)).toEqual(['METRIC_CPU stream minor']);
    expect(await pass(60)).toEqual(['METRIC_CPU stream critical']);
    cpuPercent = 10;
    expect(await pass(30)).toEqual(['METRIC_CPU stream over']);
    cpuPercent = 100;
    expect(await pass(45)).toEqual(['METRIC_CPU stream minor']);
    state.tasks.update('t-p-stream', { state: 'failed' });
    expect(await pass(30)).toEqual(['METRIC_CPU stream over']);
  });
});

it('M4 vaults are measured every 15 minutes', async () => {
  const usage = usageWith();
  for (; now < start + 3600_000; now += 15_000) await usage.tick(now);
  expect(read('vault:v', 'used_vault_size')).toEqual([2.5, 2.5, 2.5, 2.5]);
  expect(read('vault:v', 'vault_util')).toEqual([25, 25, 25, 25]);
});

it('M4 names are escaped for Prometheus, whatever they hold', () => {
  state.pools.update('pool', { name: 'a"b\\c\nd', state: 'offline' });
  const text = prometheusText({ ...contextOf(), version: '1', startedAt: start } as AgentContext);
  expect(text).toContain('\nstillpoint_pool_online{pool="a\\"b\\\\c\\nd",type="local"} 0\n');
  expect(text).toMatch(/^# HELP stillpoint_up .*\n# TYPE stillpoint_up gauge\nstillpoint_up 1\n/);
});

it('M1 a busy process of this host is seen with its children’s children', async () => {
  // A shell that only waits starts a node that only waits for a node that is busy.
  const busy = 'for (;;) {}';
  const middle = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(busy)}], { stdio: 'ignore' }); console.log('up'); setInterval(() => {}, 1e6);`;
  const child = spawn('sh', ['-c', '"$0" -e "$1"; :', process.execPath, middle], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const pid = child.pid!;
    const processes = createProcessLook();
    const first = (await processes.look([pid, 2 ** 30])).get(pid);
    expect(first?.cpuPercent).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const second = await processes.look([pid]);
    expect([...second.keys()]).toEqual([pid]);
    // Others want the processors, too: a tenth of one is far more than a process that waits would use.
    expect(second.get(pid)!.cpuPercent).toBeGreaterThan(10);
    expect(second.get(pid)!.cpuPercent).toBeLessThan(160);
    expect(second.get(pid)!.memoryBytes).toBeGreaterThan(40 * 2 ** 20);
    processes.rest();
  } finally {
    process.kill(-child.pid!, 'SIGKILL');
  }
});

it('M1 a host with so many processes that they cannot be asked for kills nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'usage-'));
  const path = process.env['PATH'];
  // The head that ps prints, then ten thousand lines.
  writeFileSync(
    join(folder, 'ps'),
    `#!/bin/sh\nPATH='${path}'\nps "$@" | awk '{ print } NR == 2 { for (i = 0; i < 10000; i++) print }'\n`,
    { mode: 0o755 },
  );
  const processes = createProcessLook();
  try {
    process.env['PATH'] = `${folder}:${path}`;
    await expect(processes.look([process.pid])).rejects.toThrow('E2BIG');
    process.env['PATH'] = path;
    const own = (await processes.look([process.pid])).get(process.pid);
    expect(own?.memoryBytes, 'and it is asked again').toBeGreaterThan(20 * 2 ** 20);
  } finally {
    process.env['PATH'] = path;
    processes.rest();
    rmSync(folder, { recursive: true });
  }
});
