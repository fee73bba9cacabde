import { describe, expect, it } from 'vitest';
import { createClockTrust } from '../../../src/agent/clock-trust.ts';
import { createDeletions } from '../../../src/agent/deletions.ts';
import { createExpiry, verdictsOn } from '../../../src/agent/expiry.ts';
import { createScheduleKeeper } from '../../../src/agent/schedule-keeper.ts';
import { startBackup } from '../../../src/agent/start-backup.ts';
import { createVaultCare } from '../../../src/agent/vault-care.ts';
import { failure } from '../../../src/base/errors.ts';
import type { AlarmState } from '../../../src/model/event.ts';
import type { PolicyRule, Timing } from '../../../src/model/policy.ts';
import { equals } from '../../../src/state/table.ts';
import { openBed } from './vault-bed.ts';

const hour = 3600_000;
const day = 24 * hour;
const nightly = (count: number): PolicyRule => ({
  schedule: { kind: 'cron', expression: '0 2 * * *', zone: 'UTC' },
  retention: { kind: 'quantity', count },
  fullEveryDays: null,
});
const source = { kind: 'files', paths: ['/a'], excludes: [], excludeFiles: [], oneFileSystem: false, excludeCaches: false } as const;

/** An agent in memory that does by itself what it should, with every backup ending well unless the test says otherwise. */
function agent(timing: Timing = { kind: 'own', rule: nightly(3) }) {
  const bed = openBed();
  const audits: string[] = [];
  const raised = new Set<string>();
  const told: string[] = [];
  const context = {
    ...bed.context,
    audit: { record: ({ trace, resourceName }: { trace: string; resourceName: string }) => void audits.push(`${trace} ${resourceName}`) },
    alarms: {
      ...bed.context.alarms,
      raise({ type, subject }: AlarmState) {
        raised.add(type);
        told.push(`${type} ${subject.name}`);
      },
      clear: (_subject: unknown, type: string) => void raised.delete(type),
    },
  } as unknown as typeof bed.context;
  const vault = bed.vault('v1', bed.pool('here'));
  const plan = bed.plan('etc', vault, source, { timing });
  const trust = createClockTrust(context);
  const keeper = createScheduleKeeper(context, bed.desk);
  const expiry = createExpiry(context, bed.desk, trust);
  const finishAll = () => {
    for (const task of bed.running())
      if (task.type === 'backup') {
        bed.finishBackup(task.id, 10, 10);
        keeper.ended(bed.state.tasks.find(task.id));
        expiry.expire(plan.id);
      } else bed.finish(task.id);
  };
  const pass = (milliseconds: number) => {
    bed.pass(milliseconds);
    trust.tick();
    keeper.tick();
  };
  const backups = () => bed.state.backups.where([equals('plan_id', plan.id)], 'time');
  const starts = () => bed.state.starts.where([equals('plan_id', plan.id)], 'due').map(({ outcome }) => outcome);
  trust.tick();
  return { ...bed, context, vault, plan, trust, keeper, expiry, finishAll, pass, backups, starts, audits, raised, told };
}

