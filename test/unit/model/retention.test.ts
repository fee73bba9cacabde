// B3: each article of the law of retention, and what a rule may be. The examples of the guide are in retention-guide.test.ts.
import { describe, expect, test } from 'vitest';
import { judgeRetention } from '../../../src/model/retention.ts';
import {
  type Retention,
  type RetentionWords,
  retentionFrom,
  retentionOf,
  retentionText,
  retentionWord,
} from '../../../src/model/retention-rule.ts';
import { at, backup, days, force, forEver, judge, kept, months, newest, zone } from './retention-bed.ts';

describe('B3 the law', () => {
  const three = [backup('2026-08-04T02:00', newest(1)), backup('2026-08-05T02:00', newest(1)), backup('2026-08-06T02:00', newest(1))];

  test('B3 a disabled policy expires nothing, nor the failed ones', () => {
    const failed = Array.from({ length: 12 }, (_, index) => backup(`2026-01-${10 + index}T02:00`, days(2), { state: 'error' }));
    const all = [...failed, ...three];
    expect(kept(all, force(newest(1), false), '2026-08-06T03:00')).toHaveLength(15);
    expect(judge(all, force(newest(1), false), '2026-08-06T03:00').every(({ reason }) => reason === 'the policy is disabled')).toBe(true);
  });

  test('B3 the newest Available and the newest application-consistent backup stay, unless the guide is followed to the letter', () => {
    const old = [
      backup('2026-01-01T02:00', days(2), { consistency: 'application' }),
      backup('2026-01-02T02:00', days(2), { consistency: 'application' }),
      backup('2026-01-03T02:00', days(2)),
      backup('2026-01-04T02:00', days(2)),
      backup('2026-01-05T02:00', days(2), { state: 'error' }),
    ];
    expect(kept(old, force(days(2)), '2026-08-01T00:00', { strictGuide: false })).toEqual(['2026-01-02T02:00', '2026-01-04T02:00']);
    expect(kept(old, force(days(2)), '2026-08-01T00:00')).toEqual([]);
    const verdicts = judge(old, force(days(2)), '2026-08-01T00:00', { strictGuide: false });
    expect(verdicts.filter(({ keep }) => keep).map(({ reason }) => reason)).toEqual([
      'it is the newest available backup of its plan',
      'it is the newest application-consistent backup of its plan',
    ]);
    // A manual one will do.
    const manual = backup('2026-01-06T02:00', null, { kind: 'manual', consistency: 'application' });
    expect(kept([...old, manual], force(days(2)), '2026-08-01T00:00', { strictGuide: false })).toEqual(['2026-01-06T02:00']);
  });

  test('B3 backups in use and those that something needs stay', () => {
    const states = (['creating', 'restoring', 'deleting'] as const).map((state, index) =>
      backup(`2026-01-0${1 + index}T02:00`, newest(1), { state }),
    );
    const needed = backup('2026-01-04T02:00', newest(1), { usedBy: 'the instance shop continues it' });
    const verdicts = judge([...states, needed, ...three], force(newest(1)), '2026-08-06T03:00');
    expect(verdicts.map(({ keep }) => keep)).toEqual([true, false, false, true, true, true, true]);
    expect(verdicts[3]?.reason).toBe('in use: the instance shop continues it');
    expect(verdicts[4]?.reason).toBe('in use: it is being deleted');
  });

  test('B3 only Available automatic backups count, permanent ones too', () => {
    const all = [
      ...three,
      backup('2026-08-07T02:00', forEver),
      backup('2026-08-08T02:00', null, { kind: 'manual' }),
      backup('2026-08-09T02:00', null, { kind: 'foreign' }),
      backup('2026-08-10T02:00', newest(1), { state: 'error' }),
      backup('2026-08-11T02:00', newest(1), { state: 'restoring' }),
      backup('2026-08-12T02:00', null),
    ];
    expect(kept(all, force(newest(3)), '2026-08-12T03:00').map((id) => id.slice(8, 10))).toEqual([
      '06',
      '07',
      '08',
      '09',
      '10',
      '11',
      '12',
    ]);
  });

  test('B3 failed automatic backups: the newest ten, and none for longer than a month', () => {
    const failed = Array.from({ length: 13 }, (_, index) => backup(`2026-01-${10 + index}T02:00`, newest(2), { state: 'error' }));
    for (const inForce of [force(newest(2)), force(forEver), { kind: 'removed' } as const]) {
      expect(kept(failed, inForce, '2026-01-23T00:00')).toEqual(failed.slice(3).map(({ id }) => id));
      expect(kept(failed, inForce, '2026-02-15T02:00')).toEqual(failed.slice(6).map(({ id }) => id));
      expect(kept(failed, inForce, '2026-02-15T01:59')).toEqual(failed.slice(5).map(({ id }) => id));
      expect(kept(failed, inForce, '2026-02-22T02:00')).toEqual([]);
    }
    expect(kept([backup('2026-01-01T02:00', null, { kind: 'manual', state: 'error' })], force(newest(2)), '2026-08-01T00:00')).toHaveLength(
      1,
    );
  });

  test.each([
    ['2026-01-31T02:00', months(1), '2026-02-28T02:00', zone],
    ['2028-01-31T02:00', months(1), '2028-02-29T02:00', zone],
    ['2028-02-29T02:00', months(12), '2029-02-28T02:00', zone],
    ['2026-08-31T02:00', months(6), '2027-02-28T02:00', zone],
    // 28 February at 02:30 and a month: not on the clock on 28 March 2027, so 03:30.
    ['2027-02-28T02:30', months(1), '2027-03-28T03:30', zone],
    // A day is 24 hours, a month is one of the calendar.
    ['2026-03-27T12:00', days(3), '2026-03-30T13:00', zone],
    ['2026-10-23T12:00', days(3), '2026-10-26T11:00', zone],
    ['2026-03-06T12:00', days(3), '2026-03-09T13:00', 'America/New_York'],
    ['2026-04-04T12:00', days(2), '2026-04-06T11:30', 'Australia/Lord_Howe'],
    ['2026-09-04T12:00', months(1), '2026-10-04T12:00', 'Australia/Lord_Howe'],
    ['2026-08-05T00:15', months(1), '2026-09-05T00:15', 'Asia/Kolkata'],
  ])('B3 what was made at %s and is kept for %j goes at %s (%s)', (made, rule, end, where) => {
    const one = { ...backup(made, rule), time: at(made, where) };
    const question = { backups: [one], inForce: force(forEver), zone: where, strictGuide: true };
    expect(judgeRetention({ ...question, now: at(end, where) - 1 })).toMatchObject([{ keep: true, expiresAt: at(end, where) }]);
    expect(judgeRetention({ ...question, now: at(end, where) })).toMatchObject([{ keep: false, expiresAt: at(end, where) }]);
  });

  test('B3 GFS: the newest of each of the last days, weeks, months and years that have one, and the last in any case', () => {
    const scheme: Retention = { kind: 'gfs', last: 2, daily: 3, weekly: 2, monthly: 3, yearly: 2 };
    const times = [
      '2024-12-30T02:00', // week 2025-W01, but the year is 2024
      '2025-06-30T02:00',
      '2026-05-31T14:00',
      '2026-06-30T02:00',
      '2026-07-31T02:00', // Friday of 2026-W31
      '2026-08-02T02:00', // Sunday of 2026-W31
      '2026-08-04T02:00',
      '2026-08-04T14:00',
      '2026-08-06T02:00', // Thursday of 2026-W32
      '2026-08-06T14:00',
    ];
    const verdicts = judge(
      times.map((time) => backup(time, scheme)),
      force(scheme),
      '2026-08-06T15:00',
    );
    expect(Object.fromEntries(verdicts.filter(({ keep }) => keep).map(({ id, reason }) => [id, reason]))).toEqual({
      '2026-08-06T14:00':
        'one of the last 2, the newest of the day 2026-08-06, the newest of the week 2026-W32, the newest of the month 2026-08, the newest of the year 2026',
      '2026-08-06T02:00': 'one of the last 2',
      '2026-08-04T14:00': 'the newest of the day 2026-08-04',
      '2026-08-02T02:00': 'the newest of the day 2026-08-02, the newest of the week 2026-W31',
      '2026-07-31T02:00': 'the newest of the month 2026-07',
      '2026-06-30T02:00': 'the newest of the month 2026-06',
      '2025-06-30T02:00': 'the newest of the year 2025',
    });
  });

  test('B3 GFS counts days in the zone: 23:30 in UTC is the next day in Berlin', () => {
    const scheme: Retention = { kind: 'gfs', last: 0, daily: 2, weekly: 0, monthly: 0, yearly: 0 };
    const made = ['2026-08-04T20:00Z', '2026-08-04T23:30Z', '2026-08-05T20:00Z'];
    const backups = made.map((id) => ({ ...backup('2026-08-04T00:00', scheme), id, time: Date.parse(id) }));
    const left = (where: string) => kept(backups, force(scheme), '2026-08-06T00:00', { zone: where });
    expect(left('Europe/Berlin')).toEqual(['2026-08-04T20:00Z', '2026-08-05T20:00Z']);
    expect(left('UTC')).toEqual(['2026-08-04T23:30Z', '2026-08-05T20:00Z']);
  });

  test('B3 reasons are words', () => {
    const verdicts = judge(
      [...three, backup('2026-08-01T02:00', days(30)), backup('2026-07-01T02:00', days(30)), backup('2026-06-01T02:00', null)],
      force(newest(3)),
      '2026-08-06T03:00',
    );
    expect(verdicts.map(({ reason }) => reason)).toEqual([
      'the 3 newest automatic backups are kept, this is the 1st',
      'the 3 newest automatic backups are kept, this is the 2nd',
      'the 3 newest automatic backups are kept, this is the 3rd',
      'the 3 newest automatic backups are kept, this is the 4th',
      'kept for 30 days: until 2026-07-31 02:00',
      'kept for ever',
    ]);
    expect(judge(three, force(days(2)), '2026-08-06T03:00')[0]?.reason).toBe(
      'made while the newest 1 were kept; the rule is "2 days" now: only deleted by hand',
    );
  });
});

