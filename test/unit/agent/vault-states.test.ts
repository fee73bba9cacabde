// Whatever is asked for, in whatever order: the rules of vaults, pools and plans hold afterwards.
import { describe, expect, it } from 'vitest';
import { backupMethods } from '../../../src/agent/methods/backups.ts';
import { planMethods } from '../../../src/agent/methods/plans.ts';
import { createPoolBinder, poolMethods } from '../../../src/agent/methods/pools.ts';
import { vaultRuleMethods } from '../../../src/agent/methods/vault-rules.ts';
import { vaultMethods } from '../../../src/agent/methods/vaults.ts';
import { associatedWith } from '../../../src/agent/vault-rules.ts';
import { failure, StillpointError } from '../../../src/base/errors.ts';
import { resourcesOf } from '../../../src/model/resource.ts';
import type { Call } from '../../../src/rpc/handlers.ts';
import type { SourceInput } from '../../../src/rpc/schemas-plans.ts';
import { equals } from '../../../src/state/table.ts';
import type { VaultRow } from '../../../src/state/vaults.ts';
import { type Bed, gib, openBed } from './vault-bed.ts';

const call = { caller: { name: 'root', address: 'local' }, signal: new AbortController().signal } satisfies Call;
const sequences = 40;
const steps = 120;

/** mulberry32: the same numbers for the same seed. */
function dice(seed: number) {
  let a = seed;
  const next = () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number) => Math.floor(next() * n);
  return { below, one: <T>(list: readonly T[]): T | undefined => list[below(list.length)] };
}

const sources: readonly SourceInput[] = [
  { kind: 'files', paths: ['/a'] },
  { kind: 'files', paths: ['/c'] },
  { kind: 'files', paths: ['/d'] },
  { kind: 'files', paths: ['/e'] },
  { kind: 'files', paths: ['/f'] },
  { kind: 'files', paths: ['/g'] },
  { kind: 'files', paths: ['/b', '/a'] },
  { kind: 'files', paths: ['/a', '/b'] },
  { kind: 'mysql', method: 'logical', server: { host: 'db' } },
  { kind: 'mysql', method: 'snapshot', server: { host: 'db' } },
  { kind: 'command', shell: 'x' },
  { kind: 'disk', paths: ['/dev/none1', '/dev/none2'] },
  { kind: 'disk', paths: ['/dev/none2'] },
];

/** What was so before a call, for what may never change back. */
type Memory = Map<string, Pick<VaultRow, 'spec' | 'capacityGb'>>;

function holds({ state }: Bed, memory: Memory): void {
  const vaults = state.vaults.where([]);
  const plans = state.plans.where([]);
  for (const vault of vaults) {
    expect(state.pools.get(vault.poolId), 'a pool is not unbound while it has vaults').toBeDefined();
    expect(vault.state, 'an expansion is over when it is over').not.toBe('locked');
    const before = memory.get(vault.id);
    if (before?.spec === 'application-consistent') expect(vault.spec).toBe('application-consistent');
    expect(vault.capacityGb).toBeGreaterThanOrEqual(before?.capacityGb ?? 10);
    memory.set(vault.id, vault);
  }
  const homes = new Map<string, string>();
  for (const plan of plans) {
    const vault = state.vaults.get(plan.vaultId);
    expect(vault, 'a vault does not go while it has plans').toBeDefined();
    expect(vault?.state).not.toBe('deleting');
    if (!plan.associated) continue;
    expect(vault?.protection).toBe('backup');
    if (plan.source.kind === 'mysql' && plan.source.method === 'snapshot') expect(vault?.spec).toBe('application-consistent');
    if (vault?.type === 'disk') expect(plan.source.kind).toBe('disk');
    if (vault?.type === 'file') expect(plan.source.kind).toBe('files');
    for (const resource of resourcesOf(plan.source)) {
      expect(homes.get(resource) ?? plan.vaultId, `${resource} is in one vault only`).toBe(plan.vaultId);
      homes.set(resource, plan.vaultId);
    }
  }
  for (const task of state.tasks.where([]).filter(({ state: is }) => is === 'running')) {
    const backup = task.backupId ? state.backups.get(task.backupId) : undefined;
    if (task.type === 'restore') expect(backup?.state, 'nothing goes while it is restored').toBe('restoring');
    if (task.type === 'backup') expect(backup?.state).toBe('creating');
    if (task.type === 'backup' || task.type === 'restore')
      expect(state.vaults.get(task.vaultId ?? '')?.state, 'no work in a vault that goes').not.toBe('deleting');
  }
}

