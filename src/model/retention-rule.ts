// Rules of retention: what they are, and how they are written.
import { fail } from '../base/errors.ts';

export type Retention =
  /** 2 to 99998 days, or 1, 3, 6 or 12 calendar months. 99999 days are `permanent` (guide 13.5.4). */
  | { readonly kind: 'time'; readonly amount: number; readonly unit: 'days' | 'months' }
  /** The newest 2 to 99999. */
  | { readonly kind: 'quantity'; readonly count: number }
  | { readonly kind: 'permanent' }
  /** Grandfather, father, son: the newest of so many days, weeks (ISO), months and years that have one; and the last `last` in any case. */
  | {
      readonly kind: 'gfs';
      readonly last: number;
      readonly daily: number;
      readonly weekly: number;
      readonly monthly: number;
      readonly yearly: number;
    };

/** The rule as a word, for tags and exports: `30d`, `3m`, `7`, `permanent`, `gfs:3/7/4/12/2` (last, days, weeks, months, years). */
export function retentionWord(retention: Retention): string {
  if (retention.kind === 'time') return `${retention.amount}${retention.unit === 'days' ? 'd' : 'm'}`;
  if (retention.kind === 'quantity') return String(retention.count);
  if (retention.kind === 'permanent') return 'permanent';
  const { last, daily, weekly, monthly, yearly } = retention;
  return `gfs:${[last, daily, weekly, monthly, yearly].join('/')}`;
}

/** Reads retentionWord() back; undefined for anything else. */
export function retentionOf(word: string): Retention | undefined {
  if (word === 'permanent') return { kind: 'permanent' };
  const simple = /^([1-9]\d{0,4})([dm]?)$/.exec(word);
  if (simple) {
    const amount = Number(simple[1]);
    return simple[2] === '' ? { kind: 'quantity', count: amount } : { kind: 'time', amount, unit: simple[2] === 'd' ? 'days' : 'months' };
  }
  const scheme = /^gfs:(\d{1,5})\/(\d{1,5})\/(\d{1,5})\/(\d{1,5})\/(\d{1,5})$/.exec(word);
  if (!scheme) return undefined;
  const [last, daily, weekly, monthly, yearly] = scheme.slice(1).map(Number) as [number, number, number, number, number];
  return { kind: 'gfs', last, daily, weekly, monthly, yearly };
}

export interface RetentionWords {
  readonly days?: number;
  readonly months?: number;
  readonly count?: number;
  readonly permanent?: true;
  readonly last?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
  readonly yearly?: number;
}

/** Throws RETENTION_INVALID. */
export function retentionFrom(words: RetentionWords): Retention {
  const given = Object.entries(words).filter(([, value]) => value !== undefined);
  const retention = given.map(([name, value]) => (value === true ? name : `${name} ${value}`)).join(', ');
  const invalid = (detail: string): never => fail('RETENTION_INVALID', { retention, detail });
  const scheme = given.filter(([name]) => schemeWords.includes(name));
  const sorts = given.length - scheme.length + Math.min(scheme.length, 1);
  if (sorts !== 1) return invalid('give one of days, months, count, permanent, or a scheme of last, daily, weekly, monthly and yearly');
  const { days, months, count, permanent, last = 0, daily = 0, weekly = 0, monthly = 0, yearly = 0 } = words;
  if (permanent !== undefined) return { kind: 'permanent' };
  if (count !== undefined) return isWhole(count, 2, 99_999) ? { kind: 'quantity', count } : invalid('2 to 99999 backups can be kept');
  if (months !== undefined)
    return [1, 3, 6, 12].includes(months) ? { kind: 'time', amount: months, unit: 'months' } : invalid('months are 1, 3, 6 or 12');
  if (days === forEver) return { kind: 'permanent' };
  if (days !== undefined)
    return isWhole(days, 2, forEver) ? { kind: 'time', amount: days, unit: 'days' } : invalid('days are 2 to 99999 (99999: for ever)');
  const counts = [last, daily, weekly, monthly, yearly];
  if (!counts.every((value) => isWhole(value, 0, 9999))) return invalid('each number of a scheme is from 0 to 9999');
  return counts.some((value) => value > 0) ? { kind: 'gfs', last, daily, weekly, monthly, yearly } : invalid('it would keep nothing');
}

/** So many days are `permanent` (guide 13.5.4). */
const forEver = 99_999;

const schemeWords: readonly string[] = ['last', 'daily', 'weekly', 'monthly', 'yearly'];

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

/** For people: "the newest 7", "30 days", "for ever", "7 daily, 4 weekly, 12 monthly". */
export function retentionText(retention: Retention): string {
  if (retention.kind === 'permanent') return 'for ever';
  if (retention.kind === 'quantity') return `the newest ${retention.count}`;
  if (retention.kind === 'gfs') {
    const { last, daily, weekly, monthly, yearly } = retention;
    const parts = Object.entries({ daily, weekly, monthly, yearly }).filter(([, count]) => count > 0);
    return [...(last > 0 ? [`the last ${last}`] : []), ...parts.map(([name, count]) => `${count} ${name}`)].join(', ');
  }
  const { amount, unit } = retention;
  if (unit === 'months' && amount === 12) return '1 year';
  return `${amount} ${amount === 1 ? unit.slice(0, -1) : unit}`;
}
