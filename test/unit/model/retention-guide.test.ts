// B3: the guide's own examples (5.2, 5.7, 13.5.2) with its own dates.
import { describe, expect, test } from 'vitest';
import type { Kept } from '../../../src/model/retention.ts';
import type { Retention } from '../../../src/model/retention-rule.ts';
import { backup, days, force, forEver, kept, months, newest } from './retention-bed.ts';

describe.each([true, false])('B3 the examples of the guide, to the letter: %s', (strictGuide) => {
  /** A plan that is backed up every day at 02:00; after each backup the rule then in force is applied. Answers what is left at each of `looks`. */
  function live(rules: Readonly<Record<string, Retention | 'removed'>>, manual: readonly string[], looks: readonly string[]): string[][] {
    const first = Temporal.PlainDateTime.from(Object.keys(rules)[0]!);
    const last = Temporal.PlainDateTime.from(looks.at(-1)!);
    const nights: string[] = [];
    for (let day = first.toPlainDate().toPlainDateTime('02:00'); Temporal.PlainDateTime.compare(day, last) <= 0; day = day.add({ days: 1 }))
      if (Temporal.PlainDateTime.compare(day, first) > 0) nights.push(day.toString({ smallestUnit: 'minute' }));
    let left: Kept[] = [];
    let rule: Retention | 'removed' = 'removed';
    const seen: string[][] = [];
    // What happens at the same minute happens in this order: the rule changes, the backup is made, the operator looks.
    const moments = new Set([...Object.keys(rules), ...manual, ...nights, ...looks]);
    for (const moment of [...moments].toSorted()) {
      rule = rules[moment] ?? rule;
      if (manual.includes(moment)) left.push(backup(moment, null, { kind: 'manual' }));
      else if (nights.includes(moment) && rule !== 'removed') left.push(backup(moment, rule));
      if (nights.includes(moment) || manual.includes(moment)) {
        const stay = kept(left, rule === 'removed' ? { kind: 'removed' } : force(rule), moment, { strictGuide });
        left = left.filter(({ id }) => stay.includes(id));
      }
      if (looks.includes(moment)) seen.push(left.map(({ id }) => id.slice(5)));
    }
    return seen;
  }

  const nights = (month: string, from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `${month}-${String(from + index).padStart(2, '0')}T02:00`);

  test('B3 5.2: three kept from Monday on; on Saturday at 11:00 these are Thursday, Friday and Saturday', () => {
    // 3 August 2026 is a Monday.
    expect(live({ '2026-08-03T10:00': newest(3) }, [], ['2026-08-06T10:00', '2026-08-08T11:00'])).toEqual([
      nights('08', 4, 6),
      ['08-06T02:00', '08-07T02:00', '08-08T02:00'],
    ]);
  });

  test('B3 13.5.2 quantity: from three to one on Thursday, applied after the next backup', () => {
    const rules = { '2026-08-03T10:00': newest(3), '2026-08-06T10:00': newest(1) };
    expect(live(rules, [], ['2026-08-06T10:00', '2026-08-07T01:59', '2026-08-07T02:00'])).toEqual([
      nights('08', 4, 6),
      nights('08', 4, 6),
      ['08-07T02:00'],
    ]);
    // A manual backup applies it too, and is not affected by it.
    expect(live(rules, ['2026-08-06T15:00'], ['2026-08-06T15:00', '2026-08-07T02:00'])).toEqual([
      ['08-06T02:00', '08-06T15:00'],
      ['08-06T15:00', '08-07T02:00'],
    ]);
  });

  test('B3 13.5.2 quantity to time: the three of the old rule stay, the new ones go by the new rule', () => {
    const rules = { '2026-08-03T10:00': newest(3), '2026-08-06T10:00': months(1) };
    expect(live(rules, [], ['2026-08-07T02:00', '2026-09-07T02:00', '2026-12-24T10:00'])).toEqual([
      nights('08', 4, 7),
      [...nights('08', 4, 6), ...nights('08', 8, 31), ...nights('09', 1, 7)],
      [...nights('08', 4, 6), ...nights('11', 25, 30), ...nights('12', 1, 24)],
    ]);
    expect(live({ ...rules, '2026-08-06T10:00': forEver }, [], ['2026-12-24T10:00'])[0]).toHaveLength(143);
  });

  test('B3 13.5.2 time to time: 6 August goes on 6 September at 02:00, 9 August on 9 November', () => {
    const rules = { '2026-08-05T10:00': months(1), '2026-08-08T10:00': months(3) };
    const looks = ['2026-08-08T10:00', '2026-09-05T02:00', '2026-09-06T02:00', '2026-11-08T02:00', '2026-11-09T02:00'];
    const [first, before, after, late, end] = live(rules, [], looks);
    expect(first).toEqual(nights('08', 6, 8));
    expect(before?.[0]).toBe('08-06T02:00');
    expect(after?.[0]).toBe('08-07T02:00');
    expect(late?.[0]).toBe('08-09T02:00');
    expect(end?.[0]).toBe('08-10T02:00');
    expect(live({ ...rules, '2026-08-08T10:00': forEver }, [], ['2026-11-09T02:00'])[0]?.[0]).toBe('08-09T02:00');
  });

  test('B3 13.5.2 time to quantity: the new rule applied to old backups', () => {
    const rules = { '2026-08-05T10:00': months(1), '2026-08-08T10:00': newest(7) };
    expect(live(rules, [], ['2026-08-08T10:00', '2026-08-15T10:00'])).toEqual([nights('08', 6, 8), nights('08', 9, 15)]);
  });

  test('B3 13.5.2 time to quantity: the old rule applied to old backups', () => {
    const rules = { '2026-08-05T10:00': days(3), '2026-08-08T10:00': newest(7) };
    expect(live(rules, [], ['2026-08-08T10:00', '2026-08-10T10:00'])).toEqual([nights('08', 6, 8), nights('08', 8, 10)]);
  });

  test('B3 5.7: removed, what is kept by time still goes, what is kept by quantity does not', () => {
    const timed = { '2026-08-05T10:00': days(3), '2026-08-12T10:00': 'removed' as const };
    expect(live(timed, ['2026-08-12T12:00', '2026-08-14T12:00'], ['2026-08-12T12:00', '2026-08-14T12:00'])).toEqual([
      [...nights('08', 10, 12), '08-12T12:00'],
      ['08-12T02:00', '08-12T12:00', '08-14T12:00'],
    ]);
    const counted = { '2026-08-05T10:00': newest(3), '2026-08-12T10:00': 'removed' as const };
    expect(live(counted, ['2026-12-24T12:00'], ['2026-12-24T12:00'])).toEqual([[...nights('08', 10, 12), '12-24T12:00']]);
  });
});