function player(bed: Bed, seed: number) {
  const { below, one } = dice(seed);
  const { state, context, desk } = bed;
  const keeper = { rearm: () => undefined, tick: () => undefined, ended: () => undefined };
  const vaultsBy = vaultMethods(context, desk);
  const rules = vaultRuleMethods(context, desk, bed.deletions);
  const plansBy = planMethods(context, keeper);
  const backupsBy = backupMethods(context, desk, bed.deletions);
  const poolsBy = poolMethods(context, desk, createPoolBinder(context, desk));
  const vault = () => one(state.vaults.where([]))?.name ?? 'none';
  const plan = () => one(state.plans.where([]))?.name ?? 'none';
  const backup = () => one(state.backups.where([], 'rowid'))?.id ?? 'none';
  // Vaults that no plan is left in are rare, and the ones that can go.
  const isLeft = (vaultId: string) => state.plans.count([equals('vault_id', vaultId)]) === 0;
  const leftVault = () => one(state.vaults.where([]).filter(({ id }) => isLeft(id)))?.name ?? vault();
  const leftBackup = () => one(state.backups.where([], 'rowid').filter(({ vaultId }) => isLeft(vaultId)))?.id ?? backup();
  const within = (vaultId: string) => {
    const row = state.vaults.get(vaultId);
    if (row) expect(associatedWith(state, row.id).bytes).toBeLessThanOrEqual(row.capacityGb * gib);
  };
  let made = 0;

  const moves: Readonly<Record<string, () => unknown>> = {
    bind: () => state.pools.count() < 3 && bed.pool(`pool${made++}`),
    unbind: () => poolsBy.poolUnbind({ params: { id: one(state.pools.where([]))?.name ?? 'none' } }, call),
    create: () => {
      const pool = one(state.pools.where([]));
      if (!pool || state.vaults.count() > 3) return;
      const type = one(['any', 'any', 'server', 'disk', 'file'] as const) ?? 'any';
      const spec = one(['server', 'application-consistent'] as const) ?? 'server';
      bed.vault(`vault${made++}`, pool, { type, spec, protection: below(9) === 0 ? 'replication' : 'backup', capacityGb: 10 + below(15) });
    },
    expand: async () => {
      const shown = await vaultsBy.vaultUpdate({ params: { id: vault() }, body: { capacityGb: 10 + below(60) } }, call);
      within(shown.id);
    },
    spec: () =>
      vaultsBy.vaultUpdate(
        { params: { id: vault() }, body: { spec: one(['server', 'application-consistent'] as const) ?? 'server' } },
        call,
      ),
    remove: () => below(2) === 0 && vaultsBy.vaultDelete({ params: { id: below(3) === 0 ? vault() : leftVault() } }, call),
    prune: () => vaultsBy.vaultPrune({ params: { id: vault() }, body: {} }, call),
    plan: async () => {
      if (state.plans.count() > 12) return;
      const source = structuredClone(one(sources) ?? ({ kind: 'command', shell: 'x' } as const));
      const created = await plansBy.planCreate({ body: { name: `plan${made++}`, vault: vault(), source, allowMissing: true } }, call);
      within(created.vaultId);
    },
    change: async () => {
      const source = structuredClone(one(sources) ?? ({ kind: 'command', shell: 'x' } as const));
      const before = state.plans.find(plan());
      const place = below(2) === 0 ? { vault: vault() } : {};
      const changed = await plansBy.planUpdate({ params: { id: before.id }, body: { source, ...place, allowMissing: true } }, call);
      if (state.plans.find(changed.id).associated && changed.vaultId !== before.vaultId) within(changed.vaultId);
    },
    forget: () => below(3) === 0 && plansBy.planDelete({ params: { id: plan() } }, call),
    associate: async () => {
      const before = state.plans.find(plan());
      const moved = await rules.vaultAssociate({ params: { id: vault() }, body: { plan: before.name } }, call);
      if (!before.associated || before.vaultId !== moved.vaultId) within(moved.vaultId);
    },
    dissociate: () => {
      const chosen = state.plans.find(plan());
      rules.vaultDissociate({ params: { id: below(4) === 0 ? vault() : chosen.vaultId, plan: chosen.id } }, call);
      const left = state.backups.where([equals('plan_id', chosen.id), equals('vault_id', chosen.vaultId)]);
      expect(left.filter((row) => row.state !== 'deleting')).toEqual([]);
    },
    run: () => {
      const chosen = state.plans.find(plan());
      backupsBy.backupRun({ body: { plan: chosen.id } }, call);
      const home = state.vaults.find(chosen.vaultId);
      expect(home.usedBytes).toBeLessThanOrEqual(home.capacityGb * gib);
    },
    restore: () =>
      backupsBy.backupRestore(
        { params: { id: below(2) === 0 ? backup() : leftBackup() }, body: { target: { kind: 'files', path: '/t' } } },
        call,
      ),
    drop: () => backupsBy.backupDelete({ params: { id: backup() }, query: { now: below(2) === 0 } }, call),
    wait: () => {
      bed.pass(below(30) * 3600 * 1000);
      bed.deletions.sweep();
    },
    end: () => {
      const task = one(bed.running());
      if (!task) return;
      const problem = failure('BACKEND_FAILED', { operation: 'put', kind: 'data', name: 'x', location: 'y', detail: 'z' }).toProblem();
      if (below(6) === 0) bed.fail(task.id, problem);
      else if (task.type === 'backup') bed.finishBackup(task.id, below(20) * gib, below(40) * gib);
      else bed.finish(task.id, task.type === 'prune' ? { storedBytes: 0 } : {});
    },
  };
  const opening = ['bind', 'bind', 'create', 'create', 'create', ...Array.from({ length: 8 }, () => 'plan'), 'run', 'run', 'end', 'end'];
  return async () => {
    const name =
      opening.shift() ?? one([...Object.keys(moves), 'end', 'end', 'end', 'run', 'run', 'plan', 'associate', 'associate']) ?? 'end';
    try {
      await moves[name]?.();
      return `${name} done`;
    } catch (error) {
      if (!(error instanceof StillpointError)) throw error;
      expect(error.code, `${name}: ${error.message}`).not.toBe('INTERNAL');
      return `${name} ${error.code}`;
    }
  };
}

