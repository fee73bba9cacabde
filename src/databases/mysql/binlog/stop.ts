// Where in the log the wanted moment is, found by reading the log before anything is applied.
import { failure } from '../../../base/errors.ts';
import type { LogMark, Until } from '../../../model/service.ts';
import type { RestoreRun } from '../../../ports/restorer.ts';
import { type Chain, newEvents, type Part } from './chain.ts';
import type { EventHead } from './events.ts';
import { type Gtid, holds, parseGtid, parseGtidSet } from './gtid.ts';
import { comparePlaces, parsePlace, placeText } from './place.ts';
import type { Ended } from './transactions.ts';

/** The log is applied up to `position` of this part, without what begins there. */
export interface Stop {
  readonly part: number;
  readonly position: number;
}

const nothing: Stop = { part: 0, position: 0 };

interface Search {
  readonly run: RestoreRun;
  readonly chain: Chain;
  readonly base: LogMark;
  readonly unreachable: (detail: string) => Error;
}

/** Undefined: all that the logs have. Throws POINT_UNREACHABLE, LOG_GAP. */
export async function findStop(run: RestoreRun, chain: Chain, base: LogMark, until: Until = {}): Promise<Stop | undefined> {
  const { gap } = chain.moments;
  const point = until.gtid ?? until.place ?? (until.time === undefined ? 'the end of the logs' : momentText(until.time));
  const unreachable = (detail: string) =>
    failure('POINT_UNREACHABLE', { point, detail: gap === undefined ? detail : `${detail}; ${gap}`, id: run.backup.record });
  const search: Search = { run, chain, base, unreachable };
  if (until.gtid !== undefined) return findGtid(search, until.gtid);
  if (until.place !== undefined) return findPlace(search, until.place);
  if (until.time !== undefined) return findTime(search, until.time);
  if (gap !== undefined) throw failure('LOG_GAP', { database: 'the backed-up log', detail: gap });
  return undefined;
}

const momentText = (time: number): string => new Date(time).toISOString();

/** Events know whole seconds: all of the second in which `time` lies is wanted. */
async function findTime({ run, chain, base, unreachable }: Search, time: number): Promise<Stop | undefined> {
  const { moments, parts } = chain;
  const second = Math.floor(time / 1000);
  if (second < Math.floor(base.at / 1000)) throw unreachable(`the backup itself is of ${momentText(base.at)}`);
  const atBase = moments.chain.length === 0 && second === Math.floor(base.at / 1000);
  if (second * 1000 + 999 > moments.until.at && !atBase) throw unreachable(`the logs reach until ${momentText(moments.until.at)}`);
  // A record holds nothing of a second after that in which it was made, which is the one after its mark's.
  return scan(
    run,
    parts,
    (part) => part.mark.at + 1000 > time,
    (_, ended) => (ended && ended.time > second ? ended.start : undefined),
  );
}

async function findGtid({ run, chain, base, unreachable }: Search, text: string): Promise<Stop> {
  const gtid = parseGtid(text);
  if (!gtid) throw unreachable('it is no global transaction id');
  if (has(base, gtid)) {
    if ((base.gtid ?? '').split(',').some((one) => isSame(parseGtid(one), gtid))) return nothing;
    throw unreachable(`the backup itself has it already, for it goes to ${base.gtid}`);
  }
  const { until } = chain.moments;
  if (until.gtid !== undefined && !has(until, gtid)) throw unreachable(`the logs reach until ${until.gtid || until.place}`);
  const found = await scan(
    run,
    chain.parts,
    ({ mark }) => mark.gtid === undefined || has(mark, gtid),
    (_, ended) => (ended && isSame(parseGtid(ended.gtid ?? ''), gtid) ? ended.end : undefined),
  );
  if (!found) throw unreachable('the logs have no such transaction');
  return found;
}

const has = ({ gtid = '' }: LogMark, one: Gtid): boolean => holds(parseGtidSet(gtid), one);

const isSame = (a: Gtid | undefined, b: Gtid): boolean => a?.of === b.of && a.number === b.number && a.server === b.server;

async function findPlace({ run, chain, base, unreachable }: Search, text: string): Promise<Stop> {
  const place = parsePlace(text);
  if (!place) throw unreachable('it is no place in a binary log, such as bin.000004:1234');
  if (text === base.place) return nothing;
  const { parts, moments } = chain;
  const holders = parts.filter(({ name, start, until }) => name === place.file && start <= place.position && place.position <= until);
  const [holder] = holders;
  if (!holder) {
    const at = parsePlace(base.place);
    const before = at && comparePlaces(place, at) < 0;
    throw unreachable(before ? `the backup itself is of ${base.place}` : `the logs go from ${base.place} to ${moments.until.place}`);
  }
  if (holders.some(({ mark }) => mark.server !== holder.mark.server))
    throw unreachable('two servers had that place; name the transaction instead');
  const part = parts.indexOf(holder);
  let last = holder.start;
  const found = await scan(
    run,
    [holder],
    () => true,
    (head, _, within) => {
      if (!within && head.end <= place.position) last = head.end;
      return !within && head.end >= place.position ? head.end : undefined;
    },
  );
  if (last !== place.position || (!found && place.position !== holder.until))
    throw unreachable(`it lies within a transaction; the last place before it is ${placeText({ ...place, position: last })}`);
  return { part, position: place.position };
}

/** The first position that `wanted` gives, in the parts that are `worth` it. */
async function scan(
  run: RestoreRun,
  parts: readonly Part[],
  worth: (part: Part) => boolean,
  wanted: (head: EventHead, ended: Ended | undefined, within: boolean) => number | undefined,
): Promise<Stop | undefined> {
  for (const [index, part] of parts.entries()) {
    if (!worth(part)) continue;
    let position: number | undefined;
    const see = (head: EventHead, ended: Ended | undefined, within: boolean): boolean => {
      position = wanted(head, ended, within);
      return position !== undefined;
    };
    for await (const _ of newEvents(run, part, { magic: false, see })) run.signal.throwIfAborted();
    if (position !== undefined) return { part: index, position };
  }
  return undefined;
}
