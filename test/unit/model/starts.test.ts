// B2: what schedules and windows mean in instants, with dates that were looked up, not computed.
import { describe, expect, test } from 'vitest';
import type { CronSchedule, HoursSchedule, Schedule } from '../../../src/model/schedule.ts';
import {
  nextStart,
  type ScheduleWords,
  scheduleFrom,
  scheduleText,
  startsBetween,
  windowEnd,
  windowFrom,
} from '../../../src/model/starts.ts';

const ms = (text: string) => Date.parse(text);
const cron = (expression: string, zone = 'UTC'): CronSchedule => ({ kind: 'cron', expression, zone });
const daily = (hours: number[], zone: string): HoursSchedule => ({ kind: 'hours', hours, days: { weekdays: [1, 2, 3, 4, 5, 6, 7] }, zone });
const starts = (schedule: Schedule, after: string, until: string) =>
  startsBetween(schedule, ms(after), ms(until), 1_000_000).map((time) => new Date(time).toISOString().replace(':00.000Z', 'Z'));

describe('B2 changes to and from summer time', () => {
  test('B2 Berlin: 02:30 on 29 March 2026 starts at 03:00, on 25 October the first time only', () => {
    expect(starts(cron('30 2 * * *', 'Europe/Berlin'), '2026-03-28T00:00Z', '2026-03-31T00:00Z')).toEqual([
      '2026-03-28T01:30Z',
      '2026-03-29T01:00Z',
      '2026-03-30T00:30Z',
    ]);
    expect(starts(daily([2], 'Europe/Berlin'), '2026-10-24T00:00Z', '2026-10-27T00:00Z')).toEqual([
      '2026-10-25T00:00Z',
      '2026-10-26T01:00Z',
    ]);
  });

  test('B2 several starts in one gap are one, at its end, together with what starts then anyway', () => {
    expect(starts(cron('*/20 2,3 * * *', 'Europe/Berlin'), '2026-03-29T00:00Z', '2026-03-29T12:00Z')).toEqual([
      '2026-03-29T01:00Z',
      '2026-03-29T01:20Z',
      '2026-03-29T01:40Z',
    ]);
  });

  test('B2 every hour means every hour that passes', () => {
    const hours = ['2026-10-24T23:00Z', '2026-10-25T00:00Z', '2026-10-25T01:00Z', '2026-10-25T02:00Z'];
    expect(starts(cron('0 * * * *', 'Europe/Berlin'), '2026-10-24T22:30Z', '2026-10-25T02:30Z')).toEqual(hours);
    expect(starts(cron('0 1-4 * * *', 'Europe/Berlin'), '2026-10-24T22:30Z', '2026-10-25T02:30Z')).toEqual(hours.filter((_, i) => i !== 2));
    expect(starts(cron('0 * * * *', 'Europe/Berlin'), '2026-03-28T23:30Z', '2026-03-29T02:30Z')).toEqual([
      '2026-03-29T00:00Z',
      '2026-03-29T01:00Z',
      '2026-03-29T02:00Z',
    ]);
  });

  test('B2 New York: 8 March and 1 November 2026', () => {
    expect(starts(daily([2], 'America/New_York'), '2026-03-07T12:00Z', '2026-03-09T12:00Z')).toEqual([
      '2026-03-08T07:00Z',
      '2026-03-09T06:00Z',
    ]);
    expect(starts(daily([1], 'America/New_York'), '2026-10-31T12:00Z', '2026-11-02T12:00Z')).toEqual([
      '2026-11-01T05:00Z',
      '2026-11-02T06:00Z',
    ]);
  });

  test('B2 Lord Howe changes by half an hour: 5 April and 4 October 2026', () => {
    const zone = 'Australia/Lord_Howe';
    expect(starts(cron('45 1 * * *', zone), '2026-04-03T20:00Z', '2026-04-06T00:00Z')).toEqual(['2026-04-04T14:45Z', '2026-04-05T15:15Z']);
    expect(starts(cron('45 * * * *', zone), '2026-04-04T14:00Z', '2026-04-04T16:30Z')).toEqual([
      '2026-04-04T14:45Z',
      '2026-04-04T15:15Z',
      '2026-04-04T16:15Z',
    ]);
    expect(starts(daily([2], zone), '2026-10-02T20:00Z', '2026-10-05T00:00Z')).toEqual(['2026-10-03T15:30Z', '2026-10-04T15:00Z']);
  });

  test('B2 zones at half hours, and a clock that was set back at midnight into the day before', () => {
    expect(starts(daily([0, 6], 'Asia/Kolkata'), '2026-08-05T00:00Z', '2026-08-06T00:00Z')).toEqual([
      '2026-08-05T00:30Z',
      '2026-08-05T18:30Z',
    ]);
    // 7 November 2010, 00:01 in St. John's: back to 23:01 of the day before.
    const zone = 'America/St_Johns';
    expect(starts(cron('0,30 0,23 * * *', zone), '2010-11-06T12:00Z', '2010-11-07T12:00Z')).toEqual([
      '2010-11-07T01:30Z',
      '2010-11-07T02:00Z',
      '2010-11-07T02:30Z',
      '2010-11-07T04:00Z',
    ]);
    expect(starts(cron('30 * * * *', zone), '2010-11-07T01:45Z', '2010-11-07T04:15Z')).toEqual([
      '2010-11-07T02:00Z',
      '2010-11-07T03:00Z',
      '2010-11-07T04:00Z',
    ]);
  });

  test('B2 days that begin at 01:00 (Cairo, 24 April 2026), and a day that was left out (Apia, 30 December 2011)', () => {
    expect(starts(daily([0, 2], 'Africa/Cairo'), '2026-04-23T12:00Z', '2026-04-24T12:00Z')).toEqual([
      '2026-04-23T22:00Z',
      '2026-04-23T23:00Z',
    ]);
    expect(starts(daily([2, 14], 'Pacific/Apia'), '2011-12-29T12:00Z', '2011-12-31T00:00Z')).toEqual([
      '2011-12-30T00:00Z',
      '2011-12-30T10:00Z',
      '2011-12-30T12:00Z',
      '2011-12-31T00:00Z',
    ]);
  });
});

