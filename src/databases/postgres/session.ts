// One session with a PostgreSQL server, over npm's pg.
import { Socket } from 'node:net';
import { Client, type ClientConfig } from 'pg';
import type * as sessions from '../sessions.ts';
import { certificates, detailOf, type Row } from '../sessions.ts';
import { postgresFailure } from './failures.ts';
import type { Access } from './settings.ts';

export interface Session extends sessions.Session {
  query(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
}

export type Connect = sessions.Connect<Access, Session>;

export const connectPostgres: Connect = async (access, ms, signal) => {
  const socket = new Socket();
  const client = new Client(configOf(access, ms, socket));
  let lost: string | undefined;
  client.on('error', (error) => {
    lost ??= detailOf(error);
  });
  client.on('end', () => {
    lost ??= 'the server closed the connection';
  });
  const giveUp = () => socket.destroy(new Error('timeout expired'));
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    if (signal?.aborted) giveUp();
    await client.connect();
  } catch (error) {
    socket.destroy();
    throw postgresFailure(error, access, `open the database ${access.database}`);
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
  return {
    query: async (sql, values = []) => (await client.query<Row>(sql, [...values])).rows,
    lost: () => lost,
    close: () => {
      lost ??= 'it was closed';
      client.end().catch(() => undefined);
      // A server that hangs does not answer the good-bye.
      setTimeout(() => socket.destroy(), 100).unref();
    },
  };
};

/** Everything is named: what is not, the driver takes from the environment and from files in the home directory. */
function configOf(access: Access, ms: number, socket: Socket): ClientConfig {
  const { user, password, host, port, database, ca } = access;
  return {
    user,
    password: () => password,
    host,
    port,
    database,
    ssl: ca === '' ? false : { ca: certificates(ca), rejectUnauthorized: true },
    stream: () => socket,
    connectionTimeoutMillis: Math.max(1, Math.round(ms)),
    // What is asked is answered at once, or somebody holds a lock on the catalogue; a backup sets a limit of its own.
    statement_timeout: 5000,
    keepAlive: true,
    application_name: 'stillpoint',
    options: '',
  };
}
