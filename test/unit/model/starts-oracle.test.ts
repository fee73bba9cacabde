// B2: random schedules against two others: node-cron's own match on days in UTC, and a walk from minute to minute along what Intl says that
// the clock on the wall shows.
import { createTask } from 'node-cron';
import { describe, expect, test } from 'vitest';
import type { Schedule, Weekday } from '../../../src/model/schedule.ts';
import { nextStart, startsBetween } from '../../../src/model/starts.ts';
import { type Random, randomOf } from './random.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const all = Number.POSITIVE_INFINITY;

function randomCron(random: Random): string {
  const span = (low: number, high: number): string => {
    const [a, b] = [low + random.below(high - low + 1), low + random.below(high - low + 1)];
    return random.one([`${a}`, `${a},${b}`, `${Math.min(a, b)}-${Math.max(a, b)}`, `${Math.min(a, b)}-${high}/${1 + random.below(5)}`]);
  };
  const hours = random.one(['*', '*/2', '*/5', span(0, 23), span(0, 4), span(0, 4)]);
  const days = random.one(['*', '*', '*', '*/3', span(1, 31), 'L', 'L-3', '15W', '1W', '30W', '1,L']);
  const weekdays = random.one(['*', '*', '*', '1-5', '7', span(0, 7), 'fri', '1#2', '5L', '0L,3#1']);
  return [random.one(['*/7', '0', span(0, 59)]), hours, days, random.one(['*', '*', span(1, 12)]), weekdays].join(' ');
}

test('B2 cron means what node-cron means by it: every minute of random days in UTC', () => {
  const random = randomOf(20_260_805);
  let matched = 0;
  for (let round = 0; round < 60; round++) {
    const expression = randomCron(random);
    const schedule: Schedule = { kind: 'cron', expression, zone: 'UTC' };
    const task = oracleOf(expression);
    if (!task) continue;
    const anywhere = Date.UTC(2024 + random.below(8), random.below(12), 1 + random.below(31));
    const from = Math.floor((nextStart(schedule, anywhere) ?? anywhere) / day) * day - random.below(2) * day;
    const expected: number[] = [];
    for (let time = from; time < from + day; time += minute) if (task.match(new Date(time))) expected.push(time);
    expect(startsBetween(schedule, from - 1, from + day - 1, all), `${expression} from ${new Date(from).toISOString()}`).toEqual(expected);
    matched += expected.length;
    task.destroy();
  }
  expect(matched).toBeGreaterThan(100);
});

test('B2 cron falls on the days that node-cron says: three years of days for each odd way to name one', () => {
  for (const days of [
    'L * *',
    'L-3 * *',
    '15W * *',
    '1W * *',
    '31W * *',
    'LW * *',
    '29 2 *',
    '* * 1#5',
    '* * 0L',
    '13 * 5',
    '1-7 */2 2',
    '* * 7',
  ]) {
    const task = oracleOf(`0 0 ${days}`)!;
    const [from, until] = [Date.UTC(2021, 11, 31), Date.UTC(2024, 11, 31)];
    const expected: number[] = [];
    for (let time = from + day; time <= until; time += day) if (task.match(new Date(time))) expected.push(time);
    expect(startsBetween({ kind: 'cron', expression: `0 0 ${days}`, zone: 'UTC' }, from, until, all), days).toEqual(expected);
    task.destroy();
  }
});

function oracleOf(expression: string): ReturnType<typeof createTask> | undefined {
  try {
    return createTask(expression, () => undefined, { timezone: 'UTC' });
  } catch {
    return undefined; // a day that no month has
  }
}

/** What the clock on the wall shows at each minute, as ms as if it were UTC. */
function wallOf(zone: string, from: number, days: number): { readonly instant: number; readonly wall: number }[] {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, dateStyle: 'short', timeStyle: 'short', hourCycle: 'h23' });
  return Array.from({ length: days * 1440 }, (_, index) => {
    const instant = from + index * minute;
    const [d, mo, y, h, m] = format.format(instant).match(/\d+/g)!.map(Number) as [number, number, number, number, number];
    return { instant, wall: Date.UTC(y, mo - 1, d, h, m) };
  });
}

