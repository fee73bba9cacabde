// The Transact-SQL of a snapshot backup. Source: "Create a Transact-SQL snapshot backup" and "sys.dm_server_suspend_status" of SQL Server 2022.

export const about = `SELECT CAST(SERVERPROPERTY('ProductMajorVersion') AS int) AS major, CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version,
  CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) AS edition, CAST(SERVERPROPERTY('IsClustered') AS int) AS clustered,
  CAST(SERVERPROPERTY('IsHadrEnabled') AS int) AS hadr`;

/** Databases of availability groups of which this server holds a secondary copy. */
export const secondaries = `SELECT DB_NAME(database_id) AS name FROM sys.dm_hadr_database_replica_states WHERE is_local = 1 AND is_primary_replica = 0`;

/** User databases that can be written to, with their files: those that a suspension must reach. */
export const databases = `SELECT d.database_id AS id, d.name AS name, f.physical_name AS path FROM sys.databases AS d
  JOIN sys.master_files AS f ON f.database_id = d.database_id
  WHERE d.database_id > 4 AND d.state = 0 AND d.is_read_only = 0 AND d.is_in_standby = 0 AND d.is_distributor = 0 AND d.source_database_id IS NULL
  ORDER BY d.database_id, f.file_id`;

/** Backups and restores that a suspension would have to wait for. */
export const backups = `SELECT session_id AS session, command, DB_NAME(database_id) AS name FROM sys.dm_exec_requests
  WHERE command LIKE 'BACKUP%' OR command LIKE 'RESTORE%'`;

export const status = `SELECT db_id AS id, db_name AS name, suspend_session_id AS session, suspend_time_ms AS ms, is_diff_map_cleared AS cleared,
  is_write_io_frozen AS frozen FROM sys.dm_server_suspend_status`;

export const self = 'SELECT @@SPID AS session';

export const off = 'ALTER SERVER CONFIGURATION SET SUSPEND_FOR_SNAPSHOT_BACKUP = OFF';

/**
 * Suspends all user databases and lets go by itself after `ms`: SQL Server has no idle limit for a session, so the batch goes on waiting.
 * COPY_ONLY, or the next differential backup of somebody else would have to read everything.
 */
export function on(ms: number): string {
  const limit = Math.max(1, Math.floor(ms));
  return `SET NOCOUNT ON;
SET LOCK_TIMEOUT ${limit};
DECLARE @end datetime2(3) = DATEADD(millisecond, ${limit}, SYSUTCDATETIME());
BEGIN TRY
  ALTER SERVER CONFIGURATION SET SUSPEND_FOR_SNAPSHOT_BACKUP = ON (MODE = COPY_ONLY);
END TRY
BEGIN CATCH
  THROW;
END CATCH;
DECLARE @left int = DATEDIFF(millisecond, SYSUTCDATETIME(), @end);
IF @left > 0
BEGIN
  DECLARE @wait varchar(12) = CAST(DATEADD(millisecond, @left, CAST('00:00' AS time(3))) AS varchar(12));
  WAITFOR DELAY @wait;
END;
${off};`;
}

/** Records the snapshot in msdb and in a file, and lets go. In the session that suspended. */
export function record(path: string): string {
  return `BACKUP SERVER TO DISK = N'${path.replaceAll("'", "''")}' WITH METADATA_ONLY, FORMAT`;
}

export function kill(session: number): string {
  return `KILL ${Math.trunc(session)}`;
}