describe('plans that run by themselves', () => {
  it('B2 B4 start at their time under a name of their own, and again after the next', () => {
    const { pass, finishAll, backups, starts } = agent();
    pass(2 * hour);
    expect(backups()).toMatchObject([{ kind: 'auto', name: expect.stringMatching(/^autobk_[a-z0-9]{4}$/), state: 'creating' }]);
    pass(60_000);
    expect(starts()).toEqual(['run']);
    finishAll();
    for (let i = 0; i < 24; i++) pass(hour);
    expect(starts()).toEqual(['run', 'run']);
  });

  it('B2 say that a start overlapped, and that the pool was offline', () => {
    const { pass, state, starts, plan, vault } = agent();
    pass(2 * hour);
    for (let i = 0; i < 24; i++) pass(hour);
    expect(starts()).toEqual(['run', 'skipped']);
    state.pools.update(vault.poolId, { state: 'offline', stateDetail: 'gone' });
    for (let i = 0; i < 24; i++) pass(hour);
    const told = state.starts.where([equals('plan_id', plan.id)]).map(({ reason }) => reason);
    expect(told.some((reason) => reason.includes('has not ended'))).toBe(true);
    expect(told.some((reason) => reason.includes('the pool here is offline'))).toBe(true);
    expect(state.events.where([equals('type', 'START_SKIPPED')]).length).toBeGreaterThan(0);
  });

  it('B2 P5 tell of a start that a full vault refused, and clear it with the next good one', () => {
    const { pass, finishAll, state, vault, starts, raised } = agent();
    state.vaults.update(vault.id, { usedBytes: 101 * 1024 ** 3 });
    pass(2 * hour);
    expect([starts(), [...raised]]).toEqual([['skipped'], ['BACKUP_MISSED']]);
    state.vaults.update(vault.id, { usedBytes: 100 * 1024 ** 3 });
    for (let i = 0; i < 24; i++) pass(hour);
    finishAll();
    expect([starts(), [...raised]]).toEqual([['skipped', 'run'], []]);
  });

  it('B2 try again what failed for a passing reason, with growing pauses, and no longer than they should', () => {
    const { pass, state, running, fail, keeper } = agent();
    const failNow = (code: 'POOL_OFFLINE' | 'SOURCE_MISSING') => {
      const [task] = running();
      const problem = code === 'POOL_OFFLINE' ? failure(code, { location: 'x', detail: 'y' }) : failure(code, { path: '/a' });
      fail(task!.id, problem.toProblem());
      keeper.ended(state.tasks.find(task!.id));
    };
    pass(2 * hour);
    failNow('POOL_OFFLINE');
    state.pools.update(state.pools.where([])[0]!.id, { state: 'online' });
    pass(4 * 60_000);
    expect(running()).toHaveLength(0);
    pass(60_000);
    expect(running()).toHaveLength(1);
    failNow('POOL_OFFLINE');
    state.pools.update(state.pools.where([])[0]!.id, { state: 'online' });
    pass(15 * 60_000);
    expect(running()).toHaveLength(1);
    failNow('POOL_OFFLINE');
    state.pools.update(state.pools.where([])[0]!.id, { state: 'online' });
    for (let i = 0; i < 10; i++) pass(hour);
    expect(running()).toHaveLength(0);
    expect(state.starts.where([])).toMatchObject([{ attempt: 3, retryAt: null }]);
    for (let i = 0; i < 14; i++) pass(hour);
    failNow('SOURCE_MISSING');
    pass(3 * hour);
    expect(running()).toHaveLength(0);
  });

  it('B5 make a full backup when the rule says so, and after source or vault changed', () => {
    const { pass, finishAll, backups, state, plan } = agent({ kind: 'own', rule: { ...nightly(99), fullEveryDays: 7 } });
    for (let i = 0; i < 24 * 16; i++) {
      pass(hour);
      finishAll();
    }
    const full = backups().flatMap((row, i) => (row.full ? i : []));
    expect(full).toEqual([7, 14]);
    state.plans.update(plan.id, { renew: true });
    for (let i = 0; i < 24; i++) pass(hour);
    expect(backups().at(-1)!.full).toBe(true);
  });
});

