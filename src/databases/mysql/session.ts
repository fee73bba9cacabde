// One connection to the server, known by the id that the server gave it. No wait on it is without a limit.
import { type Connection, createConnection, type QueryError } from 'mysql2';
import { failure, type StillpointError } from '../../base/errors.ts';
import { addressText, type MysqlSettings } from './settings.ts';

export type Row = Readonly<Record<string, unknown>>;
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

/** Throws DATABASE_DOWN, DATABASE_LOGIN or DATABASE_BUSY (too many connections). `limit` in milliseconds. */
export async function openSession(settings: MysqlSettings, limit: number): Promise<Session> {
  const { address } = settings;
  const connection = createConnection({
    ...('socket' in address ? { socketPath: address.socket } : { host: address.host, port: address.port }),
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
  try {
    await inTime(connected(connection), limit);
  } catch (error) {
    connection.destroy();
    throw connectFailure(settings, error);
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
  if (tooMany.has(errno)) return failure('DATABASE_BUSY', { database: 'MySQL', detail: message }, cause);
  return failure('DATABASE_DOWN', { database: 'MySQL', address: addressText(settings.address), detail: message }, cause);
}

/** The number that the server gave an error, 0 for errors that are not the server's. */
export const errorNumber = (error: unknown): number => {
  const number = (error as Partial<QueryError> | null)?.errno;
  return typeof number === 'number' && number > 0 ? number : 0;
};
