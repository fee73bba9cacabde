// Measured values over time, thinned out as they age. A value is kept once: fine while it is young, as part of an average later.
import type { Database, Values } from './database.ts';

export interface Sample {
  /** ms since the epoch: the beginning of its stretch. */
  readonly at: number;
  readonly mean: number;
  readonly peak: number;
}

export interface SampleQuery {
  /** `plan:<id>` or `vault:<id>`. */
  readonly subject: string;
  readonly metric: string;
  readonly from: number;
  readonly to: number;
}

export interface SampleTable {
  /** Values of the same 15 seconds become one. What is no number is left out. */
  add(subject: string, metric: string, at: number, value: number): void;
  /**
   * In order of time, at the finest resolution that there still is for all of the stretch, and coarser where that would be more than 2000.
   * Both ends are part of the stretch.
   */
  read(query: SampleQuery): readonly Sample[];
  /** Averages what has become old into coarser stretches and forgets what is older still. May be called at any time, any number of times. */
  thin(now: number): void;
}

const second = 1000;
const hour = 3600 * second;
const day = 24 * hour;

interface Resolution {
  /** ms */
  readonly step: number;
  /** ms after which it is averaged into the next one, or forgotten. */
  readonly keep: number;
}

const finest: Resolution = { step: 15 * second, keep: day };
const kept: readonly Resolution[] = [finest, { step: 300 * second, keep: 30 * day }, { step: hour, keep: 400 * day }];
/** Long stretches are told in steps that are not kept. */
const steps: readonly number[] = [...kept.map(({ step }) => step), 6 * hour, day];
const mostSamples = 2000;

/** Begins a stretch of the given length. Ages are cut at whole hours, so that none of the coarser stretches is ever averaged by halves. */
const floorTo = (at: number, step: number): number => Math.floor(at / step) * step;

export function createSampleTable(database: Database): SampleTable {
  return {
    add(subject, metric, at, value) {
      if (!Number.isFinite(value)) return;
      database.run(
        `INSERT INTO samples (subject, metric, resolution, at, mean, peak) VALUES (:subject, :metric, :resolution, :at, :value, :value)
         ON CONFLICT DO UPDATE SET mean = (mean + excluded.mean) / 2, peak = max(peak, excluded.peak)`,
        { subject, metric, resolution: finest.step, at: floorTo(at, finest.step), value },
      );
    },
    read(query) {
      const least = coarsestIn(database, query);
      let samples: Sample[] = [];
      for (const step of steps.filter((each) => each >= least)) {
        samples = readIn(database, query, step);
        if (samples.length <= mostSamples) return samples;
      }
      return samples.slice(-mostSamples);
    },
    thin(now) {
      database.transaction(() => {
        for (const { subject, metric, resolution, oldest } of allSeries(database)) {
          const at = kept.findIndex(({ step }) => step === resolution);
          const before = floorTo(now - (kept[at]?.keep ?? 0), hour);
          if (oldest >= before) continue;
          const values = { subject, metric, step: resolution, before };
          const next = kept[at + 1];
          if (next) average(database, { ...values, next: next.step });
          database.run(`DELETE FROM samples WHERE ${old}`, values);
        }
      });
    },
  };
}

const old = 'subject = :subject AND metric = :metric AND resolution = :step AND at < :before';

/** The step of the coarsest sample that the stretch touches. */
function coarsestIn(database: Database, query: SampleQuery): number {
  const touching = kept.filter(({ step }) =>
    database.get(
      `SELECT 1 FROM samples
       WHERE subject = :subject AND metric = :metric AND resolution = :step AND at > :from - :step AND at <= :to LIMIT 1`,
      { ...query, step },
    ),
  );
  return touching.at(-1)?.step ?? finest.step;
}

function readIn(database: Database, { from, ...query }: SampleQuery, step: number): Sample[] {
  return database
    .all(
      `SELECT at - at % :step AS at, avg(mean) AS mean, max(peak) AS peak FROM samples
       WHERE subject = :subject AND metric = :metric AND resolution IN (SELECT value FROM json_each(:resolutions))
         AND at >= :from AND at <= :to
       GROUP BY at - at % :step ORDER BY 1 LIMIT ${step === steps.at(-1) ? -1 : mostSamples + 1}`,
      { ...query, step, from: floorTo(from, step), resolutions: JSON.stringify(kept.map((each) => each.step)) },
    )
    .map((row) => ({ at: Number(row['at']), mean: Number(row['mean']), peak: Number(row['peak']) }));
}

interface Series {
  readonly subject: string;
  readonly metric: string;
  readonly resolution: number;
  readonly oldest: number;
}

/** A few looks at the index for each, instead of one at each row. Finer ones come first, so what they add to coarser ones is seen. */
function* allSeries(database: Database): Generator<Series> {
  const first = (where: string, values: Values) =>
    database.get(
      `SELECT subject, metric, resolution, at FROM samples WHERE ${where} ORDER BY subject, metric, resolution, at LIMIT 1`,
      values,
    );
  let row = first("subject > ''", {});
  while (row) {
    const subject = String(row['subject']);
    while (row) {
      const metric = String(row['metric']);
      while (row) {
        const resolution = Number(row['resolution']);
        yield { subject, metric, resolution, oldest: Number(row['at']) };
        row = first('subject = :subject AND metric = :metric AND resolution > :resolution', { subject, metric, resolution });
      }
      row = first('subject = :subject AND metric > :metric', { subject, metric });
    }
    row = first('subject > :subject', { subject });
  }
}

interface Aged {
  readonly subject: string;
  readonly metric: string;
  readonly step: number;
  readonly before: number;
  readonly next: number;
}

/** Mean of means, peak of peaks. What is there already came before the clock was put back. */
function average(database: Database, values: Aged): void {
  database.run(
    `INSERT INTO samples (subject, metric, resolution, at, mean, peak)
     SELECT subject, metric, :next, at - at % :next, avg(mean), max(peak) FROM samples WHERE ${old}
     GROUP BY subject, metric, at - at % :next
     ON CONFLICT DO UPDATE SET mean = (mean + excluded.mean) / 2, peak = max(peak, excluded.peak)`,
    { ...values },
  );
}