describe('any sequence of calls', () => {
  it('P1 P4 P5 keeps the rules of vaults, pools and plans', async () => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= sequences; seed++) {
      const bed = openBed();
      const memory: Memory = new Map();
      const play = player(bed, seed);
      const played: string[] = [];
      try {
        for (let step = 0; step < steps; step++) {
          const outcome = await play();
          played.push(outcome);
          outcomes.add(outcome);
          holds(bed, memory);
        }
      } catch (error) {
        throw new Error(`seed ${seed}: ${played.slice(-8).join(', ')}`, { cause: error });
      } finally {
        bed.state.close();
      }
    }
    // A sequence that never gets anywhere would prove nothing.
    const reached = [
      'expand done',
      'spec done',
      'remove done',
      'associate done',
      'dissociate done',
      'run done',
      'restore done',
      'drop done',
      'unbind done',
    ];
    const refused = [
      'unbind IN_USE',
      'remove IN_USE',
      'dissociate IN_USE',
      'associate RESOURCE_TAKEN',
      'associate VAULT_TYPE',
      'spec VAULT_SPEC_FINAL',
      'run VAULT_FULL',
      'plan VAULT_SPEC',
      'associate VAULT_TOO_SMALL',
      'expand USAGE',
    ];
    expect([...outcomes]).toEqual(expect.arrayContaining([...reached, ...refused]));
  });
});
