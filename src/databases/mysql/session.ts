// One connection to the server, known by the id that the server gave it. No wait on it is without a limit.
import { isIP } from 'node:net';
import { type Connection, createConnection, type QueryError } from 'mysql2';
import { failure, type StillpointError } from '../../base/errors.ts';
import { certificates, type Row, unproven } from '../sessions.ts';
import { addressText, type MysqlSettings } from './settings.ts';

export type { Row } from '../sessions.ts';
/** Sends one statement and gives its rows, none where it has none. */
export type Ask = (sql: string) => Promise<readonly Row[]>;

export interface Session {
  /** CONNECTION_ID() at the server. */
  readonly id: number;
  /** Throws the server's error, or OutOfTime after `limit` ms: the statement may then still run. */
  query(sql: string, limit: number): Promise<readonly Row[]>;
  /** Why the connection is gone; undefined while it is there. */
  gone(): string | undefined;
  /** Closes the socket at once; the server then ends the session. */
  close(): void;
}

export class OutOfTime extends Error {}

/**
 * Gives up with `signal`. Throws DATABASE_DOWN, DATABASE_LOGIN, DATABASE_BUSY (too many connections), DATABASE_FAILED where the server does not
 * prove itself, FILE_UNREADABLE. `limit` in milliseconds.
 */
export async function openSession(settings: MysqlSettings, limit: number, signal?: AbortSignal): Promise<Session> {
  const { address, ca } = settings;
  const ssl = ca === '' ? {} : { ssl: { ca: certificates(ca), rejectUnauthorized: true, verifyIdentity: isName(address) } };
  const connection = createConnection({
    ...('socket' in address ? { socketPath: address.socket } : { host: address.host, port: address.port }),
    ...ssl,
    user: settings.user,
    password: settings.password,
    connectTimeout: limit,
    flags: ['-LOCAL_FILES'],
    connectAttributes: { program_name: 'stillpoint' },
  });
  let why: string | undefined;
  connection.on('error', (error: Error) => {
    why ??= error.message;
  });
  connection.on('end', () => {
    why ??= 'the server closed the connection';
  });
  const giveUp = () => connection.destroy();
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    await inTime(connected(connection), limit);
  } catch (error) {
    connection.destroy();
    throw connectFailure(settings, error);
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
  return {
    id: connection.threadId!,
    query: (sql, within) => inTime(asked(connection, sql), within),
    gone: () => why,
    close: () => {
      why ??= 'it was closed';
      connection.destroy();
    },
  };
}

const connected = (connection: Connection) =>
  new Promise<void>((resolve, reject) => connection.connect((error) => (error ? reject(error) : resolve())));

const asked = (connection: Connection, sql: string) =>
  new Promise<readonly Row[]>((resolve, reject) =>
    connection.query(sql, (error, rows) => (error ? reject(error) : resolve(Array.isArray(rows) ? (rows as Row[]) : []))),
  );

/** The driver can compare a certificate with a name, not with an address. */
const isName = (address: MysqlSettings['address']): boolean => 'host' in address && isIP(address.host) === 0;

/** What does not come in time is left alone: its late failure is nobody's business. */
async function inTime<T>(work: Promise<T>, limit: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new OutOfTime(`no answer within ${Math.round(limit)} ms`)), limit);
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** ER_… numbers of MySQL and MariaDB that mean that this user does not get in, whatever is wrong with it. */
const loginErrors = new Set([1044, 1045, 1129, 1130, 1251, 1275, 1524, 1698, 1820, 1862, 3118, 3159, 3955, 4151]);
const tooMany = new Set([1040, 1203, 1226]);

function connectFailure(settings: MysqlSettings, error: unknown): StillpointError {
  const { code = '', errno = 0, message } = error as Partial<QueryError> & { message: string };
  const cause = { cause: error };
  if (loginErrors.has(errno) || code.startsWith('AUTH_')) {
    return failure('DATABASE_LOGIN', { database: 'MySQL', user: settings.user, detail: message }, cause);
  }
  const stranger = unproven('MySQL', settings.ca, error);
  if (stranger) return stranger;
  if (tooMany.has(errno)) return failure('DATABASE_BUSY', { database: 'MySQL', detail: message }, cause);
  return failure('DATABASE_DOWN', { database: 'MySQL', address: addressText(settings.address), detail: message }, cause);
}

/** The number that the server gave an error, 0 for errors that are not the server's. */
export const errorNumber = (error: unknown): number => {
  const number = (error as Partial<QueryError> | null)?.errno;
  return typeof number === 'number' && number > 0 ? number : 0;
};
