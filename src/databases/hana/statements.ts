// The statements of a data snapshot, on SYSTEMDB. Source: "BACKUP DATA CREATE SNAPSHOT / CLOSE SNAPSHOT" and the monitoring views of the SAP
// HANA SQL Reference Guide.

export const about = 'SELECT SYSTEM_ID AS SID, DATABASE_NAME AS NAME, VERSION FROM M_DATABASE';

export const hosts = 'SELECT COUNT(DISTINCT HOST) AS HOSTS FROM M_LANDSCAPE_HOST_CONFIGURATION';

/** What this system is in a system replication; no row where there is none. */
export const replication = `SELECT VALUE FROM M_INIFILE_CONTENTS WHERE FILE_NAME = 'global.ini' AND SECTION = 'system_replication' AND KEY = 'actual_mode'`;

/** Where data and log lie; the log area must not be restored from the snapshot. */
export const places = `SELECT KEY, VALUE FROM M_INIFILE_CONTENTS WHERE FILE_NAME = 'global.ini' AND SECTION = 'persistence'
  AND KEY IN ('basepath_datavolumes', 'basepath_logvolumes') AND VALUE NOT LIKE '$%'`;

/** The files of data, of every database of the system. */
export const volumes = `SELECT DISTINCT FILE_NAME AS PATH FROM SYS_DATABASES.M_VOLUME_FILES WHERE FILE_TYPE = 'DATA'`;

export const prepared = `SELECT TO_VARCHAR(BACKUP_ID) AS ID, COMMENT FROM M_BACKUP_CATALOG
  WHERE ENTRY_TYPE_NAME = 'data snapshot' AND STATE_NAME = 'prepared'`;

/** Log backups run all the time and are in nobody's way. */
export const running = `SELECT ENTRY_TYPE_NAME AS TYPE FROM M_BACKUP_CATALOG WHERE STATE_NAME = 'running' AND ENTRY_TYPE_NAME <> 'log backup'`;

export const self = 'SELECT TO_VARCHAR(CURRENT_CONNECTION) AS ID FROM DUMMY';

export function create(comment: string): string {
  return `BACKUP DATA FOR FULL SYSTEM CREATE SNAPSHOT COMMENT ${quoted(comment)}`;
}

export function state(id: string): string {
  return `SELECT STATE_NAME AS STATE FROM M_BACKUP_CATALOG WHERE ENTRY_TYPE_NAME = 'data snapshot' AND BACKUP_ID = ${digits(id)}`;
}

/**
 * As one that was given up, always: HANA may count it as a backup only once the image is stored, and the thaw comes before that. What the image
 * holds can be recovered all the same.
 */
export function close(id: string): string {
  return `BACKUP DATA FOR FULL SYSTEM CLOSE SNAPSHOT BACKUP_ID ${digits(id)} UNSUCCESSFUL ${quoted('released by stillpoint')}`;
}

/** Rows while a connection executes something, or while the system itself still makes a snapshot for one that has left. */
export function busy(connection: string): string {
  return `SELECT TO_VARCHAR(CONNECTION_ID) AS ID FROM M_CONNECTIONS WHERE CONNECTION_ID = ${digits(connection)} AND CONNECTION_STATUS = 'RUNNING'
  UNION ALL SELECT TO_VARCHAR(BACKUP_ID) AS ID FROM M_BACKUP_CATALOG WHERE ENTRY_TYPE_NAME = 'data snapshot' AND STATE_NAME = 'running'`;
}

export function disconnect(connection: string): string {
  return `ALTER SYSTEM DISCONNECT SESSION '${digits(connection)}'`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Ids come from the server, and still go into no statement unseen. */
function digits(id: string): string {
  if (!/^\d{1,20}$/.test(id)) throw new Error(`SAP HANA gave an id that is no number: ${id}`);
  return id;
}
