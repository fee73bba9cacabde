// Which statements bring a server of this kind and version to a still point, and what they are worth.
import { isAtLeast, type Right, type Server } from './server.ts';

export interface Method {
  /** For the facts and the log. */
  readonly name: string;
  readonly lock: readonly string[];
  readonly release: readonly string[];
  /** Where the position of the binary log stands. */
  readonly position: 'SHOW MASTER STATUS' | 'log_status';
  /** Commits wait while it is held: the position is that of the data. */
  readonly commitsWait: boolean;
  /** It waits until every statement that runs has ended. */
  readonly waitsForAll: boolean;
  readonly rights: readonly Right[];
}

const reload: Right = { names: ['RELOAD'], what: 'lock tables for a backup' };
const sessions: Right = { names: ['PROCESS'], what: 'see what other sessions do' };
const backup: Right = { names: ['BACKUP_ADMIN'], what: 'lock the instance for a backup' };
const select: Right = { names: ['SELECT'], what: 'see every table and performance_schema' };
const binlog: Right = { names: ['REPLICATION CLIENT', 'BINLOG MONITOR', 'SUPER'], what: 'read the position of the binary log' };
const mariaBinlog: Right = { ...binlog, names: ['BINLOG MONITOR', 'REPLICATION CLIENT'] };

/** MySQL 8 has the instance lock; only there does it matter which engines hold tables. */
export const hasInstanceLock = (server: Server): boolean => server.kind === 'MySQL' && isAtLeast(server.version, '8.0.11');

/** What must be granted before the tables can be looked at. */
export const lookRights = (server: Server): readonly Right[] => (hasInstanceLock(server) ? [sessions, backup, select] : [sessions]);

/** Tables of users that neither roll back nor recover; engines that keep nothing on disk do not count. */
export const nonTransactionalTables = `SELECT COUNT(*) AS n FROM information_schema.TABLES t
  JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
  WHERE e.TRANSACTIONS <> 'YES' AND t.TABLE_TYPE = 'BASE TABLE'
  AND t.ENGINE NOT IN ('MEMORY', 'BLACKHOLE', 'FEDERATED', 'PERFORMANCE_SCHEMA')
  AND t.TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')`;

/** `nonTransactional`: how many tables of users are so; asked for only where hasInstanceLock. */
export function chooseMethod(server: Server, nonTransactional: number): Method {
  if (server.kind === 'MariaDB' && isAtLeast(server.version, '10.4.1')) return backupStages(server);
  if (!hasInstanceLock(server)) return readLock(server);
  return nonTransactional > 0 ? instanceAndReadLock : instanceLock;
}

/** FLUSH stops writes to MyISAM, non-transactional Aria, CSV; BLOCK_DDL waits for those under way; BLOCK_COMMIT stops all else and the binary log. */
function backupStages(server: Server): Method {
  return {
    name: 'BACKUP STAGE BLOCK_COMMIT',
    lock: ['BACKUP STAGE START', 'BACKUP STAGE FLUSH', 'BACKUP STAGE BLOCK_DDL', 'BACKUP STAGE BLOCK_COMMIT'],
    release: ['BACKUP STAGE END'],
    position: 'SHOW MASTER STATUS',
    commitsWait: true,
    waitsForAll: false,
    rights: [reload, sessions, ...(server.binaryLog ? [mariaBinlog] : [])],
  };
}

function readLock(server: Server): Method {
  return {
    name: 'FLUSH TABLES WITH READ LOCK',
    lock: ['FLUSH TABLES WITH READ LOCK'],
    release: ['UNLOCK TABLES'],
    position: 'SHOW MASTER STATUS',
    commitsWait: true,
    waitsForAll: true,
    rights: [reload, sessions, ...(server.binaryLog ? [binlog] : [])],
  };
}

/** Files are neither made nor removed; rows and commits go on, and recovery of one atomic snapshot sorts them out. */
const instanceLock: Method = {
  name: 'LOCK INSTANCE FOR BACKUP',
  lock: ['LOCK INSTANCE FOR BACKUP'],
  release: ['UNLOCK INSTANCE'],
  position: 'log_status',
  commitsWait: false,
  waitsForAll: false,
  rights: [backup, sessions, select],
};

const instanceAndReadLock: Method = {
  name: 'LOCK INSTANCE FOR BACKUP and FLUSH TABLES WITH READ LOCK',
  lock: ['LOCK INSTANCE FOR BACKUP', 'FLUSH TABLES WITH READ LOCK'],
  release: ['UNLOCK TABLES', 'UNLOCK INSTANCE'],
  position: 'log_status',
  commitsWait: true,
  waitsForAll: true,
  rights: [backup, sessions, select, reload],
};
