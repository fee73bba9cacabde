import { describe, expect, it } from 'vitest';
import { accountFor, missedAfter, retryDelay, type Scheduled } from '../../../src/engine/scheduler.ts';

const hour = 3600_000;
const day = 24 * hour;
const midnight = Date.UTC(2026, 4, 1);
const nightly = { kind: 'cron', expression: '0 2 * * *', zone: 'UTC' } as const;

const plan = (more: Partial<Scheduled> = {}): Scheduled => ({
  schedule: nightly,
  spread: 0,
  window: null,
  missed: 'once',
  accountedUntil: midnight,
  held: null,
  runningSince: null,
  ...more,
});
const at = (moment: number) => midnight + moment;

describe('what becomes of scheduled starts', () => {
  it('B2 starts once when it is due, and not again', () => {
    expect(accountFor(plan(), at(2 * hour) - 1).accounts).toEqual([]);
    const { accounts, accountedUntil } = accountFor(plan(), at(2 * hour));
    expect(accounts).toEqual([{ due: at(2 * hour), outcome: 'run', reason: '' }]);
    expect(accountFor(plan({ accountedUntil }), at(2 * hour)).accounts).toEqual([]);
    expect(accountFor(plan({ accountedUntil }), at(26 * hour - 1)).accounts).toEqual([]);
  });

  it('B2 makes up once what fell into a time when the agent was off, and tells each of the others', () => {
    const { accounts, accountedUntil } = accountFor(plan(), at(3 * day + 12 * hour));
    expect(accounts.map(({ outcome }) => outcome)).toEqual(['skipped', 'skipped', 'skipped', 'made-up']);
    expect(accounts.map(({ due }) => (due - midnight) / hour)).toEqual([2, 26, 50, 74]);
    expect(accountedUntil).toBe(at(74 * hour));
    const skipping = accountFor(plan({ missed: 'skip' }), at(3 * day + 12 * hour));
    expect(skipping.accounts.every(({ outcome, reason }) => outcome === 'skipped' && reason.includes('off'))).toBe(true);
    expect(accountFor(plan(), at(2 * hour + missedAfter)).accounts[0]!.outcome).toBe('run');
    expect(accountFor(plan(), at(2 * hour + missedAfter + 1)).accounts[0]!.outcome).toBe('made-up');
  });

  it('B2 skips a start that would overlap, outside of its window, while paused, and says why', () => {
    const reasonOf = (more: Partial<Scheduled>) => accountFor(plan(more), at(2 * hour)).accounts[0]!;
    expect(reasonOf({ runningSince: at(hour) })).toMatchObject({ outcome: 'skipped', reason: expect.stringContaining('2026-05-01T01:00') });
    expect(reasonOf({ held: 'paused: by an operator' })).toMatchObject({ outcome: 'skipped', reason: 'paused: by an operator' });
    expect(reasonOf({ window: { from: '22:00', to: '02:00', zone: 'UTC' } }).reason).toContain('window 22:00-02:00');
    expect(reasonOf({ window: { from: '22:00', to: '02:30', zone: 'UTC' } }).outcome).toBe('run');
  });

  it('B2 survives a clock that is set back or far ahead', () => {
    const behind = accountFor(plan({ accountedUntil: at(30 * day) }), at(0));
    expect(behind).toEqual({ accounts: [], accountedUntil: at(0), untold: 0 });
    // A little back: what has been started is not started again.
    expect(accountFor(plan({ accountedUntil: at(2 * hour) }), at(2 * hour - 60_000))).toMatchObject({
      accounts: [],
      accountedUntil: at(2 * hour),
    });
    const minutely = plan({ schedule: { kind: 'cron', expression: '* * * * *', zone: 'UTC' } });
    const ahead = accountFor(minutely, at(7 * day));
    expect(ahead.accounts.filter(({ outcome }) => outcome !== 'skipped')).toHaveLength(1);
    expect(ahead.accounts.length + ahead.untold).toBe(7 * 24 * 60);
    expect(ahead.accounts).toHaveLength(200);
  });

  it('B2 spreads starts, and accounts for each at its own moment', () => {
    const spread = 10 * 60_000;
    expect(accountFor(plan({ spread }), at(2 * hour)).accounts).toEqual([]);
    expect(accountFor(plan({ spread }), at(2 * hour) + spread).accounts).toEqual([
      { due: at(2 * hour) + spread, outcome: 'run', reason: '' },
    ]);
  });

  it('B2 waits longer before each further attempt', () => {
    expect([1, 2, 3, 4, 9].map((attempt) => retryDelay(attempt) / 60_000)).toEqual([5, 15, 45, 120, 120]);
  });

  it('B2 accounts for every start exactly once, whatever the steps of time', () => {
    let seed = 7;
    const random = () => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed / 2 ** 31;
    };
    for (let round = 0; round < 50; round++) {
      let accountedUntil = midnight;
      const told: number[] = [];
      let now = midnight;
      while (now < at(20 * day)) {
        now += Math.floor(random() * (random() < 0.1 ? 5 * day : 3 * hour));
        const result = accountFor(plan({ accountedUntil }), now);
        told.push(...result.accounts.map(({ due }) => due));
        accountedUntil = result.accountedUntil;
      }
      const all = Array.from({ length: 40 }, (_, i) => at(2 * hour + i * day)).filter((due) => due <= now);
      expect(told).toEqual(all);
    }
  });
});
