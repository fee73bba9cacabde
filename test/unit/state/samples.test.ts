import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Database, openDatabase } from '../../../src/state/database.ts';
import { createSampleTable, type Sample, type SampleTable } from '../../../src/state/samples.ts';

const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000];
const start = Date.UTC(2026, 2, 1);
let database: Database;
let samples: SampleTable;

beforeEach(() => {
  database = openDatabase(':memory:');
  samples = createSampleTable(database);
});
afterEach(() => database.close());

const rows = () => database.all('SELECT * FROM samples ORDER BY subject, metric, resolution, at').map((row) => ({ ...row }));
const read = (from: number, to: number, subject = 'plan:a') => samples.read({ subject, metric: 'cpu', from, to });

/** Stretches of `step`, from values or from finer stretches. */
function averaged(values: readonly Sample[], step: number): Sample[] {
  const stretches = new Map<number, Sample[]>();
  for (const value of values) {
    const at = value.at - (value.at % step);
    stretches.set(at, [...(stretches.get(at) ?? []), value]);
  }
  return [...stretches].map(([at, inside]) => ({
    at,
    mean: inside.reduce((sum, { mean }) => sum + mean, 0) / inside.length,
    peak: Math.max(...inside.map(({ peak }) => peak)),
  }));
}

function expectSamples(found: readonly Sample[], wanted: readonly Sample[]): void {
  expect(found.map(({ at, peak }) => ({ at, peak }))).toEqual(wanted.map(({ at, peak }) => ({ at, peak })));
  found.forEach((sample, i) => void expect(sample.mean).toBeCloseTo(wanted[i]!.mean, 6));
}

/** An hour of a backup every twelve hours, measured every 15 s: a course that no two stretches share. */
function run(from: number, to: number, thinEvery = 0): Sample[] {
  const all: Sample[] = [];
  for (let at = from; at < to; at += 15 * second) {
    if (at % (12 * hour) < hour) {
      const value = 50 + 40 * Math.sin(at / 7_000_000) + ((at / 15_000) % 7);
      samples.add('plan:a', 'cpu', at, value);
      samples.add('vault:b', 'vault_util', at, 1);
      all.push({ at, mean: value, peak: value });
    }
    if (thinEvery && at % thinEvery === 0) samples.thin(at);
  }
  return all;
}

it('M1 keeps 15 seconds for a day, 5 minutes for 30 days, hours for 400 days, as an oracle does', () => {
  const end = start + 60 * day;
  const all = run(start, end, hour);
  samples.thin(end);
  expectSamples(
    read(end - day, end),
    all.filter(({ at }) => at >= end - day),
  );
  const fives = averaged(all, 5 * minute);
  expectSamples(
    read(end - 10 * day, end),
    fives.filter(({ at }) => at >= end - 10 * day),
  );
  const hours = averaged(fives, hour);
  expectSamples(read(start, end), hours);
  expect(new Set(rows().map((row) => row['resolution']))).toEqual(new Set([15_000, 300_000, 3_600_000]));
  // Thinned every hour or once, by one process or by several: the same.
  const kept = rows();
  samples.thin(end);
  expect(rows()).toEqual(kept);
  database.run('DELETE FROM samples');
  run(start, end);
  samples.thin(end);
  samples = createSampleTable(database);
  samples.thin(end);
  expect(rows().length).toBe(kept.length);
  expectSamples(read(start, end), hours);
  samples.thin(end + 401 * day);
  expect(rows()).toEqual([]);
});

it('M1 tells no more than 2000 stretches, and never mixes two lengths', () => {
  const all = Array.from({ length: 5000 }, (_, i) => ({ at: start + i * 15 * second, mean: i, peak: i }));
  for (const { at, mean } of all) samples.add('plan:a', 'cpu', at, mean);
  expect(read(start, start + 1999 * 15 * second)).toHaveLength(2000);
  expectSamples(read(start, start + 2 * day), averaged(all, 5 * minute));
  // The first six hours have become old: all of a stretch with some of them is told in fives.
  samples.thin(start + day + 6 * hour + minute);
  const told = read(start + 5 * hour, start + 8 * hour);
  expect(told.every(({ at }, i) => at === start + 5 * hour + i * 5 * minute)).toBe(true);
  expect(read(start + 6 * hour, start + 8 * hour)).toHaveLength(481);
  expect(read(start + 6 * hour, start + 8 * hour, 'plan:b')).toEqual([]);
});

it('M1 survives clocks that jump, two values of one moment, and values that are none', () => {
  samples.add('plan:a', 'cpu', start + 3 * second, 10);
  samples.add('plan:a', 'cpu', start + 9 * second, 30);
  samples.add('plan:a', 'cpu', start + 20 * second, Number.NaN);
  expect(read(start, start + minute)).toEqual([{ at: start, mean: 20, peak: 30 }]);
  samples.thin(start + 2 * day); // the clock went ahead …
  samples.add('plan:a', 'cpu', start + 2 * day, 1);
  samples.add('plan:a', 'cpu', start + 30 * second, 40); // … and back
  expect(read(start, start + minute)).toEqual([{ at: start, mean: 30, peak: 40 }]);
  samples.thin(start + minute);
  expect(read(start + 2 * day, start + 2 * day)).toHaveLength(1);
  samples.thin(start + 2 * day);
  expect(read(start, start + minute)).toEqual([{ at: start, mean: 30, peak: 40 }]);
});
