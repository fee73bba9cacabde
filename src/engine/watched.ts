// Looks after an image while it is read: what overflows in the first hour is not read for five more.
import { isCode } from '../base/errors.ts';
import { systemTimers, type Timers } from './freeze-timers.ts';

export interface Watch {
  /** Aborted with what `outer` was aborted with, or with SNAPSHOT_LOST. */
  readonly signal: AbortSignal;
  /** Throws SNAPSHOT_LOST where that is known: it is the reason for whatever else failed (a lost image answers with EIO). */
  throwIfLost(): void;
  /** Idempotent. */
  stop(): void;
}

/** Between two looks, ms. */
export const lookEvery = 10_000;

/**
 * Only a loss that is certain ends the reading; that it could not be looked at is for the last look, after which nothing is read any more.
 * `intact`: Snapshot.intact.
 */
export function watched(intact: () => Promise<void>, outer: AbortSignal, timers: Timers = systemTimers): Watch {
  const loss = new AbortController();
  let stopped = false;
  let callOff = () => {};

  const look = async () => {
    try {
      await intact();
    } catch (error) {
      if (!stopped && isCode(error, 'SNAPSHOT_LOST')) return loss.abort(error);
    }
    wait();
  };
  const wait = () => {
    if (!stopped) callOff = timers.after(lookEvery, () => void look());
  };
  wait();
  return {
    signal: AbortSignal.any([outer, loss.signal]),
    throwIfLost: () => loss.signal.throwIfAborted(),
    stop() {
      stopped = true;
      callOff();
    },
  };
}
