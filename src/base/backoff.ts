// Trying again after passing trouble, with growing pauses, until it works or patience ends.
import { setTimeout as pause } from 'node:timers/promises';
import type { StillpointError } from './errors.ts';

/** Trouble that may pass. Whoever throws it says with `final` what the failure is called when patience ends. */
export class Transient extends Error {
  readonly final: StillpointError;

  constructor(final: StillpointError) {
    super(final.message, { cause: final });
    this.name = 'Transient';
    this.final = final;
  }
}

export interface Retried {
  /** 1 for the first failure. */
  readonly attempt: number;
  /** Milliseconds until the next attempt. */
  readonly delay: number;
  readonly error: StillpointError;
}

/** All times in milliseconds. */
export interface Patience {
  /** From the first attempt of one operation until it is given up; default 15 minutes, as restic. */
  readonly maxElapsed?: number;
  /** First pause; default 500. */
  readonly initial?: number;
  /** Each pause is so many times the one before; default 1.7. */
  readonly factor?: number;
  /** Longest pause; default 30 seconds. */
  readonly maxDelay?: number;
  now?(): number;
  sleep?(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** 0 ≤ random < 1; spreads a pause over 50 to 150 % of its length, so that many waiters do not come back at once. */
  random?(): number;
  /** Ends the waiting: the failure at hand becomes the answer. */
  readonly signal?: AbortSignal;
  onRetry?(retried: Retried): void;
}

/** Runs `operation` until it succeeds. What is not a Transient is thrown at once; after `maxElapsed` the Transient's final error is. */
export async function backoff<T>(operation: () => Promise<T>, patience: Patience = {}): Promise<T> {
  const now = patience.now ?? (() => performance.now());
  const sleep = patience.sleep ?? ((milliseconds, signal) => pause(milliseconds, undefined, { signal }));
  const random = patience.random ?? Math.random;
  const { maxElapsed = 15 * 60_000, factor = 1.7, maxDelay = 30_000, signal } = patience;
  const start = now();
  let step = patience.initial ?? 500;
  for (let attempt = 1; ; attempt++) {
    try {
      return await operation();
    } catch (error) {
      if (!(error instanceof Transient)) throw error;
      const delay = Math.round(step * (0.5 + random()));
      if (signal?.aborted || now() - start + delay > maxElapsed) throw error.final;
      patience.onRetry?.({ attempt, delay, error: error.final });
      await sleep(delay, signal).catch(() => undefined);
      if (signal?.aborted) throw error.final;
      step = Math.min(step * factor, maxDelay);
    }
  }
}
