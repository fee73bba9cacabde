// Rules that count backups: by quantity, and grandfather, father, son (GFS).
import type { Retention } from './retention-rule.ts';
import { at } from './wall-clock.ts';

export interface Judgement {
  readonly keep: boolean;
  readonly reason: string;
}

export const stays = (reason: string): Judgement => ({ keep: true, reason });
export const goes = (reason: string): Judgement => ({ keep: false, reason });

interface Counted {
  readonly id: string;
  /** ms since the epoch. */
  readonly time: number;
}

/** What the rule says of each of `backups` (newest first), by their IDs; undefined for a rule that does not count. */
export function countedBy(rule: Retention, backups: readonly Counted[], zone: string): ReadonlyMap<string, Judgement> | undefined {
  if (rule.kind === 'quantity') return new Map(backups.map(({ id }, index) => [id, byQuantity(rule.count, index + 1)]));
  if (rule.kind === 'gfs') return byScheme(rule, backups, zone);
  return undefined;
}

function byQuantity(count: number, position: number): Judgement {
  const law = count === 1 ? 'the newest automatic backup is kept' : `the ${count} newest automatic backups are kept`;
  return (position > count ? goes : stays)(`${law}, this is the ${ordinal(position)}`);
}

type Scheme = Extract<Retention, { kind: 'gfs' }>;

function byScheme(scheme: Scheme, backups: readonly Counted[], zone: string): ReadonlyMap<string, Judgement> {
  const roles = new Map(backups.map(({ id }, index) => [id, index < scheme.last ? [`one of the last ${scheme.last}`] : []]));
  const dated = backups.map(({ id, time }) => ({ id, date: at(time, zone).toPlainDate() }));
  for (const { name, count, periodOf } of periods(scheme)) {
    const seen = new Set<string>();
    for (const { id, date } of dated) {
      const period = periodOf(date);
      if (seen.has(period)) continue;
      if (seen.size === count) break;
      seen.add(period);
      roles.get(id)!.push(`the newest of the ${name} ${period}`);
    }
  }
  return new Map(
    [...roles].map(([id, held]) => [
      id,
      held.length > 0 ? stays(held.join(', ')) : goes('the scheme of days, weeks, months and years does not choose it'),
    ]),
  );
}

function periods({ daily, weekly, monthly, yearly }: Scheme) {
  return [
    { name: 'day', count: daily, periodOf: (date: Temporal.PlainDate) => date.toString() },
    {
      name: 'week',
      count: weekly,
      periodOf: (date: Temporal.PlainDate) => `${date.yearOfWeek}-W${String(date.weekOfYear).padStart(2, '0')}`,
    },
    { name: 'month', count: monthly, periodOf: (date: Temporal.PlainDate) => date.toPlainYearMonth().toString() },
    { name: 'year', count: yearly, periodOf: (date: Temporal.PlainDate) => String(date.year) },
  ];
}

/** 1st, 2nd, 3rd, 4th, 11th, 21st. */
export function ordinal(number: number): string {
  const ending = { one: 'st', two: 'nd', few: 'rd' }[plural.select(number) as 'one' | 'two' | 'few'] ?? 'th';
  return `${number}${ending}`;
}

const plural = new Intl.PluralRules('en', { type: 'ordinal' });
