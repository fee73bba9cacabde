// What is measured, from the real task to the command line: traffic against a real object store, then a real agent over what was measured.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AgentContext } from '../../src/agent/context.ts';
import { createLiveTask, type LiveTask } from '../../src/agent/live-task.ts';
import { createTaskRunner } from '../../src/agent/task-runner.ts';
import { createUsage } from '../../src/agent/usage.ts';
import { createLog } from '../../src/base/log.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { layoutOf, makeLayout } from '../../src/config/layout.ts';
import { readSettings } from '../../src/config/settings.ts';
import { starterFor } from '../../src/host/starter.ts';
import type { PoolAccess } from '../../src/model/pool.ts';
import type { TaskSpec, VaultAccess } from '../../src/model/task.ts';
import type { PlanMetrics, VaultMetrics } from '../../src/rpc/schemas-metrics.ts';
import { openState, type State } from '../../src/state/state.ts';
import { type Radosgw, startRadosgw } from '../beds/radosgw.ts';
import { backupOf } from '../beds/task-runner.ts';
import { filesOf } from '../beds/vault.ts';
import { noise } from '../beds/vaults.ts';
import { newHome, type RunningAgent, removeHome, startAgent } from './agent-bench.ts';
import { agentcliScript, runFor } from './cli-run.ts';

const size = 24 * 2 ** 20;
let top: string;
let rgw: Radosgw;
let agent: RunningAgent;
const homes: string[] = [];

beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), 'metrics-'));
  [rgw, agent] = await Promise.all([startRadosgw(), startAgent(home())]);
  mkdirSync(join(top, 'data'));
  writeFileSync(join(top, 'data', 'noise'), noise('metrics', size));
}, 60_000);
afterAll(async () => {
  await agent?.stop('SIGKILL');
  await rgw?.stop();
  rmSync(top, { recursive: true, force: true });
  homes.forEach(removeHome);
});

function home(): string {
  const made = newHome();
  homes.push(made);
  return made;
}

const agentcli = (...words: string[]) => runFor(agent, top, [agentcliScript, ...words]);

/** Runs the real rdtask as the agent does, for the plan `p`; answers what the agent came to know of it. */
async function runTask(state: State, context: AgentContext, spec: TaskSpec, each: (live: LiveTask) => Promise<void>): Promise<LiveTask> {
  const live = createLiveTask(systemClock);
  const runner = createTaskRunner(context, starterFor(context.layout));
  const row = state.tasks.where([])[0]!;
  const { ended } = runner.start(row, spec, live);
  let over = false;
  const end = ended.finally(() => {
    over = true;
  });
  while (!over) {
    await each(live);
    await Promise.race([end, pause(1000)]);
  }
  expect(await end).toMatchObject({ kind: 'done' });
  return live;
}

it('M1 a backup’s processor, memory and traffic are measured, its traffic as what it stored', { timeout: 120_000 }, async () => {
  const { client, layout } = agent;
  mkdirSync(join(top, 'pool'));
  await client.call('poolBind', { body: { name: 'here', place: { type: 'local', path: join(top, 'pool') } } });
  await client.call('vaultCreate', { body: { name: 'main' } });
  await client.call('planCreate', { body: { name: 'db', vault: 'main', source: { kind: 'command', shell: 'hang' } } });
  const task = await client.call('backupRun', { body: { plan: 'db' } });
  const plan = await client.call('planShow', { params: { id: 'db' } });
  // The agent's task only pretends; what is measured is a real one, into the agent's memory.
  const state = openState(layout.database);
  const own = layoutOf({ AGENT_HOME: home() });
  makeLayout(own);
  const settings = readSettings(own.settings);
  const log = createLog({ level: 'error', file: own.agentLog });
  const alarms = { raise: () => undefined, clear: () => undefined };
  // Its looks cost nothing by this clock: on a busy host it would look too seldom for so short a backup.
  const clock = { now: () => Date.now(), boottime: () => 0 };
  const context = { state, layout: own, settings, log, alarms, clock, bootId: 'b' } as unknown as AgentContext;
  try {
    await expect.poll(() => state.tasks.get(task.id)?.state).toBe('running');
    const place = { type: 's3', bucket: 'metrics', prefix: '', region: 'us-east-1', addressing: 'path', caPem: '' } as const;
    const { accessKey, secretKey } = rgw;
    const pool: PoolAccess = { place: { ...place, endpoint: rgw.endpoint }, credentials: { accessKey, secretKey }, bandwidth: 3 * 2 ** 20 };
    const vault: VaultAccess = { pool, path: 'main', password: 'the password' };
    const nothing = async () => undefined;
    await runTask(state, context, { type: 'probe', pool, create: true, bind: false }, nothing);
    await runTask(state, context, { type: 'vault-create', vault, recoveryKey: 'the other' }, nothing);

    let live: LiveTask | undefined;
    const usage = createUsage(context, { live: () => live });
    const ended = await runTask(state, context, backupOf(vault, filesOf(join(top, 'data'))), async (now) => {
      live = now;
      await usage.tick(Date.now());
    });
    expect(ended.usage!.sent).toBeGreaterThan(size);
    expect(ended.usage!.sent).toBeLessThan(size * 1.05);
    expect(ended.usage!.received).toBeLessThan(size * 0.05);

    const localVault: VaultAccess = {
      pool: { place: { type: 'local', path: join(top, 'other') }, bandwidth: 0 },
      path: 'v',
      password: 'x',
    };
    mkdirSync(join(top, 'other'));
    await runTask(state, context, { type: 'vault-create', vault: localVault, recoveryKey: 'y' }, nothing);
    const local = await runTask(state, context, backupOf(localVault, filesOf(join(top, 'data'))), nothing);
    expect(local.usage).toMatchObject({ received: 0, sent: 0 });
  } finally {
    state.close();
  }

  const answer = await client.call('planMetrics', { params: { id: 'db' }, query: {} });
  expect(answer).toMatchObject({ id: plan.id, note: '' });
  const peak = (all: PlanMetrics | VaultMetrics, metric: string) =>
    Math.max(...all.metrics.find((each) => each.metric === metric)!.points.map((point) => point.peak));
  expect(peak(answer, 'memory')).toBeGreaterThan(40e6);
  expect(peak(answer, 'cpu')).toBeGreaterThan(0);
  expect(peak(answer, 'network-out')).toBeGreaterThan(100_000);
  expect(answer.metrics.map(({ unit }) => unit)).toEqual(['%', 'B', 'B/s', 'B/s']);
  const vaultAnswer = await client.call('vaultMetrics', { params: { id: 'main' }, query: {} });
  expect(vaultAnswer).toMatchObject({ namespace: 'SYS.CBR', periodSeconds: 900, dimension: { key: 'instance_id', value: vaultAnswer.id } });
  // The agent samples its vaults by itself, too.
  expect(vaultAnswer.metrics.map(({ metric, unit, points }) => [metric, unit, points.length > 0])).toEqual([
    ['used_vault_size', 'GB', true],
    ['vault_util', '%', true],
  ]);

  expect(JSON.parse((await agentcli('metrics', 'plan', 'db', '--json')).out).metrics).toHaveLength(4);
  expect((await agentcli('metrics', 'plan', 'db')).out).toMatch(/^METRIC.*\nCPU +\d.*█/);
  expect((await agentcli('metrics', 'vault', 'main')).out).toMatch(/Vault Usage +0\.0 %/);
  expect((await agentcli('metrics', 'plan', 'db', '--to', '2020-01-01')).err).toContain('nothing was measured');
  const backwards = await agentcli('metrics', 'plan', 'db', '--from', '2026-03-02', '--to', '2026-03-01');
  expect(backwards).toMatchObject({ code: 2, err: expect.stringContaining('ends before it begins') });
  const live = parsePrometheus(await client.text('metrics', {}));
  expect(live.get('stillpoint_plan_memory_bytes{plan="db",vault="main"}')).toBeGreaterThan(40e6);
  await client.call('taskCancel', { params: { id: task.id } });
});

