// What a schedule means in instants. Wall-clock time is that of the schedule's zone: a time that a change to summer time leaves out starts at
// the end of the gap, one that comes twice starts the first time only (twice where the cron expression is for every hour).
import { fail } from '../base/errors.ts';
import { cronFrom, type Day, readCron, type Timetable } from './cron.ts';
import type { HoursSchedule, Schedule, Weekday } from './schedule.ts';
import { at, hour, instantsAt, minute, zoneFrom } from './wall-clock.ts';

export { scheduleText } from './schedule-text.ts';
export { windowEnd, windowFrom } from './window.ts';

const day = 24 * hour;
/** Longer than any zone is ahead of or behind UTC, and than any clock is ever set back. */
const slack = 26 * hour;

export interface ScheduleWords {
  readonly cron?: string;
  readonly hours?: readonly number[];
  readonly weekdays?: readonly number[];
  readonly everyDays?: number;
  readonly from?: string;
  readonly zone?: string;
}

/** `now` and `hostZone` fill in what was not said. Throws SCHEDULE_INVALID or TIME_ZONE_UNKNOWN. */
export function scheduleFrom(words: ScheduleWords, now: number, hostZone: string): Schedule {
  const invalid = (detail: string): never => fail('SCHEDULE_INVALID', { schedule: written(words), detail });
  const { cron, hours, weekdays, everyDays, from } = words;
  if ((cron === undefined) === (hours === undefined)) return invalid('give either a cron expression or hours of the day');
  if (cron !== undefined) {
    if ([weekdays, everyDays, from].some((word) => word !== undefined)) return invalid('a cron expression says its days itself');
    return { kind: 'cron', expression: cronFrom(cron), zone: zoneFrom(words.zone ?? 'UTC') };
  }
  const zone = zoneFrom(words.zone ?? hostZone);
  const chosen = numbers(hours!, 0, 23) ?? invalid('hours are whole numbers from 0 to 23, at least one');
  if ((weekdays === undefined) === (everyDays === undefined)) return invalid('give either weekdays or a number of days');
  if (weekdays !== undefined) {
    if (from !== undefined) return invalid('weekdays are not counted from a day');
    const days = numbers(weekdays, 1, 7) ?? invalid('weekdays are whole numbers from 1 (Monday) to 7 (Sunday), at least one');
    return { kind: 'hours', hours: chosen, days: { weekdays: days as readonly Weekday[] }, zone };
  }
  const every = numbers([everyDays!], 1, 30)?.[0] ?? invalid('every 1 to 30 days');
  const first = from ?? at(now, zone).toPlainDate().toString();
  if (!isDate(first)) return invalid('the day it counts from is no date such as 2026-08-05');
  return { kind: 'hours', hours: chosen, days: { every, from: first }, zone };
}

/** Starts in (after, until], ascending, at most `limit` of them (the earliest). ms since the epoch. */
export function startsBetween(schedule: Schedule, after: number, until: number, limit: number): readonly number[] {
  const table = timetableOf(schedule);
  const starts: number[] = [];
  let waiting: readonly number[] = [];
  const pass = (end: number) => {
    starts.push(...waiting.filter((start) => start < end));
    waiting = waiting.filter((start) => start >= end);
  };
  // A clock set back at midnight shows the end of the day before once more: begin a day early, and let go only what no later day can precede.
  for (let number = Math.floor((after - slack) / day) - 1; number * day - slack <= until && starts.length < limit; number++) {
    const date = dayOf(number);
    if (!table.fits(date)) continue;
    const midnight = new Temporal.PlainDate(date.year, date.month, date.day).toZonedDateTime(schedule.zone);
    pass(midnight.epochMilliseconds);
    const more = startsOn(midnight, date, table).filter((start) => start > after && start <= until);
    waiting = waiting.length === 0 ? more : ascending([...waiting, ...more]);
  }
  pass(Number.POSITIVE_INFINITY);
  return starts.slice(0, limit);
}

/** The first start after `after`; null if there is none within five years. */
export function nextStart(schedule: Schedule, after: number): number | null {
  const until = at(after, 'UTC').add({ years: 5 }).epochMilliseconds;
  return startsBetween(schedule, after, until, 1)[0] ?? null;
}

function timetableOf(schedule: Schedule): Timetable {
  if (schedule.kind === 'cron') return readCron(schedule.expression);
  const { hours, days } = schedule;
  const daily = { hours, minutes: [0], everyHour: false };
  if ('weekdays' in days) return { ...daily, fits: ({ weekday }) => days.weekdays.includes((weekday || 7) as Weekday) };
  const first = Date.parse(days.from) / day;
  const since = (date: Day) => Date.UTC(date.year, date.month - 1, date.day) / day - first;
  return { ...daily, fits: (date) => since(date) >= 0 && since(date) % days.every === 0 };
}

/** Ascending and different. `midnight` is the first instant of the day. */
function startsOn(midnight: Temporal.ZonedDateTime, date: Day, { hours, minutes, everyHour }: Timetable): readonly number[] {
  const times = hours.flatMap((h) => minutes.map((m) => ({ hour: h, minute: m })));
  const begin = midnight.epochMilliseconds;
  const change = midnight.getTimeZoneTransition('next')?.epochMilliseconds ?? Number.POSITIVE_INFINITY;
  const plain = midnight.day === date.day && midnight.hour === 0 && midnight.minute === 0;
  if (plain && change > begin + slack) return times.map((time) => begin + time.hour * hour + time.minute * minute);
  const instants = times.flatMap((time) => {
    const both = instantsAt(new Temporal.PlainDateTime(date.year, date.month, date.day, time.hour, time.minute), midnight.timeZoneId);
    return everyHour ? both : both.slice(0, 1);
  });
  return ascending(instants);
}

/** Day 0 is 1 January 1970. */
function dayOf(number: number): Day {
  const date = new Date(number * day);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  const daysInMonth = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  return { year, month: month + 1, day: date.getUTCDate(), weekday: date.getUTCDay(), daysInMonth };
}

function ascending(instants: readonly number[]): readonly number[] {
  return [...new Set(instants)].sort((a, b) => a - b);
}

/** Each once, ascending; undefined if there is none or one is out of range. */
function numbers(given: readonly number[], least: number, most: number): readonly number[] | undefined {
  const right = given.length > 0 && given.every((value) => Number.isInteger(value) && value >= least && value <= most);
  return right ? ascending(given) : undefined;
}

function isDate(text: string): boolean {
  const time = /^(19[7-9]|[2-9]\d\d)\d-\d\d-\d\d$/.test(text) ? Date.parse(text) : Number.NaN;
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

function written(words: ScheduleWords): string {
  return Object.entries(words)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

export type { HoursSchedule, Weekday };