describe('retries', () => {
  /** The first start has failed for a passing reason, and is to be tried again in five minutes. */
  const failedOnce = () => {
    const bed = agent();
    bed.pass(2 * hour);
    const [task] = bed.running();
    bed.fail(task!.id, failure('DATABASE_DOWN', { database: 'x', detail: 'y' }).toProblem());
    bed.keeper.ended(bed.state.tasks.find(task!.id));
    expect(bed.state.starts.where([])[0]!.retryAt).toBe(bed.now() + 5 * 60_000);
    return bed;
  };

  it('B2 wait while the pool is offline, and go on when it is back', () => {
    const { pass, state, vault, running } = failedOnce();
    state.pools.update(vault.poolId, { state: 'offline' });
    for (let i = 0; i < 10; i++) pass(60_000);
    expect(running()).toHaveLength(0);
    state.pools.update(vault.poolId, { state: 'online' });
    pass(60_000);
    expect(running()).toHaveLength(1);
  });

  it('B2 are dropped, and told, when a good backup was made since, a run is on its way, or no rule starts the plan any more', () => {
    const good = failedOnce();
    const manual = startBackup(good.context, good.desk, good.plan, { kind: 'manual' });
    good.pass(60_000);
    good.finishBackup(manual.id, 10, 10);
    good.pass(5 * 60_000);
    expect(good.running()).toHaveLength(0);
    expect(good.state.events.where([equals('type', 'RETRY_SKIPPED')])[0]!.content).toContain('succeeded since');

    const busy = failedOnce();
    startBackup(busy.context, busy.desk, busy.plan, { kind: 'manual' });
    busy.pass(6 * 60_000);
    expect(busy.running()).toHaveLength(1);

    const ruleless = failedOnce();
    ruleless.state.plans.update(ruleless.plan.id, { timing: { kind: 'manual' } });
    ruleless.pass(6 * 60_000);
    expect(ruleless.running()).toHaveLength(0);
  });

  it('B2 one plan whose schedule cannot be followed keeps no other from starting', () => {
    const { pass, state, running, told, vault, plan } = agent();
    const broken = { ...nightly(3), schedule: { kind: 'cron', expression: '0 2 * * *', zone: 'Mars/Base' } } as const;
    const { id: _id, ...rest } = plan;
    state.plans.insert({ ...rest, id: 'broken', name: 'a-first', vaultId: vault.id, timing: { kind: 'own', rule: broken } });
    pass(2 * hour);
    expect(running()).toMatchObject([{ planId: plan.id }]);
    expect(told).toContain('SCHEDULE_BROKEN a-first');
  });

  it('B2 a run that waited beyond the end of its window is ended, too', () => {
    const { pass, state, plan, context, desk } = agent();
    state.plans.update(plan.id, { window: { from: '01:00', to: '03:00', zone: 'UTC' } });
    const cancelled: string[] = [];
    const watched = { ...desk, cancel: (_id: string, why?: { code: string }) => void cancelled.push(why?.code ?? '') } as typeof desk;
    const keeper = createScheduleKeeper(context, watched);
    pass(2 * hour);
    const [task] = state.tasks.where([equals('type', 'backup')]);
    state.tasks.update(task!.id, { state: 'queued', startedAt: null });
    pass(59 * 60_000);
    keeper.tick();
    expect(cancelled).toEqual([]);
    pass(60_000);
    keeper.tick();
    expect(cancelled).toEqual(['WINDOW_ENDED']);
  });
});

