// Which moments a backup and the logs after it reach.
import type { LogMark } from '../../../model/service.ts';
import { covers, type GtidSet, parseGtidSet } from './gtid.ts';
import { comparePlaces, filesBetween, parsePlace, placeText } from './place.ts';

export interface LogRange {
  readonly from: LogMark;
  readonly until: LogMark;
}

export interface Moments {
  /** The first moment: the backup's own. */
  readonly from: LogMark;
  /** The last one; the same as `from` where no log goes on from there. */
  readonly until: LogMark;
  /** Which of the logs lead there, in order: places in what was given. Others were before the backup, or come after a gap. */
  readonly chain: readonly number[];
  /** Why it goes no further, where there are more logs. */
  readonly gap?: string;
}

/** `logs`: oldest first. */
export function listMoments(base: LogMark, logs: readonly LogRange[]): Moments {
  let until = base;
  const chain: number[] = [];
  for (const [index, log] of logs.entries()) {
    const step = stepOf(until, log);
    if (step.kind === 'gap') return { from: base, until, chain, gap: step.detail };
    if (step.kind === 'old') continue;
    chain.push(index);
    // What has nothing new may still know a later moment.
    until = { ...log.until, at: Math.max(until.at, log.until.at) };
  }
  return { from: base, until, chain };
}

type Step = { readonly kind: 'next' | 'old' } | { readonly kind: 'gap'; readonly detail: string };

/** Whether `log` goes on from `mark`. */
export function stepOf(mark: LogMark, log: LogRange): Step {
  return mark.server === log.from.server ? byPlace(mark, log) : byGtid(mark, log);
}

function byPlace(mark: LogMark, log: LogRange): Step {
  const [at, from, until] = [mark, log.from, log.until].map(({ place }) => parsePlace(place));
  if (!at || !from || !until) return { kind: 'gap', detail: `${mark.place} is no place in a binary log` };
  const ahead = comparePlaces(from, at);
  if (Number.isNaN(ahead)) return byGtid(mark, log);
  if (ahead > 0) {
    const files = from.file === at.file ? at.file : filesBetween(at.file, from.file);
    return { kind: 'gap', detail: `what lies between ${placeText(at)} and ${placeText(from)} is in no backup (${files})` };
  }
  const end = comparePlaces(until, at);
  return { kind: end > 0 || (end === 0 && log.until.at > mark.at && ahead === 0) ? 'next' : 'old' };
}

/** Another server, or another name of its logs. */
function byGtid(mark: LogMark, log: LogRange): Step {
  const [at, from, until] = [setOf(mark), setOf(log.from), setOf(log.until)];
  if (!at || !from || !until) {
    return { kind: 'gap', detail: `the log went on at another server (${log.from.server}) and not all of it has global transaction ids` };
  }
  if (!covers(at, from)) {
    return { kind: 'gap', detail: `what came after ${mark.gtid} and before ${log.from.gtid} is in no backup` };
  }
  return { kind: covers(at, until) ? 'old' : 'next' };
}

function setOf({ gtid }: LogMark): GtidSet | undefined {
  try {
    return gtid === undefined ? undefined : parseGtidSet(gtid);
  } catch {
    return undefined;
  }
}