it('M1 a snapshot plan has no monitoring data, and says so', async () => {
  await agent.client.call('planCreate', { body: { name: 'files', vault: 'main', source: { kind: 'files', paths: [top] } } });
  const answer = await agent.client.call('planMetrics', { params: { id: 'files' }, query: {} });
  expect(answer).toMatchObject({ metrics: [], note: 'snapshot plans show no monitoring data' });
  expect((await agentcli('metrics', 'plan', 'files')).err).toBe('snapshot plans show no monitoring data\n');
});

it('M4 everything is told to Prometheus', { timeout: 60_000 }, async () => {
  const { client } = agent;
  await client.call('planCreate', { body: { name: 'quick', vault: 'main', source: { kind: 'command', shell: 'done' } } });
  await agent.wait(await client.call('backupRun', { body: { plan: 'quick' } }));
  const ran = await agentcli('metrics');
  expect(ran.err).toBe('');
  const values = parsePrometheus(ran.out);
  const value = (name: string) => values.get(`stillpoint_${name}`);
  expect(value('up')).toBe(1);
  expect(value('pool_online{pool="here",type="local"}')).toBe(1);
  expect(value('vault_used_bytes{vault="main",pool="here"}')).toBe(1234);
  expect(value('vault_capacity_bytes{vault="main",pool="here"}')).toBeGreaterThan(2 ** 30);
  expect(value('backups{vault="main",state="available"}')).toBe(1);
  expect(value('tasks{state="queued"}')).toBe(0);
  expect(value('plan_last_run_success{plan="quick",vault="main"}')).toBe(1);
  expect(value('plan_last_success_timestamp_seconds{plan="quick",vault="main"}')).toBeCloseTo(Date.now() / 1000, -3);
  expect(value('plan_last_success_timestamp_seconds{plan="files",vault="main"}')).toBeUndefined();
  expect(ran.out).not.toMatch(/secret|password|BEGIN/i);
});

/** The text format 0.0.4, strictly: HELP and TYPE before a family's lines, each once, no line of another family between, all escapes whole. */
function parsePrometheus(text: string): ReadonlyMap<string, number> {
  expect(text.endsWith('\n')).toBe(true);
  const values = new Map<string, number>();
  const families = new Set<string>();
  let [helped, current] = ['', ''];
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-z_:][a-z0-9_:]*) (?:[^\\]|\\\\|\\n)+$/.exec(line);
    const type = /^# TYPE ([a-z_:][a-z0-9_:]*) (?:gauge|counter)$/.exec(line);
    const sample = /^([a-z_:][a-z0-9_:]*)(?:\{([a-z_]+="(?:[^"\\]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\]|\\["\\n])*")*)\})? (\S+)$/.exec(line);
    if (help) helped = help[1]!;
    else if (type) {
      expect(type[1], line).toBe(helped);
      expect(families.has(type[1]!), line).toBe(false);
      families.add(type[1]!);
      current = type[1]!;
    } else {
      expect(sample, line).not.toBeNull();
      expect(sample![1], line).toBe(current);
      const key = line.slice(0, line.lastIndexOf(' '));
      expect(values.has(key), line).toBe(false);
      expect(Number(sample![3]), line).not.toBeNaN();
      values.set(key, Number(sample![3]));
    }
  }
  return values;
}
