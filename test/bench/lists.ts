// Every filter of every long list, and its last page, with 500 plans and 50,000 backups in the catalogue: right after a start and later, asked
// over the RPC as agentcli asks. Writes test/bench/lists.md.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { layoutOf } from '../../src/config/layout.ts';
import { planDefaults } from '../../src/model/plan.ts';
import type { Client } from '../../src/rpc/client.ts';
import type { Input } from '../../src/rpc/routes.ts';
import { openState, type State } from '../../src/state/state.ts';
import { noCare } from '../../src/state/vaults.ts';
import { startAgent } from '../e2e/agent-bench.ts';

const planCount = 500;
const backupCount = 50_000;
const rounds = 100;
const begin = Date.UTC(2026, 0, 1);

function fill(state: State, pool: string): void {
  const times = { createdAt: begin, updatedAt: begin };
  state.transaction(() => {
    const online = { state: 'online', stateDetail: '', checkedAt: begin } as const;
    state.pools.insert({
      id: 'pool',
      name: 'here',
      remark: '',
      place: { type: 'local', path: pool },
      credentials: null,
      bandwidth: 0,
      ...online,
      ...times,
    });
    const sort = {
      type: 'any',
      protection: 'backup',
      spec: 'application-consistent',
      policyId: null,
      immutableDays: 0,
      care: noCare,
    } as const;
    for (let i = 0; i < 10; i++) {
      const known = {
        description: '',
        repositoryId: `r${i}`,
        password: '',
        state: 'available',
        stateDetail: '',
        keys: [],
        recoveryKeyId: null,
      } as const;
      const place = { poolId: 'pool', path: `v${i}`, location: `${pool}/v${i}`, capacityGb: 1000, usedBytes: 0 };
      state.vaults.insert({ id: `vault${i}`, name: `v${i}`, ...known, ...place, ...sort, ...times });
    }
    const choice = { freeze: false, otherwise: 'fall-back', allowInconsistent: false, freezeLimit: 60 } as const;
    const rule = {
      schedule: { kind: 'cron', expression: '0 2 * * *', zone: 'UTC' },
      retention: { kind: 'permanent' },
      fullEveryDays: null,
    } as const;
    for (let i = 0; i < planCount; i++) {
      const source = { kind: 'command', shell: `echo ${i}`, fileName: 'x', minBytes: 0 } as const;
      const known = { description: '', method: 'stream', secret: null, consistency: choice, accountedUntil: Date.now(), ...times };
      state.plans.insert({
        ...planDefaults,
        id: `plan${i}`,
        name: `plan-${i}`,
        vaultId: `vault${i % 10}`,
        source,
        ...known,
        timing: { kind: 'own', rule },
      });
    }
    for (let i = 0; i < backupCount; i++) state.backups.insert(backupRow(i));
  });
}

function backupRow(i: number): Parameters<State['backups']['insert']>[0] {
  const plan = i % planCount;
  const id = `${(i * 2654435761).toString(16).padStart(16, '0').slice(-16)}${i.toString(16).padStart(48, '0')}`;
  const manual = i % 50 === 0;
  return {
    id,
    vaultId: `vault${plan % 10}`,
    record: id,
    name: manual ? `manualbk_${i}` : `autobk_${i}`,
    description: '',
    state: i % 1000 === 7 ? 'error' : 'available',
    kind: manual ? 'manual' : 'auto',
    planId: `plan${plan}`,
    planName: `plan-${plan}`,
    source: 'command',
    method: null,
    consistency: 'none',
    consistencyReason: null,
    full: false,
    warnings: 0,
    hostname: hostname(),
    username: 'root',
    paths: ['/x'],
    tags: [`plan=plan${plan}`, 'keep=permanent', `name=autobk_${i}`, 'kind=auto', 'source=command'],
    tree: id,
    parent: null,
    time: begin + i * 10 * 60_000,
    endedAt: begin + i * 10 * 60_000 + 5000,
    sizeBytes: 1e9,
    addedBytes: 1e7,
    summary: null,
    taskId: null,
    keep: { kind: 'permanent' },
    deleteAt: null,
    stateBefore: null,
    replica: false,
  };
}

type Ask = (client: Client) => Promise<unknown>;
const backups =
  (query: Input<'backupList'>['query']): Ask =>
  (client) =>
    client.call('backupList', { query });

const asks: Readonly<Record<string, Ask>> = {
  'backups, first page': backups({}),
  'backups, last page': backups({ cursor: String(backupCount - 100) }),
  'by state': backups({ state: 'error' }),
  'by part of the name': backups({ name: 'manualbk_49' }),
  'by ID': backups({ id: '0000' }),
  'by vault': backups({ vault: 'v3' }),
  'by plan': backups({ plan: 'plan-77' }),
  'by kind': backups({ kind: 'manual' }),
  'by host': backups({ server: hostname() }),
  'by source': backups({ type: 'command' }),
  'by date': backups({ from: '2026-06-01', to: '2026-06-02' }),
  'by all at once': backups({ state: 'available', vault: 'v3', kind: 'manual', name: 'bk', from: '2026-02-01' }),
  'plans, first page': (client) => client.call('planList', { query: {} }),
  'plans, last page': (client) => client.call('planList', { query: { cursor: '400' } }),
  'plans by part of the name': (client) => client.call('planList', { query: { name: '-49' } }),
  vaults: (client) => client.call('vaultList', { query: {} }),
  status: (client) => client.call('status', {}),
};

const percentile = (numbers: readonly number[], share: number) => numbers.toSorted((a, b) => a - b)[Math.ceil(numbers.length * share) - 1]!;

export async function measureLists(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'stillpoint-lists-'));
  try {
    const layout = layoutOf({ AGENT_HOME: home, AGENT_RUN: join(home, 'run') });
    mkdirSync(join(home, 'data'), { recursive: true, mode: 0o700 });
    const state = openState(layout.database);
    fill(state, join(home, 'pool'));
    state.close();
    await (await startAgent(home)).stop();
    const begun = performance.now();
    const agent = await startAgent(home);
    const startSeconds = (performance.now() - begun) / 1000;
    const lines: string[] = [];
    for (const [what, ask] of Object.entries(asks)) {
      const first = await timed(agent.client, ask);
      const later: number[] = [];
      for (let i = 0; i < rounds; i++) later.push(await timed(agent.client, ask));
      lines.push(`| ${what} | ${ms(first)} | ${ms(percentile(later, 0.5))} | ${ms(percentile(later, 0.99))} |`);
      console.log(lines.at(-1));
    }
    const residentOf = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.process.pid}/status`, 'utf8'))![1]) / 1024;
    const busy = residentOf();
    await sleep(60_000);
    const resident = residentOf();
    await agent.stop();
    const text = `# Lists

${planCount} plans with timers, ${backupCount} backups, ${rounds} questions each over the RPC (mutual TLS). Goals: p99 100 ms, right after a start too; start 2 s;
idle 120 MB. Made by \`npm run bench -- --only lists\`.

| what | first time | median | p99 |
|---|---|---|---|
${lines.join('\n')}

- Start, from nothing to listening: ${startSeconds.toFixed(2)} s. Resident after all this: ${busy.toFixed(0)} MiB, a minute later ${resident.toFixed(0)} MiB.
`;
    writeFileSync(new URL('./lists.md', import.meta.url), text);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function timed(client: Client, ask: Ask): Promise<number> {
  const begun = performance.now();
  await ask(client);
  return performance.now() - begun;
}

const ms = (milliseconds: number) => `${milliseconds.toFixed(1)} ms`;
