// What does not stand in the way of an image, and what a restore of it should not come upon unprepared.
import type { Session } from './session.ts';

/** What an operator should know, a sentence each; all of it readable by any user. */
export async function warningsOf(
  session: Session,
  { standby, archive }: { readonly standby: boolean; readonly archive: string },
): Promise<readonly string[]> {
  const warnings: string[] = [];
  const [about] = await session.query(
    `SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,
       (SELECT failed_count > 0 AND last_failed_time > coalesce(last_archived_time, '-infinity') FROM pg_stat_archiver) AS broken,
       (SELECT last_failed_wal FROM pg_stat_archiver) AS segment,
       (SELECT string_agg(slot_name, ', ' ORDER BY slot_name) FROM pg_replication_slots WHERE slot_type = 'logical') AS logical,
       (SELECT string_agg(slot_name, ', ' ORDER BY slot_name) FROM pg_replication_slots WHERE slot_type = 'physical') AS physical`,
  );
  if (about?.['fsync'] === 'off') warnings.push('fsync is off: an image can hold later pages without the WAL that comes before them');
  if (about?.['pages'] === 'off') warnings.push('full_page_writes is off: pages that an image has half-written cannot be mended');
  if (archive !== 'off' && about?.['broken'] === true) {
    warnings.push(`archiving is broken since ${about['segment']}: the archive has not all WAL from this backup on`);
  }
  if (typeof about?.['logical'] === 'string') {
    warnings.push(`logical replication slots (${about['logical']}) come back where they were: their subscribers are further on then`);
  }
  if (typeof about?.['physical'] === 'string') {
    warnings.push(`replication slots (${about['physical']}) come back with a restore and keep WAL: drop them there`);
  }
  if (standby) warnings.push('this is a standby: what is restored from it follows the primary again unless standby.signal is removed');
  return warnings;
}