const changes: readonly (readonly [zone: string, before: string])[] = [
  ['Europe/Berlin', '2026-03-28'],
  ['Europe/Berlin', '2026-10-24'],
  ['America/New_York', '2026-03-07'],
  ['America/New_York', '2026-10-31'],
  ['Australia/Lord_Howe', '2026-04-03'],
  ['Australia/Lord_Howe', '2026-10-02'],
  ['America/St_Johns', '2010-11-06'],
  ['America/Havana', '2025-11-01'],
  ['Africa/Cairo', '2026-04-23'],
  ['Africa/Cairo', '2026-10-28'],
  ['Pacific/Apia', '2011-12-28'],
  ['Asia/Kathmandu', '2026-08-05'],
];

describe.each(changes)('B2 %s from %s', (zone, before) => {
  const from = Date.parse(before);
  const walk = wallOf(zone, from - 2 * day, 7);

  /** As the law says it, a minute after the other. */
  function oracle(fits: (wall: number) => boolean, everyHour: boolean): readonly number[] {
    const found: number[] = [];
    let latest = walk[0]!.wall;
    for (const { instant, wall } of walk) {
      const skipped = Array.from({ length: Math.max(0, (wall - latest) / minute - 1) }, (_, index) => latest + (index + 1) * minute);
      const again = wall < latest || (wall === latest && instant !== walk[0]!.instant);
      if ((fits(wall) && (!again || everyHour)) || skipped.some(fits)) found.push(instant);
      latest = Math.max(latest, wall);
    }
    return found.filter((instant) => instant > from && instant <= from + 4 * day);
  }

  test('B2 random schedules start when a walk along the wall clock says', () => {
    const random = randomOf(from / minute);
    for (let round = 0; round < 40; round++) {
      const minutes = random.some(1 + random.below(4), [0, 1, 15, 20, 30, 45, 59]);
      const hours = random.some(1 + random.below(6), [0, 1, 2, 3, 4, 22, 23]);
      const everyHour = random.chance(0.3);
      const weekdays = random.some(4 + random.below(4), [1, 2, 3, 4, 5, 6, 7] as Weekday[]).toSorted();
      const fits = (wall: number) => {
        const date = new Date(wall);
        const fitting = everyHour || hours.includes(date.getUTCHours());
        return fitting && minutes.includes(date.getUTCMinutes()) && weekdays.includes((date.getUTCDay() || 7) as Weekday);
      };
      const expression = `${minutes} ${everyHour ? '*' : hours} * * ${weekdays}`;
      const schedule: Schedule = { kind: 'cron', expression, zone };
      const starts = startsBetween(schedule, from, from + 4 * day, all);
      expect(starts, expression).toEqual(oracle(fits, everyHour));
      consistent(schedule, starts, random);
      const chosen: Schedule = { kind: 'hours', hours: hours.toSorted((a, b) => a - b), days: { weekdays }, zone };
      const full = (wall: number) => {
        const date = new Date(wall);
        return date.getUTCMinutes() === 0 && hours.includes(date.getUTCHours()) && weekdays.includes((date.getUTCDay() || 7) as Weekday);
      };
      expect(startsBetween(chosen, from, from + 4 * day, all), JSON.stringify(chosen)).toEqual(oracle(full, false));
    }
  });

  /** Cut anywhere, nothing is lost and nothing comes twice; the next is the next; a limit takes the first. */
  function consistent(schedule: Schedule, starts: readonly number[], random: Random): void {
    const cut = random.chance(0.5) && starts.length > 0 ? random.one(starts) : from + random.below(4 * day);
    const [head, tail] = [startsBetween(schedule, from, cut, all), startsBetween(schedule, cut, from + 4 * day, all)];
    expect([...head, ...tail]).toEqual(starts);
    if (tail.length > 0) expect(nextStart(schedule, cut)).toBe(tail[0]);
    const few = random.below(5);
    expect(startsBetween(schedule, from, from + 4 * day, few)).toEqual(starts.slice(0, few));
  }
});