describe('B2 days', () => {
  test('B2 leap days, last days, working days, second Mondays; both day fields must fit', () => {
    const days = (expression: string, from = '2026-01-01', to = '2026-12-31') =>
      starts(cron(`0 0 ${expression}`), `${from}T00:00Z`, `${to}T00:00Z`).map((time) => time.slice(0, 10));
    expect(days('29 2 *', '2024-03-01', '2029-01-01')).toEqual(['2028-02-29']);
    expect(days('L 2 *', '2024-01-01', '2026-12-31')).toEqual(['2024-02-29', '2025-02-28', '2026-02-28']);
    expect(days('L-1 1-3 *')).toEqual(['2026-01-30', '2026-02-27', '2026-03-30']);
    // 15 August 2026 is a Saturday, 15 November a Sunday, 1 August a Saturday, 31 May a Sunday.
    expect(days('15W 8,11 *')).toEqual(['2026-08-14', '2026-11-16']);
    expect(days('1W 8 *')).toEqual(['2026-08-03']);
    expect(days('31W 5,6 *')).toEqual(['2026-05-29']);
    expect(days('* 8 1#2')).toEqual(['2026-08-10']);
    expect(days('* 8 5L')).toEqual(['2026-08-28']);
    expect(days('13 * fri')).toEqual(['2026-02-13', '2026-03-13', '2026-11-13']);
    expect(days('1-7 8 7')).toEqual(['2026-08-02']);
  });

  test('B2 every so many days counts on from the first, through months and leap years', () => {
    const schedule = scheduleFrom({ hours: [2], everyDays: 30 }, ms('2028-02-01T12:00Z'), 'Europe/Berlin');
    expect(schedule).toMatchObject({ zone: 'Europe/Berlin', days: { every: 30, from: '2028-02-01' } });
    // From the day of creation, whose hour has passed: the next cycle.
    expect(starts(schedule, '2028-02-01T12:00Z', '2028-05-30T00:00Z')).toEqual([
      '2028-03-02T01:00Z',
      '2028-04-01T00:00Z',
      '2028-05-01T00:00Z',
    ]);
    expect(starts(schedule, '2027-12-01T12:00Z', '2028-02-02T00:00Z')).toEqual(['2028-02-01T01:00Z']);
  });

  test('B2 the first run is on the day of creation unless the hour has passed', () => {
    const created = ms('2026-08-05T10:00Z');
    const schedule = scheduleFrom({ hours: [14, 2, 14], weekdays: [3, 3] }, created, 'UTC');
    expect(schedule).toEqual({ kind: 'hours', hours: [2, 14], days: { weekdays: [3] }, zone: 'UTC' });
    expect(nextStart(schedule, created)).toBe(ms('2026-08-05T14:00Z'));
    expect(nextStart(schedule, ms('2026-08-05T14:00Z'))).toBe(ms('2026-08-12T02:00Z'));
  });

  test('B2 a start at the lower end does not count, at the upper end it does; the earliest are returned', () => {
    const schedule = cron('0 2 * * *');
    expect(starts(schedule, '2026-08-05T02:00Z', '2026-08-06T02:00Z')).toEqual(['2026-08-06T02:00Z']);
    expect(startsBetween(schedule, ms('2026-08-05T00:00Z'), ms('2027-08-05T00:00Z'), 2)).toEqual([
      ms('2026-08-05T02:00Z'),
      ms('2026-08-06T02:00Z'),
    ]);
    expect(startsBetween(schedule, ms('2026-08-05T00:00Z'), ms('2026-08-05T00:00Z'), 9)).toEqual([]);
    expect(startsBetween(cron('* * * * *'), ms('2026-01-01T00:00Z'), ms('2027-01-01T00:00Z'), Number.POSITIVE_INFINITY)).toHaveLength(
      525_600,
    );
  });

  test('B2 what never comes within five years is null', () => {
    expect(nextStart(cron('0 0 L 2 1#1'), ms('2026-01-01T00:00Z'))).toBeNull();
    expect(nextStart(cron('0 0 29 2 *'), ms('2096-03-01T00:00Z'))).toBeNull();
    expect(nextStart(cron('0 0 29 2 *'), ms('2026-03-01T00:00Z'))).toBe(ms('2028-02-29T00:00Z'));
  });
});

