// A session that stays for the whole of a dump or a restore and is closed with the task.
import type { Row } from '../../sessions.ts';
import { openSession } from '../session.ts';
import type { MysqlSettings } from '../settings.ts';

export interface LongSession {
  readonly id: number;
  ask(sql: string): Promise<readonly Row[]>;
  gone(): string | undefined;
  close(): void;
}

const loginMs = 10_000;
/** Waits for locks of others end after so long (s). */
const lockSeconds = 60;

/**
 * Speaks UTF-8, takes backslashes as escapes, names all names in quotes. A statement may take `patience` milliseconds. Throws what openSession
 * throws.
 */
export async function openLong(settings: MysqlSettings, signal: AbortSignal, patience: number): Promise<LongSession> {
  const session = await openSession(settings, loginMs, signal);
  const close = () => {
    signal.removeEventListener('abort', close);
    session.close();
  };
  signal.addEventListener('abort', close, { once: true });
  const ask = (sql: string) => session.query(sql, patience);
  try {
    await ask('SET NAMES utf8mb4');
    await ask(`SET SESSION sql_mode = '', sql_quote_show_create = 1, wait_timeout = 604800, lock_wait_timeout = ${lockSeconds}`);
    return { id: session.id, ask, gone: () => session.gone(), close };
  } catch (error) {
    close();
    throw error;
  }
}
