// Thawing: each in its turn, none held up by one that fails or hangs, each tried again until it is thawed.
import { backoff, Transient } from '../base/backoff.ts';
import { asStillpointError, failure, type StillpointError } from '../base/errors.ts';
import type { FreezeFacts, Quiescer } from '../ports/quiescer.ts';
import { pause, settledWithin, type Timers } from './freeze-timers.ts';

/** All that a thaw needs of a quiescer. */
export type Thawable = Pick<Quiescer, 'name' | 'thaw'>;

export interface ThawSettings {
  readonly timers: Timers;
  /** The freeze that was under way when the thaw began, if one was: it belongs to the first to be thawed. */
  readonly pending: Promise<unknown>;
  readonly now: () => number;
  /** After the first attempt of each, after each that failed, and after the last. */
  readonly attempted: (quiescer: Thawable, since: number, error?: StillpointError) => void;
  readonly learned: (quiescer: Thawable, facts: FreezeFacts) => void;
}

export interface Thawing {
  /** After the first attempt of each: whether everything is thawed. */
  readonly firstRound: Promise<boolean>;
  /** When everything is thawed. */
  readonly all: Promise<void>;
}

/** A thaw that takes longer is overtaken by the next; it goes on beside it (ms). */
const overtakeMs = 2000;
/** A first attempt that takes longer counts as failed; it goes on, too (ms). */
const attemptMs = 60_000;
/** A freeze that was interrupted gets so long to clean up after itself before it is thawed (ms). */
const settleMs = 1000;

export function thawAll(quiescers: readonly Thawable[], settings: ThawSettings): Thawing {
  const { timers } = settings;
  const works: ThawWork[] = [];
  const firstRound = (async () => {
    await settledWithin(settings.pending, settleMs, timers);
    for (const quiescer of quiescers) {
      const work = thawOne(quiescer, settings);
      works.push(work);
      await settledWithin(work.first, overtakeMs, timers);
    }
    const firsts = await Promise.all(works.map(async ({ first }) => (await settledWithin(first, attemptMs, timers)) && first));
    return firsts.every(Boolean);
  })();
  return { firstRound, all: firstRound.then(async () => void (await Promise.all(works.map(({ done }) => done)))) };
}

interface ThawWork {
  /** Whether the first attempt did it. */
  readonly first: Promise<boolean>;
  readonly done: Promise<void>;
}

function thawOne(quiescer: Thawable, settings: ThawSettings): ThawWork {
  const first = Promise.withResolvers<boolean>();
  const attempt = async () => {
    const since = settings.now();
    try {
      settings.learned(quiescer, await quiescer.thaw());
      settings.attempted(quiescer, since);
      first.resolve(true);
    } catch (error) {
      const problem = asThawFailure(quiescer, error);
      settings.attempted(quiescer, since, problem);
      first.resolve(false);
      throw new Transient(problem);
    }
  };
  // It is never given up: somebody's users wait for it.
  const patience = { maxElapsed: Number.POSITIVE_INFINITY, initial: 200, maxDelay: 10_000 };
  const sleep = (ms: number) => pause(ms, settings.timers);
  return { first: first.promise, done: backoff(attempt, { ...patience, sleep, now: settings.now }) };
}

export function asThawFailure({ name }: Thawable, error: unknown): StillpointError {
  const known = asStillpointError(error);
  return known.code === 'INTERNAL' ? failure('FREEZE_THAW_FAILED', { name, detail: known.message }, { cause: error }) : known;
}
