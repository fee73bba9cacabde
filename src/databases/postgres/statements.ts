// The statements of a non-exclusive backup, by version. Names and columns: "Backup Control Functions" of PostgreSQL 9.6, 14 and 15.

export interface Commands {
  /** One row with `granted`. */
  readonly rights: string;
  /** What grants them. */
  readonly grant: string;
  /** One row with `busy`; undefined where there are no exclusive backups. */
  readonly exclusive: string | undefined;
  /** $1 is the label; one row with `lsn`. The checkpoint is made at once. */
  readonly start: string;
  /** In the same session; one row with `lsn`, `label`, `map`, the last two in base64. Does not wait for the archive: that may be for ever. */
  readonly stop: string;
  /** Sets the server's own limit of a held session: $1 milliseconds, $2 milliseconds for one statement. */
  readonly limit: string;
  /** Where only a session within a transaction has such a limit. */
  readonly begin: string | undefined;
}

/** `number` as in server_version_num; 90600 and later. */
export function commandsOf(number: number): Commands {
  const modern = number >= 150_000;
  const start = modern ? 'pg_backup_start(text, boolean)' : 'pg_start_backup(text, boolean, boolean)';
  const stop = modern ? 'pg_backup_stop(boolean)' : number < 100_000 ? 'pg_stop_backup(boolean)' : 'pg_stop_backup(boolean, boolean)';
  const stopCall = modern ? 'pg_backup_stop(false)' : number < 100_000 ? 'pg_stop_backup(false)' : 'pg_stop_backup(false, false)';
  const idle = number >= 140_000 ? 'idle_session_timeout' : 'idle_in_transaction_session_timeout';
  return {
    rights: `SELECT has_function_privilege('${start}', 'EXECUTE') AND has_function_privilege('${stop}', 'EXECUTE') AS granted`,
    grant: `GRANT EXECUTE ON FUNCTION ${start}, ${stop}`,
    exclusive: modern ? undefined : 'SELECT pg_is_in_backup() AS busy',
    start: `SELECT ${modern ? 'pg_backup_start($1, true)' : 'pg_start_backup($1, true, false)'}::text AS lsn`,
    stop: `SELECT lsn::text AS lsn, ${bytes('labelfile')} AS label, ${bytes('spcmapfile')} AS map FROM ${stopCall}`,
    limit: `SELECT set_config('${idle}', $1, false), set_config('statement_timeout', $2, false)`,
    begin: number >= 140_000 ? undefined : 'BEGIN',
  };
}

/** Both files byte for byte, as the server would write them. */
function bytes(column: string): string {
  return `translate(encode(convert_to(${column}, getdatabaseencoding()), 'base64'), E'\\n', '')`;
}
