// Tables without transactions stand still while they are read: only they, and only for writers. The moment of the backup, at which the transaction
// of the dump begins, lies in that while, so they fit to all the others.
import { fail } from '../../../base/errors.ts';
import { refuseBusy, suspect } from '../look.ts';
import { label, type Server } from '../server.ts';
import { errorNumber } from '../session.ts';
import type { MysqlSettings } from '../settings.ts';
import type { ChosenTable } from './choice.ts';
import { openLong } from './long-session.ts';
import { quoteName } from './sql.ts';

export interface TableLock {
  /** Throws DATABASE_CHANGED where it did not hold until now. */
  held(): Promise<void>;
  release(): void;
}

const lockWaitTimeout = 1205;

export const noLock: TableLock = { held: async () => undefined, release: () => undefined };

/**
 * Refuses behind statements that have run for long, and gives up soon: whoever writes to these tables waits behind a lock that waits. Throws
 * DATABASE_BUSY and what openSession throws.
 */
export async function lockTables(
  tables: readonly ChosenTable[],
  server: Server,
  settings: MysqlSettings,
  own: number,
  signal: AbortSignal,
): Promise<TableLock> {
  if (tables.length === 0) return noLock;
  const seconds = settings.longestWait;
  const session = await openLong(settings, signal, (seconds + 5) * 1000);
  try {
    await refuseBusy(session.ask, label(server), [own, session.id], settings.longestQuery);
    await session.ask(`SET SESSION lock_wait_timeout = ${seconds}`);
    await session.ask(`LOCK TABLES ${tables.map(({ database, table }) => `${quoteName(database)}.${quoteName(table)} READ`).join(', ')}`);
  } catch (error) {
    const late = errorNumber(error) === lockWaitTimeout;
    const who = late ? await suspect(session.ask, [own, session.id]).catch(() => '') : '';
    session.close();
    if (!late) throw error;
    fail('DATABASE_BUSY', { database: label(server), detail: `tables were not locked within ${seconds} s${who}` }, { cause: error });
  }
  return {
    held: async () => {
      // Asking is the proof: the server drops locks with the session, never before.
      const lost = await session.ask('SELECT 1').then(
        () => session.gone(),
        (error: Error) => error.message,
      );
      if (lost) fail('DATABASE_CHANGED', { database: label(server), detail: `the lock on tables without transactions was lost (${lost})` });
    },
    release: () => session.close(),
  };
}