describe('B3 rules', () => {
  test.each<[RetentionWords, Retention, string]>([
    [{ days: 2 }, days(2), '2 days'],
    [{ days: 99_998 }, days(99_998), '99998 days'],
    [{ days: 99_999 }, forEver, 'for ever'],
    [{ months: 1 }, months(1), '1 month'],
    [{ months: 12 }, months(12), '1 year'],
    [{ count: 2 }, newest(2), 'the newest 2'],
    [{ count: 99_999 }, newest(99_999), 'the newest 99999'],
    [{ permanent: true }, forEver, 'for ever'],
    [
      { daily: 7, weekly: 4, monthly: 12 },
      { kind: 'gfs', last: 0, daily: 7, weekly: 4, monthly: 12, yearly: 0 },
      '7 daily, 4 weekly, 12 monthly',
    ],
    [{ last: 3, yearly: 9999 }, { kind: 'gfs', last: 3, daily: 0, weekly: 0, monthly: 0, yearly: 9999 }, 'the last 3, 9999 yearly'],
  ])('B3 %j', (words, rule, text) => {
    expect(retentionFrom(words)).toEqual(rule);
    expect(retentionText(rule)).toBe(text);
    expect(retentionOf(retentionWord(rule))).toEqual(rule);
  });

  test.each<RetentionWords>([
    {},
    { days: 1 },
    { days: 0 },
    { days: -5 },
    { days: 100_000 },
    { days: 2.5 },
    { days: Number.NaN },
    { months: 2 },
    { months: 24 },
    { count: 1 },
    { count: 100_000 },
    { count: 7, days: 7 },
    { permanent: true, count: 7 },
    { count: 7, daily: 7 },
    { daily: 0, last: 0 },
    { daily: 10_000 },
    { weekly: -1, daily: 1 },
    { monthly: 1.5 },
  ])('B3 refused: %j', (words) => {
    expect(() => retentionFrom(words)).toThrow(
      expect.objectContaining({ code: 'RETENTION_INVALID', message: expect.not.stringContaining('{') }),
    );
  });
});
