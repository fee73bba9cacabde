// Moments to go back to: which can be reached, and how the recovery is told.
import { fail, failure } from '../../../base/errors.ts';
import type { LogMark, Until } from '../../../model/service.ts';
import type { RestorableBackup } from '../../../ports/restorer.ts';
import { database } from '../failures.ts';
import { lsnOf } from '../lsn.ts';

/** Throws USAGE, LOG_GAP where a log does not follow upon what is before it, POINT_UNREACHABLE. */
export function needReachable(base: RestorableBackup, logs: readonly RestorableBackup[], until: Until | undefined): void {
  const first = base.tags.logUntil;
  if (until?.gtid !== undefined)
    fail('USAGE', { detail: 'PostgreSQL has no transactions to be named so: name a time or a place (an LSN)' });
  if (logs.length === 0 && until === undefined) return;
  const begin = first ?? fail('LOG_GAP', { database, detail: `the backup ${base.record} does not say where it lies in the log` });
  let end: LogMark = begin;
  for (const { record, tags } of logs) {
    const { logFrom, logUntil } = tags;
    if (!logFrom || !logUntil) throw failure('LOG_GAP', { database, detail: `${record} is no backup of a log` });
    if (logFrom.server !== begin.server) fail('LOG_GAP', { database, detail: `${record} is the log of another cluster or time line` });
    if (place(logFrom) > place(end))
      fail('LOG_GAP', { database, detail: `between ${end.place} and ${logFrom.place}, where ${record} begins` });
    if (place(logUntil) > place(end)) end = logUntil;
  }
  if (until !== undefined) needBetween(base.record, begin, end, until);
}

const place = ({ place }: LogMark): bigint => lsnOf(place) ?? fail('LOG_GAP', { database, detail: `${place} is no place in a log` });

function needBetween(id: string, begin: LogMark, end: LogMark, { time, place: wanted }: Until): void {
  if (time !== undefined) {
    const unreachable = (detail: string) => fail('POINT_UNREACHABLE', { point: iso(time), detail, id });
    if (!Number.isFinite(time)) fail('USAGE', { detail: 'the time is no number' });
    if (time < begin.at) unreachable(`this backup ends at ${iso(begin.at)}; take an earlier one`);
    if (time > end.at) unreachable(`the log that was given ends at ${iso(end.at)}`);
  }
  if (wanted !== undefined) {
    const lsn = lsnOf(wanted) ?? fail('USAGE', { detail: `${wanted} is no place in the log of PostgreSQL: 16/B374D848` });
    const unreachable = (detail: string) => fail('POINT_UNREACHABLE', { point: wanted, detail, id });
    if (lsn < place(begin)) unreachable(`this backup ends at ${begin.place}; take an earlier one`);
    if (lsn > place(end)) unreachable(`the log that was given ends at ${end.place}`);
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** From `../wal`, seen from the data directory in which the server runs the command. */
export function recoverySettings(until: Until | undefined): Readonly<Record<string, string>> {
  const { time, place } = until ?? {};
  return {
    restore_command: 'cp ../wal/%f %p',
    recovery_target_timeline: 'current',
    recovery_target_action: 'promote',
    ...(time !== undefined && { recovery_target_time: iso(time).replace('Z', '+00') }),
    ...(place !== undefined && { recovery_target_lsn: place, recovery_target_inclusive: 'off' }),
  };
}
