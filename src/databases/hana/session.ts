// One session with SYSTEMDB of SAP HANA, over npm's hdb.
import { readFileSync } from 'node:fs';
import { createClient } from 'hdb';
import { fail } from '../../base/errors.ts';
import { detailOf, hanaFailure } from './failures.ts';
import type { Access } from './settings.ts';

export type Row = Readonly<Record<string, unknown>>;

export interface Session {
  /** The rows of one statement, none where it gives none. Rejects with the driver's error. */
  query(sql: string): Promise<readonly Row[]>;
  /** Why the session ended; undefined while it lives. */
  lost(): string | undefined;
  close(): void;
}

/** Opens a session within `ms`; gives up with `signal`. Throws DATABASE_… errors. */
export type Connect = (access: Access, ms: number, signal?: AbortSignal) => Promise<Session>;

export const connectHana: Connect = async (access, ms, signal) => {
  const { host, port, user, password, ca } = access;
  const tls = ca === '' ? {} : { useTLS: true, ca: [certificates(ca)] };
  const client = createClient({ host, port, user, password, initializationTimeout: Math.max(1, Math.round(ms)), ...tls });
  let lost: string | undefined;
  client.on('error', (error) => {
    lost ??= detailOf(error);
  });
  client.on('close', () => {
    lost ??= 'the server closed the connection';
  });
  try {
    await new Promise<void>((resolve, reject) => {
      const giveUp = () => reject(Object.assign(new Error('it does not answer'), { code: 'ETIMEDOUT' }));
      const timer = setTimeout(giveUp, ms);
      signal?.addEventListener('abort', giveUp, { once: true });
      if (signal?.aborted) giveUp();
      client.connect((error) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
        // Too late: nobody waits for this session.
        if (lost) client.close();
        if (error) reject(error);
        else resolve();
      });
    });
  } catch (error) {
    lost ??= 'it was given up';
    client.close();
    throw hanaFailure(error, access, 'open a session');
  }
  return {
    query: (sql) =>
      new Promise((resolve, reject) => {
        if (lost) reject(new Error(lost));
        else client.exec(sql, (error, rows) => (error ? reject(error) : resolve(Array.isArray(rows) ? (rows as Row[]) : [])));
      }),
    lost: () => lost,
    close: () => {
      lost ??= 'it was closed';
      client.destroy();
    },
  };
};

function certificates(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    return fail('FILE_UNREADABLE', { path, detail: (error as Error).message }, { cause: error });
  }
}