describe('B2 what a schedule may be', () => {
  const from = (words: ScheduleWords) => scheduleFrom(words, ms('2026-08-05T10:00Z'), 'Europe/Berlin');

  test('B2 cron is in UTC, hours in the zone of the host, unless a zone is given', () => {
    expect(from({ cron: ' 0  2 * * MON-FRI ' })).toEqual({ kind: 'cron', expression: '0 2 * * MON-FRI', zone: 'UTC' });
    expect(from({ cron: '0 2 ? * 1', zone: 'asia/tokyo' })).toMatchObject({ zone: 'Asia/Tokyo' });
    expect(from({ hours: [23, 0], everyDays: 1 })).toEqual({
      kind: 'hours',
      hours: [0, 23],
      days: { every: 1, from: '2026-08-05' },
      zone: 'Europe/Berlin',
    });
    expect(from({ hours: [2], everyDays: 1, from: '2028-02-29', zone: 'UTC' })).toMatchObject({
      days: { from: '2028-02-29' },
      zone: 'UTC',
    });
  });

  test.each<[string, ScheduleWords]>([
    ['nothing', {}],
    ['both', { cron: '0 2 * * *', hours: [2] }],
    ['cron with weekdays', { cron: '0 2 * * *', weekdays: [1] }],
    ['cron with days', { cron: '0 2 * * *', everyDays: 1 }],
    ['six fields', { cron: '0 0 2 * * *' }],
    ['a nickname', { cron: '@daily' }],
    ['an empty expression', { cron: '' }],
    ['a minute too many', { cron: '60 2 * * *' }],
    ['a big range', { cron: '0-999999999 2 * * *' }],
    ['a star with a digit', { cron: '0 1* * * *' }],
    ['no step', { cron: '*/0 2 * * *' }],
    ['a day that never comes', { cron: '0 2 31 2 *' }],
    ['a tab', { cron: '0\t2 * * *' }],
    ['a line break', { cron: '0 2 * * *\n* * * * *' }],
    ['a long one', { cron: `${'1,'.repeat(200)}1 2 * * *` }],
    ['no hours', { hours: [], weekdays: [1] }],
    ['hour 24', { hours: [24], weekdays: [1] }],
    ['half an hour', { hours: [1.5], weekdays: [1] }],
    ['no days', { hours: [2] }],
    ['weekdays and every', { hours: [2], weekdays: [1], everyDays: 2 }],
    ['weekday 0', { hours: [2], weekdays: [0] }],
    ['no weekday', { hours: [2], weekdays: [] }],
    ['every 0', { hours: [2], everyDays: 0 }],
    ['every 31', { hours: [2], everyDays: 31 }],
    ['weekdays from a day', { hours: [2], weekdays: [1], from: '2026-08-05' }],
    ['30 February', { hours: [2], everyDays: 2, from: '2026-02-30' }],
    ['no date', { hours: [2], everyDays: 2, from: 'tomorrow' }],
  ])('B2 refused: %s', (_, words) => {
    expect(() => from(words)).toThrow(expect.objectContaining({ code: 'SCHEDULE_INVALID', message: expect.not.stringContaining('{') }));
  });

  test.each(['', 'Europe/Berlinn', 'local', '+02:00', '2026-08-05T00:00[Europe/Berlin]', '../etc/passwd'])(
    'B2 no time zone: %j',
    (zone) => {
      expect(() => from({ cron: '0 2 * * *', zone })).toThrow(expect.objectContaining({ code: 'TIME_ZONE_UNKNOWN' }));
      expect(() => windowFrom({ from: '22:00', to: '06:00', zone }, 'UTC')).toThrow(expect.objectContaining({ code: 'TIME_ZONE_UNKNOWN' }));
    },
  );

  test('B2 in words', () => {
    expect(scheduleText(from({ hours: [2, 14], weekdays: [1, 2, 3, 4, 5] }))).toBe(
      'at 02:00 and 14:00 on Monday to Friday (Europe/Berlin)',
    );
    expect(scheduleText(from({ hours: [2], weekdays: [1, 3, 6, 7] }))).toBe(
      'at 02:00 on Monday, Wednesday, Saturday and Sunday (Europe/Berlin)',
    );
    expect(scheduleText(from({ hours: [2], weekdays: [1, 2, 3, 4, 5, 6, 7] }))).toBe('at 02:00 every day (Europe/Berlin)');
    expect(scheduleText(from({ hours: [2], everyDays: 3 }))).toBe('at 02:00 every 3 days, counted from 2026-08-05 (Europe/Berlin)');
    expect(scheduleText(from({ cron: '5 2 * * *' }))).toBe('at 02:05 every day (UTC)');
    expect(scheduleText(from({ cron: '*/5 * L * *' }))).toBe('as cron says: */5 * L * * (UTC)');
  });
});

