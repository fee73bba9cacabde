// Waiting with a limit, on timers that tests can own.

export interface Timers {
  /** Calls `wake` after `ms`; the answer calls it off. */
  after(ms: number, wake: () => void): () => void;
}

export const systemTimers: Timers = {
  after: (ms, wake) => {
    const timer = setTimeout(wake, ms);
    return () => clearTimeout(timer);
  },
};

/** True when the work settled, false when `ms` passed before. Never rejects. */
export function settledWithin(work: Promise<unknown>, ms: number, timers: Timers): Promise<boolean> {
  return new Promise((resolve) => {
    const callOff = timers.after(ms, () => resolve(false));
    const settle = () => {
      callOff();
      resolve(true);
    };
    work.then(settle, settle);
  });
}

export function pause(ms: number, timers: Timers): Promise<void> {
  return new Promise((resolve) => void timers.after(ms, resolve));
}
