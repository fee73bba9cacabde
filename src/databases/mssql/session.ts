// One session with a SQL Server, over npm's tedious.
import { Connection, type ConnectionConfiguration, Request } from 'tedious';
import type * as sessions from '../sessions.ts';
import { certificates, detailOf, type Row } from '../sessions.ts';
import { mssqlFailure } from './failures.ts';
import type { Access } from './settings.ts';

/** Rows are those of all result sets, read to the end: a BACKUP whose results are not read is cut off. One batch at a time. */
export interface Session extends sessions.Session {
  /** Ends the batch under way, which is rejected then. */
  cancel(): void;
}

export type Connect = sessions.Connect<Access, Session>;

export const connectMssql: Connect = async (access, ms, signal) => {
  const connection = new Connection(configOf(access, ms));
  let lost: string | undefined;
  connection.on('error', (error) => {
    lost ??= detailOf(error);
  });
  connection.on('end', () => {
    lost ??= 'the server closed the connection';
  });
  const giveUp = () => connection.close();
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      connection.connect((error) => (error ? reject(error) : resolve()));
      if (signal?.aborted) giveUp();
    });
  } catch (error) {
    connection.close();
    throw mssqlFailure(error, access, 'open a session');
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
  return {
    query: (sql) =>
      new Promise((resolve, reject) => {
        const request = new Request(sql, (error, _count, rows: readonly Columns[] = []) =>
          error ? reject(error) : resolve(rows.map(plain)),
        );
        connection.execSqlBatch(request);
      }),
    cancel: () => {
      connection.cancel();
    },
    lost: () => lost,
    close: () => {
      lost ??= 'it was closed';
      connection.close();
    },
  };
};

type Columns = Readonly<Record<string, { readonly value: unknown }>>;

const plain = (columns: Columns): Row => Object.fromEntries(Object.entries(columns).map(([name, { value }]) => [name, value]));

function configOf(access: Access, ms: number): ConnectionConfiguration {
  const { user, password, host, port, ca, encrypt } = access;
  return {
    server: host,
    authentication: { type: 'default', options: { userName: user, password } },
    options: {
      port,
      database: 'master',
      appName: 'stillpoint',
      encrypt,
      trustServerCertificate: ca === '',
      ...(ca === '' ? {} : { cryptoCredentialsDetails: { ca: certificates(ca) } }),
      connectTimeout: Math.max(1, Math.round(ms)),
      // Callers have limits of their own.
      requestTimeout: 0,
      cancelTimeout: 700,
      maxRetriesOnTransientErrors: 0,
      rowCollectionOnRequestCompletion: true,
      useColumnNames: true,
    },
  };
}
