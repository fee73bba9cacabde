// Values as a person writes them; each parser throws USAGE_VALUE with the rule.
import { resolve } from 'node:path';
import { fail } from '../base/errors.ts';

const powers: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 };

function scaled(text: string, what: string, rule: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const value = match && Math.round(Number(match[1]) * 1024 ** (powers[(match[2] ?? '').toLowerCase()] ?? 0));
  if (value === null || !Number.isSafeInteger(value)) fail('USAGE_VALUE', { value: JSON.stringify(text), what, rule });
  return value;
}

/** `500K`, `20M`, `1.5G` to bytes a second; 0 for no limit. */
export function parseBandwidth(text: string): number {
  return scaled(text.replace(/\/s$/i, ''), 'bandwidth', 'bytes a second as a number with K, M or G (20M), or 0 for no limit');
}

/** `4096`, `10K`, `1.5G` to bytes. */
export function parseSize(text: string): number {
  return scaled(text, 'size', 'bytes as a number, with K, M, G or T if you like (10M)');
}

/** What a vault may hold, in GB; the agent would refuse it in the words of its schema. */
const capacities = { least: 10, most: 10_485_760 };

/** Whole GB, `500` or `2T`. */
export function parseCapacity(text: string): number {
  const match = /^(\d+)\s*(g|t)?b?$/i.exec(text.trim());
  const capacity = Number(match?.[1]) * (match?.[2]?.toLowerCase() === 't' ? 1024 : 1);
  if (!(capacity >= capacities.least && capacity <= capacities.most))
    fail('USAGE_VALUE', {
      value: JSON.stringify(text),
      what: 'capacity',
      rule: 'whole GB, 10 or more (500), or TB with a T (2T), up to 10240T',
    });
  return capacity;
}

export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) fail('USAGE_VALUE', { value: JSON.stringify(text), what: 'number', rule: 'a whole number' });
  return Number(text);
}

export function parsePercent(text: string): number {
  const value = Number(text.replace(/%$/, ''));
  if (text.trim() === '' || !(value >= 0 && value <= 100))
    fail('USAGE_VALUE', { value: JSON.stringify(text), what: 'percentage', rule: '0 to 100' });
  return value;
}

/** An option that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** As `collect`, for paths: relative ones are meant from here, and the agent runs elsewhere. */
export function collectPath(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), absolutePath(value)];
}

/** Throws USAGE_VALUE for the empty text, which would silently mean the working directory. */
export function absolutePath(path: string): string {
  if (path === '') fail('USAGE_VALUE', { value: '""', what: 'path', rule: 'a path' });
  return resolve(path);
}

/** `/dev/sdb=/dev/sdc`, collected: disk in the backup → device or image file. */
export function collectMapping(text: string, before: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  const split = text.indexOf('=');
  const [from, to] = [text.slice(0, split), text.slice(split + 1)];
  if (split < 1 || to === '')
    fail('USAGE_VALUE', { value: JSON.stringify(text), what: 'mapping', rule: 'DISK=TARGET, the disk as the backup names it' });
  if (before && from in before)
    fail('USAGE_VALUE', { value: JSON.stringify(text), what: 'mapping', rule: `one target for each disk; ${from} has one already` });
  return { ...before, [from]: absolutePath(to) };
}

/** `n/t` or `x%`, as `vault check --read-data-subset` takes it. */
export function parseSubset(text: string): string {
  const parts = /^(\d+)\/(\d+)$/.exec(text);
  const fits = parts ? Number(parts[1]) >= 1 && Number(parts[1]) <= Number(parts[2]) : /^\d+(\.\d+)?%$/.test(text);
  if (!fits)
    fail('USAGE_VALUE', {
      value: JSON.stringify(text),
      what: 'part of the data',
      rule: 'n/t (the n-th of t parts, 1/5) or a percentage (10%)',
    });
  return text;
}

/** A date, or a date with a time (in this host's zone unless it names one), to ms since the epoch. */
export function parseTime(text: string): number {
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text.length === 10 ? `${text}T00:00:00` : text.replace(' ', 'T')) : Number.NaN;
  if (Number.isNaN(time))
    fail('USAGE_VALUE', { value: JSON.stringify(text), what: 'time', rule: 'a date, or one with a time (2026-03-01T12:30:00Z)' });
  return time;
}
