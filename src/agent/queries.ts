// The filters that lists share.
import { failure } from '../base/errors.ts';
import { atLeast, atMost, contains, type Filter, type PageOptions, startsWith } from '../state/table.ts';

interface CommonQuery {
  readonly id?: string;
  readonly name?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

const day = 24 * 3600 * 1000;

/** `time` is the column that from and to look at. Throws USAGE for a date that is none. */
export function pageOptions(query: CommonQuery, time: string, more: readonly (Filter | undefined)[]): PageOptions {
  const filters = [
    query.id === undefined ? undefined : startsWith('id', query.id),
    query.name === undefined ? undefined : contains('name', query.name),
    query.from === undefined ? undefined : atLeast(time, momentOf(query.from, 'start')),
    query.to === undefined ? undefined : atMost(time, momentOf(query.to, 'end')),
    ...more,
  ].filter((filter) => filter !== undefined);
  return { filters, ...(query.limit !== undefined && { limit: query.limit }), ...(query.cursor !== undefined && { cursor: query.cursor }) };
}

/** A date alone means its first or its last millisecond, in the time zone of this host. */
export function momentOf(text: string, edge: 'start' | 'end'): number {
  if (/^\d{10,}$/.test(text)) return Number(text);
  const dateOnly = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const moment = Date.parse(dateOnly ? `${text}T00:00:00` : text);
  if (Number.isNaN(moment)) throw failure('USAGE', { detail: `${text} is no date (2026-01-31 or 2026-01-31T12:00:00Z)` });
  return dateOnly && edge === 'end' ? moment + day - 1 : moment;
}
