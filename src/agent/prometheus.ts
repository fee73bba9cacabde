// The state of everything in the text format of Prometheus (0.0.4). Names and numbers only: nothing here is a secret.
import { hostname } from 'node:os';
import { levels } from '../model/event.ts';
import type { Plan } from '../model/plan.ts';
import type { BackupRow } from '../state/backups.ts';
import type { State } from '../state/state.ts';
import { atLeast, equals, oneOf } from '../state/table.ts';
import type { AgentContext } from './context.ts';
import { isMeasured } from './usage.ts';

type Labels = Readonly<Record<string, string>>;

interface Value {
  readonly labels: Labels;
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly values: readonly Value[];
}

const day = 24 * 3600 * 1000;
const gigabyte = 2 ** 30;
/** A sample that is older than this (ms) is of a backup that has ended. */
const fresh = 60_000;

export function prometheusText(context: AgentContext): string {
  const { state } = context;
  const families = [...agentFamilies(context), ...poolAndVaultFamilies(state), ...planFamilies(context)];
  return families
    .filter(({ values }) => values.length > 0)
    .map(familyText)
    .join('');
}

const family = (name: string, help: string, values: readonly Value[]): Family => ({ name: `stillpoint_${name}`, help, values });
const only = (value: number, labels: Labels = {}): readonly Value[] => [{ labels, value }];

function agentFamilies({ state, clock, version, startedAt }: AgentContext): readonly Family[] {
  const standing = state.alarming.alarms.where([{ sql: 'cleared_at IS NULL', values: {} }]);
  const outcomes = ['run', 'made-up', 'skipped'] as const;
  const starts = (outcome: string) => state.starts.count([equals('outcome', outcome), atLeast('due', clock.now() - day)]);
  return [
    family('up', 'Whether the agent answers.', only(1)),
    family('info', 'Which agent it is.', only(1, { version, agent_id: state.agentId, hostname: hostname() })),
    family('start_time_seconds', 'When the agent was started.', only(startedAt / 1000)),
    family('resident_memory_bytes', 'Memory of the agent itself.', only(process.memoryUsage.rss())),
    family(
      'tasks',
      'Tasks that wait and tasks that run.',
      tally(['queued', 'running'], 'state', (each) => state.tasks.count([equals('state', each)])),
    ),
    family(
      'alarms',
      'Alarms that stand.',
      tally(levels, 'level', (each) => standing.filter(({ level }) => level === each).length),
    ),
    family('starts_last_day', 'What became of the scheduled starts of the last 24 hours.', tally(outcomes, 'outcome', starts)),
  ];
}

const tally = <T extends string>(kinds: readonly T[], label: string, count: (kind: T) => number): readonly Value[] =>
  kinds.map((kind) => ({ labels: { [label]: kind }, value: count(kind) }));

function poolAndVaultFamilies(state: State): readonly Family[] {
  const pools = state.pools.where([]);
  const vaults = state.vaults.where([]);
  const ofVaults = (value: (vault: (typeof vaults)[number]) => number) =>
    vaults.map((vault) => ({
      labels: { vault: vault.name, pool: pools.find(({ id }) => id === vault.poolId)?.name ?? '' },
      value: value(vault),
    }));
  return [
    family(
      'pool_online',
      'Whether the pool could be reached when it was last tried.',
      pools.map(({ name, place, state: how }) => ({ labels: { pool: name, type: place.type }, value: how === 'online' ? 1 : 0 })),
    ),
    family(
      'vault_available',
      'Whether the vault is in order.',
      ofVaults((vault) => (vault.state === 'available' ? 1 : 0)),
    ),
    family(
      'vault_used_bytes',
      'What the vault takes in its pool.',
      ofVaults(({ usedBytes }) => usedBytes),
    ),
    family(
      'vault_capacity_bytes',
      'What the vault may hold.',
      ofVaults(({ capacityGb }) => capacityGb * gigabyte),
    ),
    family(
      'vault_util_ratio',
      'Used share of the capacity.',
      ofVaults(({ usedBytes, capacityGb }) => usedBytes / (capacityGb * gigabyte)),
    ),
    family('backups', 'Backups of the vault in each state.', backupCounts(state, vaults)),
  ];
}