describe('B2 windows', () => {
  const end = (from: string, to: string, now: string, zone = 'Europe/Berlin') => {
    const time = windowEnd(windowFrom({ from, to, zone }, 'UTC'), ms(now));
    return time === null ? null : new Date(time).toISOString().replace(':00.000Z', 'Z');
  };

  test('B2 a window may pass midnight; its first instant is in it, its last is not', () => {
    expect(windowFrom({ from: '22:00', to: '06:00' }, 'Asia/Tokyo')).toEqual({ from: '22:00', to: '06:00', zone: 'Asia/Tokyo' });
    expect(end('22:00', '06:00', '2026-08-05T20:00Z')).toBe('2026-08-06T04:00Z');
    expect(end('22:00', '06:00', '2026-08-06T03:59Z')).toBe('2026-08-06T04:00Z');
    expect(end('22:00', '06:00', '2026-08-06T04:00Z')).toBeNull();
    expect(end('22:00', '06:00', '2026-08-05T19:59Z')).toBeNull();
    expect(end('09:00', '17:30', '2026-08-05T07:00Z')).toBe('2026-08-05T15:30Z');
    expect(end('00:00', '23:59', '2026-08-05T21:59Z')).toBeNull();
  });

  test('B2 a window in the nights of the changes', () => {
    expect(end('22:00', '06:00', '2026-03-28T22:00Z')).toBe('2026-03-29T04:00Z');
    expect(end('22:00', '06:00', '2026-10-24T22:00Z')).toBe('2026-10-25T05:00Z');
    // All of it in the gap: an hour from its end on, where a start of 02:15 is too.
    expect(end('02:00', '03:00', '2026-03-29T01:00Z')).toBe('2026-03-29T02:00Z');
    expect(end('02:00', '03:00', '2026-03-29T02:00Z')).toBeNull();
    // The hour that comes twice: from the first time to the end of the second, where the clock shows 03:00.
    expect(end('02:00', '03:00', '2026-10-25T00:00Z')).toBe('2026-10-25T02:00Z');
    expect(end('02:00', '02:30', '2026-10-25T01:10Z')).toBeNull();
  });

  test.each([
    ['22:00', '22:00'],
    ['24:00', '06:00'],
    ['9:00', '17:00'],
    ['09:00', '17:60'],
    ['', '06:00'],
  ])('B2 no window: %s-%s', (from, to) => {
    expect(() => windowFrom({ from, to }, 'UTC')).toThrow(expect.objectContaining({ code: 'WINDOW_INVALID' }));
  });
});
