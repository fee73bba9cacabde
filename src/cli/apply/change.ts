// What differs between what the agent has and what a file asks for, field by field, for programs and in words.
import { isDeepStrictEqual } from 'node:util';
import type { Retention } from '../../model/retention-rule.ts';
import { retentionText } from '../../model/retention-rule.ts';
import type { Schedule, Window } from '../../model/schedule.ts';
import { scheduleText } from '../../model/schedule-text.ts';
import { formatSize } from '../format.ts';

export interface Change {
  /** `capacityGb`, `source.excludes`. */
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** Of what `wish` names, what is not so; the rest of `before` is left alone. */
export function differences(before: object, wish: object, prefix = ''): readonly Change[] {
  const old = before as Readonly<Record<string, unknown>>;
  return Object.entries(wish).flatMap(([field, after]) =>
    after === undefined || isDeepStrictEqual(after, old[field]) ? [] : { field: `${prefix}${field}`, before: old[field] ?? null, after },
  );
}

/** The same where what `wish` does not name is to be gone. */
export function wholeDifferences(before: object, wish: object, prefix: string): readonly Change[] {
  const gone = Object.keys(before).filter((field) => !Object.hasOwn(wish, field));
  return [
    ...differences(before, wish, prefix),
    ...gone.map((field) => ({ field: `${prefix}${field}`, before: (before as Readonly<Record<string, unknown>>)[field], after: null })),
  ];
}

/** What to send so that the changes are made. */
export function bodyOf(changes: readonly Change[], prefix = ''): object {
  return Object.fromEntries(changes.map(({ field, after }) => [field.slice(prefix.length), after]));
}

/** A secret that is sent again; it is never shown. */
export const secretChange = (field: string, has: boolean, file: string): Change => ({
  field,
  before: has ? 'the one that is stored' : null,
  after: `the one in ${file}`,
});

type Words = (value: never) => string;

const rate = (value: number) => (value === 0 ? 'no limit' : `${formatSize(value)}/s`);
const minutes = (value: number) => `${value} minutes`;
const inWords: Readonly<Record<string, Words>> = {
  schedule: (value: Schedule) => scheduleText(value),
  retention: (value: Retention) => retentionText(value),
  fullEveryDays: (value: number) => `every ${value} days`,
  window: ({ from, to, zone }: Window) => `${from}-${to} (${zone})`,
  capacityGb: (value: number) => `${value} GB`,
  immutableDays: (value: number) => `${value} days`,
  bandwidth: rate,
  'limits.readBytesPerSecond': rate,
  'limits.cpuPercent': (value: number) => (value === 0 ? 'no limit' : `${value} %`),
  'consistency.freezeLimit': (value: number) => `${value} seconds`,
  maxAgeHours: (value: number) => `${value} hours`,
  spreadMinutes: minutes,
};

/** One side of a change, for people. */
export function sideText(field: string, value: unknown): string {
  if (value === null || value === undefined || value === '') return 'none';
  const words = inWords[field];
  if (words) return words(value as never);
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map((item) => sideText('', item)).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
