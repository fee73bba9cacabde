// Databases and buckets: what of them is backed up, and where they go back to.
import type { Credentials, S3Place } from './pool.ts';

/**
 * How a server is reached: by its socket, else by host and port, else where its engine usually listens. In the agent's state `password` is
 * sealed; it is plain only in the spec that goes to a task.
 */
export interface ServerAddress {
  /** Absolute path; for PostgreSQL the directory of the socket. */
  readonly socket?: string;
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  /** A file of certificates (PEM) by which the server must prove itself; the line is encrypted then. */
  readonly ca?: string;
}

export interface TableName {
  readonly database: string;
  readonly table: string;
}

export interface MysqlSource {
  readonly kind: 'mysql';
  /**
   * `logical`: statements, a file a table. `physical`: the engine's own hot copy. `snapshot`: frozen, imaged, read from the image.
   * `incremental`: the binary log since the last backup of the plan `base`, or of this one.
   */
  readonly method: 'logical' | 'physical' | 'snapshot' | 'incremental';
  readonly server: ServerAddress;
  /** `logical`: these only; both empty: all. */
  readonly databases: readonly string[];
  readonly tables: readonly TableName[];
  /** `incremental`: id of the plan whose backups it continues. */
  readonly base?: string;
}

export interface PostgresSource {
  readonly kind: 'postgres';
  /** `incremental`: the write-ahead log since the last backup of the plan `base` (a physical one), or of this one. */
  readonly method: 'logical' | 'physical' | 'incremental';
  readonly server: ServerAddress;
  /** `logical`: these only; empty: all. */
  readonly databases: readonly string[];
  readonly base?: string;
}

export interface RedisSource {
  readonly kind: 'redis';
  readonly method: 'logical';
  readonly server: ServerAddress;
}

export interface BucketSource {
  readonly kind: 'bucket';
  readonly method: 'snapshot';
  /** What lies below its prefix. */
  readonly place: S3Place;
  /** Sealed JSON in the agent's state, as the password of a server is. */
  readonly credentials?: Credentials;
  /** Every version of every object, not only the newest. */
  readonly versions: boolean;
}

export type ServiceSource = MysqlSource | PostgresSource | RedisSource | BucketSource;

/** A place in a database's log: where a backup's state lies in it, and from where to where a backup of the log goes. */
export interface LogMark {
  /** The engine's own name of it: `bin.000004:1234`, or an LSN. */
  readonly place: string;
  /** MySQL: the executed set; MariaDB: the current position by domain. */
  readonly gtid?: string;
  /** ms since the epoch. */
  readonly at: number;
  /** Whose log it is: server_uuid, system identifier and time line, or the like. */
  readonly server: string;
}

/** A moment to go back to; one of three. */
export interface Until {
  /** ms since the epoch: all that was committed until then. */
  readonly time?: number;
  /** Up to and with this transaction. */
  readonly gtid?: string;
  /** Up to this place of the log, without what begins there. */
  readonly place?: string;
}

/** What is done with what is there already under the name. */
export type Existing = 'refuse' | 'replace';

/** Back into a running server. */
interface SqlTarget {
  readonly server: ServerAddress;
  /** These only; both empty: all that the backup has. */
  readonly databases: readonly string[];
  readonly tables: readonly TableName[];
  /** Database of the backup → its name at the server, where that is another. */
  readonly as: Readonly<Record<string, string>>;
  readonly existing: Existing;
}

export interface MysqlTarget extends SqlTarget {
  readonly kind: 'mysql';
}

export interface PostgresTarget extends SqlTarget {
  readonly kind: 'postgres';
}

export interface RedisTarget {
  readonly kind: 'redis';
  readonly server: ServerAddress;
  /** Keys that match this glob only (as KEYS has it); all if left out. */
  readonly pattern?: string;
  /** Of a key that is there already. */
  readonly existing: Existing;
}

export interface BucketTarget {
  readonly kind: 'bucket';
  readonly place: S3Place;
  readonly credentials?: Credentials;
  /** Keys of the backup that begin so; all if empty. */
  readonly include: readonly string[];
  readonly overwrite: 'always' | 'if-changed' | 'never';
}

export type Engine = 'mysql' | 'postgres' | 'redis';

/** A server of its own, started from the backup. */
export interface InstanceTarget {
  readonly kind: 'instance';
  readonly engine: Engine;
  /** As the backup was made. */
  readonly method: string;
  /** Absolute, new or empty. */
  readonly directory: string;
  readonly port: number;
  /** All that the logs hold if left out; nothing of them without `logs`. */
  readonly until?: Until;
  /** Records with the log since the backup, oldest first. */
  readonly logs: readonly string[];
}

export type ServiceTarget = MysqlTarget | PostgresTarget | RedisTarget | BucketTarget | InstanceTarget;

/** A server that was started from a backup and goes on when the task has ended. */
export interface Instance {
  readonly engine: Engine;
  readonly directory: string;
  readonly port: number;
  readonly socket?: string;
  readonly pid: number;
  /** How a client reaches it, for people. */
  readonly connect: string;
}