/** Nearly all are available: those are counted, the others looked at. */
function backupCounts(state: State, vaults: readonly { readonly id: string; readonly name: string }[]): readonly Value[] {
  const others = ['creating', 'restoring', 'deleting', 'error'] as const;
  const rows = state.backups.where([oneOf('state', others)]);
  return vaults.flatMap(({ id, name }) => {
    const mine = rows.filter(({ vaultId }) => vaultId === id);
    const available = state.backups.count([equals('vault_id', id)]) - mine.length;
    const counted = others.map((each) => ({ state: each, value: mine.filter((row) => row.state === each).length }));
    return [{ state: 'available', value: available }, ...counted].map((each) => ({
      labels: { vault: name, state: each.state },
      value: each.value,
    }));
  });
}

interface PlanFacts {
  readonly plan: Plan;
  readonly labels: Labels;
  /** Its last backup that ended, well or not. */
  readonly last: BackupRow | undefined;
  readonly good: BackupRow | undefined;
}

function planFamilies({ state, clock }: AgentContext): readonly Family[] {
  const vaults = new Map(state.vaults.where([]).map(({ id, name }) => [id, name]));
  const facts = state.plans.where([]).map((plan): PlanFacts => {
    const newest = (states: readonly string[]) =>
      state.backups.where([equals('plan_id', plan.id), oneOf('state', states), equals('replica', 0)], 'time DESC', 1)[0];
    const labels = { plan: plan.name, vault: vaults.get(plan.vaultId) ?? '' };
    const last = newest(['available', 'restoring', 'error']);
    return { plan, labels, last, good: last?.state === 'error' ? newest(['available', 'restoring']) : last };
  });
  const ofPlans = (value: (facts: PlanFacts) => number | null | undefined) =>
    facts.flatMap((each) => {
      const found = value(each);
      return found === null || found === undefined ? [] : [{ labels: each.labels, value: found }];
    });
  const running = new Set(state.tasks.where([equals('state', 'running'), equals('type', 'backup')]).map(({ planId }) => planId));
  const now = clock.now();
  const used = (metric: string, scale = 1) =>
    ofPlans(({ plan }) => {
      if (!running.has(plan.id) || !isMeasured(plan)) return undefined;
      const sample = state.samples.read({ subject: `plan:${plan.id}`, metric, from: now - fresh, to: now }).at(-1);
      return sample && sample.mean * scale;
    });
  return [
    family(
      'plan_paused',
      'Whether the plan is paused.',
      ofPlans(({ plan }) => (plan.pause ? 1 : 0)),
    ),
    family(
      'plan_last_success_timestamp_seconds',
      'When the newest good backup was begun.',
      ofPlans(({ good }) => good && good.time / 1000),
    ),
    family(
      'plan_last_run_timestamp_seconds',
      'When the last run that ended was begun.',
      ofPlans(({ last }) => last && last.time / 1000),
    ),
    family(
      'plan_last_run_success',
      'Whether the last run made a backup.',
      ofPlans(({ last }) => last && (last.record === null ? 0 : 1)),
    ),
    family(
      'plan_last_run_duration_seconds',
      'How long the last run took.',
      ofPlans(({ last }) => last?.endedAt && (last.endedAt - last.time) / 1000),
    ),
    family(
      'plan_last_run_size_bytes',
      'What the last backup holds.',
      ofPlans(({ last }) => (last?.record ? last.sizeBytes : undefined)),
    ),
    family(
      'plan_last_run_added_bytes',
      'What the last backup added.',
      ofPlans(({ last }) => (last?.record ? last.addedBytes : undefined)),
    ),
    family('plan_cpu_ratio', 'Processors that its backup keeps busy now.', used('cpu', 1 / 100)),
    family('plan_memory_bytes', 'Memory that its backup uses now.', used('memory')),
    family('plan_network_receive_bytes_per_second', 'What its backup receives now.', used('network-in')),
    family('plan_network_transmit_bytes_per_second', 'What its backup sends now.', used('network-out')),
  ];
}

function familyText({ name, help, values }: Family): string {
  const lines = values.map(({ labels, value }) => `${name}${labelsText(labels)} ${value}\n`);
  return `# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}\n# TYPE ${name} gauge\n${lines.join('')}`;
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escaped = (value: string): string => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
