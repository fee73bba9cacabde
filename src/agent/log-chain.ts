// Which backups of a log belong to which backup of a database.
import { listMoments } from '../databases/mysql/binlog/moments.ts';
import type { Plan } from '../model/plan.ts';
import type { LogMark } from '../model/service.ts';
import { parseTags } from '../repository/record-tags.ts';
import type { BackupRow } from '../state/backups.ts';
import { equals, oneOf } from '../state/table.ts';
import type { AgentContext } from './context.ts';

type State = AgentContext['state'];

export interface LogBackup {
  readonly row: BackupRow;
  readonly from: LogMark;
  readonly until: LogMark;
}

/** Where the state that the backup holds lies in its server's log. */
const markOf = (row: BackupRow): LogMark | undefined => parseTags(row.tags).logUntil;

const usable = oneOf('state', ['available', 'restoring']);

/** The backups of the log that begin at or after the backup, or hold its place, oldest first. */
function logsSince(state: State, backup: BackupRow): readonly LogBackup[] {
  const mark = markOf(backup);
  if (!mark || backup.planId === null) return [];
  const plans = state.plans.where([]).filter(({ source }) => 'base' in source && source.base === backup.planId);
  const rows = plans.flatMap(({ id }) => state.backups.where([equals('plan_id', id), equals('vault_id', backup.vaultId), usable]));
  return rows
    .flatMap((row) => {
      const { logFrom: from, logUntil: until } = parseTags(row.tags);
      return from && until && until.at >= mark.at ? [{ row, from, until }] : [];
    })
    .sort((a, b) => a.from.at - b.from.at || a.until.at - b.until.at);
}

export interface Moments {
  readonly from: LogMark;
  /** The last one that can be reached. */
  readonly until: LogMark;
  readonly logs: readonly LogBackup[];
  /** Why it goes no further, where there are more logs. */
  readonly gap?: string;
}

/** What point-in-time recovery can reach from the backup; undefined where it has no place in a log. */
export function momentsOf(state: State, backup: BackupRow): Moments | undefined {
  const from = markOf(backup);
  if (!from) return undefined;
  const logs = logsSince(state, backup);
  const { chain, ...moments } = backup.source === 'mysql' ? listMoments(from, logs) : sameThread(from, logs);
  return { ...moments, logs: chain.map((index) => logs[index]!) };
}

/** Each goes on where the one before ended. */
function sameThread(from: LogMark, logs: readonly LogBackup[]): ReturnType<typeof listMoments> {
  let until = from;
  const chain: number[] = [];
  for (const [index, log] of logs.entries()) {
    const next = chain.length === 0 ? log.from.at <= from.at : log.from.place === until.place;
    if (!next || log.from.server !== from.server)
      return { from, until, chain, gap: `what lies between ${until.place} and ${log.from.place} is in no backup` };
    chain.push(index);
    until = log.until;
  }
  return { from, until, chain };
}

/**
 * Where a backup of the log goes on: where the plan's last one ended. After a gap, and at the very beginning, where the newest backup of the
 * base plan lies in the log.
 */
export function logEnd(state: State, planId: string, base: string): LogMark | undefined {
  const newest = (plan: string) =>
    state.backups
      .where([equals('plan_id', plan), usable], 'time DESC', 20)
      .map((row) => ({ row, mark: markOf(row) }))
      .find(({ mark }) => mark !== undefined);
  const own = newest(planId);
  const from = newest(base);
  if (!own || !from) return own?.mark ?? from?.mark;
  const last = state.tasks.where([equals('plan_id', planId), equals('type', 'backup')], 'created_at DESC, rowid DESC', 5);
  const gap = last.find(({ state: how }) => how !== 'queued' && how !== 'running')?.problem?.code === 'LOG_GAP';
  return gap && from.row.time > own.row.time ? from.mark : own.mark;
}

/** Backups of the plan without which kept backups of the log would lead nowhere, each with who needs it. */
export function basesInUse(state: State, { id }: Plan): Map<string, string> {
  const used = new Map<string, string>();
  const followers = state.plans.where([]).filter(({ source }) => 'base' in source && source.base === id);
  if (followers.length === 0) return used;
  const bases = state.backups.where([equals('plan_id', id), usable], 'time DESC').flatMap((row) => {
    const mark = markOf(row);
    return mark ? [{ row, mark }] : [];
  });
  for (const follower of followers) {
    const oldest = state.backups.where([equals('plan_id', follower.id), usable], 'time', 1)[0];
    const { logFrom, logUntil } = oldest ? parseTags(oldest.tags) : {};
    if (!logFrom || !logUntil) continue;
    const base = bases.find(({ mark }) => mark.at <= logFrom.at) ?? bases.find(({ mark }) => mark.at <= logUntil.at);
    if (base) used.set(base.row.id, `the logs of the plan ${follower.name} begin at it`);
  }
  return used;
}
