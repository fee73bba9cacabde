// The hours of the day in which a plan may run.
import { fail } from '../base/errors.ts';
import type { Window } from './schedule.ts';
import { at, instantAt, zoneFrom } from './wall-clock.ts';

/** Throws WINDOW_INVALID or TIME_ZONE_UNKNOWN. */
export function windowFrom(
  { from, to, zone }: { readonly from: string; readonly to: string; readonly zone?: string | undefined },
  hostZone: string,
): Window {
  const invalid = (detail: string): never => fail('WINDOW_INVALID', { window: `${from}-${to}`, detail });
  for (const time of [from, to]) if (!/^([01]\d|2[0-3]):[0-5]\d$/.test(time)) invalid(`${JSON.stringify(time)} is no time of day`);
  if (from === to) invalid('it begins when it ends');
  return { from, to, zone: zoneFrom(zone ?? hostZone) };
}

/** When (ms) the window that `now` lies in ends; null outside of it. */
export function windowEnd(window: Window, now: number): number | null {
  const today = at(now, window.zone).toPlainDate();
  for (const day of [today.subtract({ days: 1 }), today]) {
    const { opens, ends } = opening(window, day);
    if (opens <= now && now < ends) return ends;
  }
  return null;
}

/** From the first time that the clock shows `from` to the first time that it then shows `to`. */
function opening({ from, to, zone }: Window, day: Temporal.PlainDate): { readonly opens: number; readonly ends: number } {
  const first = day.toPlainDateTime(from);
  const last = (to > from ? day : day.add({ days: 1 })).toPlainDateTime(to);
  const opens = instantAt(first, zone);
  const ends = instantAt(last, zone);
  // All of it in a gap: it opens at the end of the gap, as starts do, for as long as ever.
  return { opens, ends: ends > opens ? ends : opens + first.until(last).total('milliseconds') };
}
