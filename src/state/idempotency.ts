// Answers given to POST requests, for 24 hours, so that a client that lost an answer may ask again without doing it twice.
import type { Database } from './database.ts';

export interface StoredAnswer {
  /** Hash of the request, so that a key used for something else is noticed. */
  readonly fingerprint: string;
  readonly status: number;
  /** JSON text; null where the answer held something that is told only once. */
  readonly body: string | null;
}

export interface IdempotencyTable {
  get(key: string, now: number): StoredAnswer | undefined;
  put(key: string, answer: StoredAnswer, now: number): void;
  /** Forgets what is older than 24 hours. */
  expire(now: number): void;
}

const keepMs = 24 * 3600 * 1000;

export function createIdempotencyTable(database: Database): IdempotencyTable {
  return {
    get(key, now) {
      const sql = 'SELECT fingerprint, status, body FROM idempotency WHERE key = :key AND created_at > :since';
      return database.get(sql, { key, since: now - keepMs }) as unknown as StoredAnswer | undefined;
    },
    put(key, answer, now) {
      const sql =
        'INSERT OR REPLACE INTO idempotency (key, fingerprint, status, body, created_at) VALUES (:key, :fingerprint, :status, :body, :now)';
      database.run(sql, { ...answer, key, now });
    },
    expire(now) {
      database.run('DELETE FROM idempotency WHERE created_at <= :since', { since: now - keepMs });
    },
  };
}
