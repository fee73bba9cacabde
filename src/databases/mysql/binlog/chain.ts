// The backed-up log files that lead on from a backup, in order, and what of each belongs to the way.
import { fail } from '../../../base/errors.ts';
import type { LogMark } from '../../../model/service.ts';
import type { RestoreRun } from '../../../ports/restorer.ts';
import { type EventHead, eventType, type LogLaw, passEvents } from './events.ts';
import { type GtidSet, holds, parseGtid, parseGtidSet } from './gtid.ts';
import { type LogFile, type Manifest, readLog, readManifest } from './manifest.ts';
import { listMoments, type Moments } from './moments.ts';
import { comparePlaces, parsePlace } from './place.ts';
import { type Ended, trackTransactions } from './transactions.ts';

/** One file of one record. */
export interface Part extends LogFile {
  readonly record: string;
  /** Where the record ends. */
  readonly mark: LogMark;
  /** Of the server's file: what lies before was there already. */
  readonly start: number;
  /** Transactions that were there already, where the log goes on at another server. */
  readonly known?: GtidSet;
}

export interface Chain {
  readonly engine: Manifest['engine'] | undefined;
  readonly moments: Moments;
  readonly parts: readonly Part[];
}

/** Throws REPO_… errors, DATABASE_UNKNOWN for a record that holds no log. */
export async function chainOf(run: RestoreRun, base: LogMark, logs: readonly string[]): Promise<Chain> {
  const manifests: Manifest[] = [];
  for (const record of logs) manifests.push(await readManifest(run, record));
  const moments = listMoments(base, manifests);
  let before = base;
  const parts = moments.chain.flatMap((index) => {
    const manifest = manifests[index]!;
    const steps = partsAfter(before, manifest, logs[index]!);
    before = manifest.until;
    return steps;
  });
  return { engine: manifests[0]?.engine, moments, parts };
}

function partsAfter(before: LogMark, { files, from, until: mark }: Manifest, record: string): Part[] {
  const place = parsePlace(before.place);
  const first = files[0] && { file: files[0].name, position: files[0].from };
  if (before.server === from.server && place && first && !Number.isNaN(comparePlaces(first, place))) {
    return files
      .filter(({ name, until }) => comparePlaces({ file: name, position: until }, place) > 0)
      .map((file) => ({ ...file, record, mark, start: file.name === place.file ? Math.max(file.from, place.position) : file.from }));
  }
  // Another server's files, or files of another name: of these, what was there already is known by its id.
  const known = parseGtidSet(before.gtid ?? '');
  return files.map((file) => ({ ...file, record, mark, start: file.from, known }));
}

export interface PartLaw {
  /** Whether to yield the bytes that begin a file. */
  readonly magic: boolean;
  /** Ends the log at this place of the server's file. */
  readonly stop?: number;
  /** Called with each event that is new, and the transaction that ends with it; true: nothing more is wanted. */
  readonly see?: (head: EventHead, ended: Ended | undefined, within: boolean) => boolean | undefined;
}

/** What of `part` is new, from transaction to transaction. Throws DATABASE_FAILED where what is stored is no log, or has no such place. */
export function newEvents(run: RestoreRun, part: Part, law: PartLaw): AsyncGenerator<Buffer> {
  const transactions = trackTransactions();
  let known = false;
  let before = false;
  const broken = (detail: string): never =>
    fail('DATABASE_FAILED', { database: `the log file ${part.name} of the backup ${part.record}`, what: 'be read', detail });
  const judge: LogLaw['judge'] = (head) => {
    if (law.stop !== undefined && head.start >= law.stop && head.end > head.start) return 'stop';
    const within = transactions.open() !== undefined;
    const ended = transactions.see(head);
    const open = transactions.open();
    if (head.start < part.start && head.type !== eventType.format) {
      if (head.end > part.start) broken(`${part.start} is no place between two events`);
      before = true;
      return 'drop';
    }
    if (before && within) broken(`${part.start} lies within a transaction`);
    before = false;
    if (!within) known = open?.gtid !== undefined && isKnown(part.known, open.gtid);
    if (known && (open ?? ended) !== undefined) return 'drop';
    return law.see?.(head, ended, open !== undefined) ? 'stop' : 'keep';
  };
  return passEvents(readLog(run, part.record, part.name), { start: part.from, magic: law.magic, judge, broken });
}

function isKnown(known: GtidSet | undefined, text: string): boolean {
  const gtid = parseGtid(text);
  return known !== undefined && gtid !== undefined && holds(known, gtid);
}
