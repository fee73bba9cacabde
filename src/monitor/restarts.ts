// When a process that ended is started again, and when that has become too often. Times in milliseconds.
const firstDelay = 1000;
const longestDelay = 60_000;
/** A process that ran well for so long starts with the first delay again. */
const wellMs = 60_000;
const alarmCount = 3;
const alarmWindow = 10 * 60_000;

export interface Restarts {
  /** `ranWell`: how long it had been answering; `now` on a clock that only goes forward. `alarm` once for a run of restarts. */
  next(ranWell: number, now: number): { readonly delay: number; readonly count: number; readonly alarm: boolean };
}

export function countRestarts(): Restarts {
  let delay = firstDelay;
  let recent: readonly number[] = [];
  let raised = false;
  return {
    next(ranWell, now) {
      if (ranWell >= wellMs) delay = firstDelay;
      const wait = delay;
      delay = Math.min(delay * 2, longestDelay);
      recent = [...recent.filter((at) => at > now - alarmWindow), now];
      const often = recent.length >= alarmCount;
      const alarm = often && !raised;
      raised = often;
      return { delay: wait, count: recent.length, alarm };
    },
  };
}
