// One session with SYSTEMDB of SAP HANA, over npm's hdb.
import { isIP } from 'node:net';
import { createClient } from 'hdb';
import type * as sessions from '../sessions.ts';
import { certificates, detailOf, type Row } from '../sessions.ts';
import { hanaFailure } from './failures.ts';
import type { Access } from './settings.ts';

export type Connect = sessions.Connect<Access, sessions.Session>;

export const connectHana: Connect = async (access, ms, signal) => {
  const { host, port, user, password, ca } = access;
  // An address is no name to ask for; the certificate is compared with it all the same.
  const tls = ca === '' ? {} : { useTLS: true, ca: [certificates(ca)], servername: isIP(host) === 0 ? host : '' };
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