describe('what is kept', () => {
  it('B3 keeps what a check found damaged, whatever the rules say: it may be whole again', () => {
    const { pass, finishAll, backups, state, expiry, plan } = agent();
    for (let i = 0; i < 24 * 3; i++) {
      pass(hour);
      finishAll();
    }
    for (const row of backups()) state.backups.update(row.id, { state: 'error' });
    for (let i = 0; i < 24 * 60; i++) pass(hour);
    finishAll();
    expiry.expire(plan.id);
    finishAll();
    expect(backups().filter(({ state: how }) => how === 'error')).toHaveLength(3);
  });

  it('B3 removes what a rule no longer keeps after each backup, tells why, and audits it', () => {
    const { pass, finishAll, backups, audits, state } = agent();
    for (let i = 0; i < 24 * 6; i++) {
      pass(hour);
      finishAll();
    }
    expect(backups()).toHaveLength(3);
    expect(audits.filter((line) => line.startsWith('createVaultBackup v1'))).toHaveLength(6);
    expect(audits.filter((line) => line.startsWith('deleteBackup autobk_'))).toHaveLength(3);
    expect(state.events.where([equals('type', 'BACKUP_EXPIRED')])[0]!.content).toContain('newest');
  });

  it('B3 stops starting and expiring with a disabled policy, and expires by time after the policy was removed', async () => {
    const { pass, finishAll, backups, state, vault, expiry } = agent({ kind: 'vault' });
    const rule: PolicyRule = { ...nightly(3), retention: { kind: 'time', amount: 4, unit: 'days' } };
    const times = { createdAt: 0, updatedAt: 0 };
    state.policies.insert({ id: 'p1', name: 'nightly', type: 'backup', enabled: true, rule, ...times });
    state.vaults.update(vault.id, { policyId: 'p1' });
    const days = (count: number) => {
      for (let i = 0; i < 24 * count; i++) {
        pass(hour);
        finishAll();
      }
    };
    days(3);
    expect(backups()).toHaveLength(3);
    state.policies.update('p1', { enabled: false, updatedAt: 1 });
    days(6);
    await expiry.expireAll();
    finishAll();
    expect(backups()).toHaveLength(3);
    state.vaults.update(vault.id, { policyId: null });
    await expiry.expireAll();
    finishAll();
    // The newest good one stays whatever its age.
    expect(backups()).toHaveLength(1);
  });

  it('B3 expires nothing while the clock is doubted', async () => {
    const rule: PolicyRule = { ...nightly(3), retention: { kind: 'time', amount: 4, unit: 'days' } };
    const { pass, finishAll, backups, context, desk, state, plan, expiry } = agent({ kind: 'own', rule });
    for (let i = 0; i < 24 * 3; i++) {
      pass(hour);
      finishAll();
    }
    state.plans.update(plan.id, { pause: { by: 'operator', since: 0, reason: 'by an operator' } });
    pass(300 * day);
    await createExpiry(context, desk, { doubt: () => 'it jumped', tick: () => undefined }).expireAll();
    finishAll();
    expect(backups()).toHaveLength(3);
    await expiry.expireAll();
    finishAll();
    expect(backups()).toHaveLength(1);
  });

  it('B3 shows beforehand what another rule would do, and changes nothing', () => {
    const { pass, finishAll, backups, context, plan } = agent();
    for (let i = 0; i < 24 * 6; i++) {
      pass(hour);
      finishAll();
    }
    const verdicts = verdictsOn(context, plan.id, backups(), { retention: { kind: 'quantity', count: 2 } });
    expect(verdicts.map(({ keep }) => keep)).toEqual([true, true, false]);
    expect(backups()).toHaveLength(3);
  });
});

describe('deleting', () => {
  it('B6 can be taken back for a day, and happens then', () => {
    const { pass, finishAll, backups, deletions, state, running, now } = agent();
    pass(2 * hour);
    finishAll();
    const [backup] = backups();
    expect(deletions.remove(backup!, false)).toBeNull();
    expect(backups()[0]).toMatchObject({ state: 'deleting', deleteAt: now() + day });
    deletions.bringBack(backups()[0]!);
    expect(backups()[0]).toMatchObject({ state: 'available', deleteAt: null });
    expect(() => deletions.bringBack(backups()[0]!)).toThrow('it is available');
    deletions.remove(backups()[0]!, false);
    pass(day - 1);
    deletions.sweep();
    expect(running()).toHaveLength(0);
    pass(1);
    finishAll();
    deletions.sweep();
    expect(running()).toMatchObject([{ type: 'forget' }]);
    expect(() => deletions.bringBack(backups()[0]!)).toThrow('it is being removed');
    finishAll();
    expect(state.backups.where([equals('id', backup!.id)])).toEqual([]);
  });
});

describe('deleting, with a clock that jumped', () => {
  it('B3 B6 ends no day before its time', () => {
    const { pass, finishAll, backups, context, desk, running } = agent();
    pass(2 * hour);
    finishAll();
    const doubting = createDeletions(context, desk, { doubt: () => 'it jumped' });
    doubting.remove(backups()[0]!, false);
    pass(300 * day);
    finishAll();
    doubting.sweep();
    expect(running()).toHaveLength(0);
    createDeletions(context, desk, { doubt: () => null }).sweep();
    expect(running()).toMatchObject([{ request: { type: 'forget', expire: true } }]);
  });
});

