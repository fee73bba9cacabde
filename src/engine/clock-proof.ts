// Before anything goes because its time is over: does the pool agree on the date? Its clock stamped the lock that was just written. A host
// whose clock jumped would otherwise throw away what it should keep.
import { fail } from '../base/errors.ts';

/** The clocks may be so far apart (ms). */
export const tolerance = 24 * 60 * 60_000;

/**
 * `believed`: the time (ms) by which backups have expired; `stamped`: when the pool says that it took what was just written, undefined where it
 * cannot say. Throws CLOCK_DOUBTED.
 */
export function proveClock(believed: number, stamped: number | undefined): void {
  if (stamped === undefined || Math.abs(believed - stamped) <= tolerance) return;
  fail('CLOCK_DOUBTED', { detail: `it says ${dateText(believed)}, the pool says ${dateText(stamped)}` });
}

/** A clock that is far off may give what is no date. */
function dateText(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
}
