// What becomes of each scheduled start: every one is accounted for, none runs twice. Pure: the agent asks, writes down and starts.

import type { Schedule, Window } from '../model/schedule.ts';
import { startsBetween, windowEnd } from '../model/starts.ts';

/** A plan as the scheduler sees it. All times in ms since the epoch. */
export interface Scheduled {
  readonly schedule: Schedule;
  readonly spread: number;
  readonly window: Window | null;
  readonly missed: 'once' | 'skip';
  /** Starts until then have been accounted for. */
  readonly accountedUntil: number;
  /** Why nothing may start, for people: paused, pool offline …; null if it may. */
  readonly held: string | null;
  /** Since when its last run runs or waits, if it does. */
  readonly runningSince: number | null;
}

export interface Account {
  readonly due: number;
  readonly outcome: 'run' | 'made-up' | 'skipped';
  /** Why it was skipped; empty otherwise. */
  readonly reason: string;
}

export interface Accounting {
  readonly accounts: readonly Account[];
  readonly accountedUntil: number;
  /** Starts too many to be told one by one. */
  readonly untold: number;
}

/** A start so much later than it was due has been missed: the agent was off, the host asleep, or the clock set. */
export const missedAfter = 5 * 60_000;
/** A clock set back by more than this begins anew; by less, starts that have been accounted for are not repeated. */
const setBack = 3600_000;
const toldAtMost = 200;

export function accountFor(plan: Scheduled, now: number): Accounting {
  if (now < plan.accountedUntil - setBack) return { accounts: [], accountedUntil: now, untold: 0 };
  const { spread } = plan;
  const all = startsBetween(plan.schedule, plan.accountedUntil - spread, now - spread, Number.MAX_SAFE_INTEGER).map(
    (start) => start + spread,
  );
  if (all.length === 0) return { accounts: [], accountedUntil: plan.accountedUntil, untold: 0 };
  const starts = all.slice(-toldAtMost);
  const last = starts.at(-1)!;
  return { accounts: starts.map((due) => account(plan, due, due === last, now)), accountedUntil: last, untold: all.length - starts.length };
}

function account(plan: Scheduled, due: number, isLast: boolean, now: number): Account {
  const skipped = (reason: string): Account => ({ due, outcome: 'skipped', reason });
  const late = now - due > missedAfter;
  if (plan.held !== null) return skipped(plan.held);
  if (!isLast) return skipped(late ? 'the agent was off; a later start stands for it' : 'the next start is due already');
  if (late && plan.missed === 'skip') return skipped('the agent was off');
  if (plan.runningSince !== null) return skipped(`the run of ${new Date(plan.runningSince).toISOString()} has not ended`);
  if (plan.window && windowEnd(plan.window, now) === null) return skipped(`outside of its window ${plan.window.from}-${plan.window.to}`);
  return { due, outcome: late ? 'made-up' : 'run', reason: '' };
}

/** When (ms after it failed) a run is tried again: 5 minutes, then three times as long each time, at most 2 hours. */
export const retryDelay = (attempt: number): number => Math.min(5 * 60_000 * 3 ** (attempt - 1), 2 * 3600_000);
