// Waits that end: nothing that a server does or leaves undone holds up a freeze or a thaw.
import type { Clock } from '../base/clock.ts';
import { failure } from '../base/errors.ts';
import type { FreezeLimit } from '../ports/quiescer.ts';

/** What `work` gives, or the error of `late` once it has taken longer than `ms` or `signal` is given; `work` itself goes on unheard. */
export function within<T>(work: Promise<T>, ms: number, late: () => Error, signal?: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    };
    const stop = () => {
      end();
      reject(late());
    };
    const timer = setTimeout(stop, Math.max(0, ms));
    signal?.addEventListener('abort', stop, { once: true });
    work.finally(end).then(resolve, reject);
    if (signal?.aborted) stop();
  });
}

/** The time from the begin of a freeze to its deadline. */
export interface FreezeWindow {
  readonly signal: AbortSignal;
  /** Milliseconds until the deadline, never less than 0. */
  left(): number;
  /** Waits for `work` as long as the window is open. Throws FREEZE_EXPIRED at the deadline, FREEZE_FAILED when the freeze is called off. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Throws as run does, once it is closed. */
  check(): void;
  /** Whole seconds until the deadline, for limits that a server keeps: it ends no later. Throws FREEZE_EXPIRED where not one is left. */
  wholeSeconds(): number;
}

export function freezeWindow(name: string, limit: FreezeLimit, clock: Clock): FreezeWindow {
  const begun = clock.boottime();
  const left = () => Math.max(0, limit.deadline - clock.boottime());
  const closed = () =>
    limit.signal.aborted
      ? failure('FREEZE_FAILED', { name, detail: 'it was called off' })
      : failure('FREEZE_EXPIRED', { seconds: Math.max(0, Math.round((limit.deadline - begun) / 1000)) });
  const check = () => {
    if (limit.signal.aborted || left() === 0) throw closed();
  };
  return {
    signal: limit.signal,
    left,
    check,
    run: async (work) => {
      check();
      return within(work(), left(), closed, limit.signal);
    },
    wholeSeconds: () => {
      const seconds = Math.floor(left() / 1000);
      if (seconds < 1) throw closed();
      return seconds;
    },
  };
}