describe('the clock', () => {
  const bed = (seen: { wall: number; boot: number }) => {
    const { context, state, raised } = agent();
    const trust = createClockTrust({ ...context, clock: { now: () => seen.wall, boottime: () => seen.boot } });
    return { trust, state, raised };
  };

  it('B3 is doubted when it jumps by more than a day, and believed again after a day of going on evenly', () => {
    const seen = { wall: Date.UTC(2026, 2, 1), boot: 1000 };
    const { trust, raised } = bed(seen);
    trust.tick();
    Object.assign(seen, { wall: seen.wall + 23 * hour, boot: seen.boot + 1000 });
    expect(trust.doubt()).toBeNull();
    trust.tick();
    Object.assign(seen, { wall: seen.wall + 300 * day, boot: seen.boot + 1000 });
    expect(trust.doubt()).toContain('last known');
    trust.tick();
    expect([...raised]).toEqual(['CLOCK_JUMPED']);
    Object.assign(seen, { wall: seen.wall + 23 * hour, boot: seen.boot + 23 * hour });
    trust.tick();
    expect(trust.doubt()).not.toBeNull();
    Object.assign(seen, { wall: seen.wall + hour, boot: seen.boot + hour });
    trust.tick();
    expect(trust.doubt()).toBeNull();
    expect([...raised]).toEqual([]);
  });

  it('B3 is doubted when it goes back by more than a day, too', () => {
    const seen = { wall: Date.UTC(2026, 2, 1), boot: 1000 };
    const { trust } = bed(seen);
    trust.tick();
    Object.assign(seen, { wall: seen.wall - 2 * day, boot: seen.boot + 1000 });
    expect(trust.doubt()).not.toBeNull();
  });
});

describe('vault care', () => {
  it('B6 checks weekly, reads a share a day so that all is read, gives space back, and only while nothing else is to be done', () => {
    const { context, desk, pass, finish, running, state, vault, plan } = agent({ kind: 'manual' });
    const care = createVaultCare(context, desk);
    const done: string[] = [];
    for (let i = 0; i < 24 * 60; i++) {
      pass(hour);
      care.tick();
      const [task] = running();
      if (!task) continue;
      care.tick();
      expect(running()).toHaveLength(1);
      const { type, readData } = task.request as { type: string; readData?: string | false };
      done.push(readData ? `${type} ${readData}` : type);
      finish(task.id);
      care.ended(state.tasks.find(task.id));
    }
    expect(done.filter((what) => what === 'check')).toHaveLength(8);
    expect(new Set(done.filter((what) => what.includes('/'))).size).toBe(30);
    expect(done).not.toContain('prune');
    const ended = state.tasks.where([])[0]!;
    state.tasks.update(ended.id, { type: 'forget', endedAt: context.clock.now() });
    expect(plan.vaultId).toBe(vault.id);
    for (let i = 0; i < 3; i++) {
      care.tick();
      for (const task of running()) {
        done.push(task.type);
        finish(task.id);
        care.ended(state.tasks.find(task.id));
      }
    }
    expect(done).toContain('prune');
  });

  it('B6 tries again in a while what failed, and does the work of a vault that is never quiet when it is overdue', () => {
    const { context, desk, pass, fail, running, state, plan } = agent({ kind: 'manual' });
    const care = createVaultCare(context, desk);
    pass(8 * day);
    care.tick();
    const [check] = running();
    fail(check!.id, failure('TASK_DIED', { detail: 'x' }).toProblem());
    care.ended(state.tasks.find(check!.id));
    pass(5 * hour);
    care.tick();
    expect(running()).toHaveLength(0);
    startBackup(context, desk, plan, { kind: 'manual' });
    pass(2 * hour);
    care.tick();
    // Of a vault that is eight days old nothing has been read yet.
    expect(running().map(({ type }) => type)).toEqual(['backup', 'check']);
  });
});
