// Taking the locks. The server gives up waiting by itself (lock_wait_timeout); where it does not, the holder is killed through the watcher, for a
// lock that waits on after its client has gone is an outage.
import { fail } from '../../base/errors.ts';
import type { FreezeWindow } from '../bounds.ts';
import type { Row } from '../sessions.ts';
import { killHolder, type Pair } from './hold.ts';
import { suspect } from './look.ts';
import type { Method } from './method.ts';
import { errorNumber, OutOfTime } from './session.ts';

/** The server's own refusal is waited for so much longer than it should take (ms). */
const grace = 1000;

const lockWaitTimeout = 1205;

/**
 * All of them within `seconds`. Throws DATABASE_BUSY when a lock cannot be had in time, with who may be in the way, and what the window throws
 * at its end; the holder may then hold some locks, or be dead.
 */
export async function takeLocks(pair: Pair, method: Method, database: string, seconds: number, window: FreezeWindow): Promise<void> {
  const { holder, watcher } = pair;
  const end = performance.now() + Math.min(seconds * 1000 + grace, window.left());
  const left = () => Math.max(0, end - performance.now());
  const inTheWay = () => suspect((sql) => watcher.query(sql, 500), [holder.id, watcher.id]).catch(() => '');
  await holder.query(`SET SESSION lock_wait_timeout = ${seconds}`, left());
  for (const statement of method.lock) {
    try {
      await orCalledOff(holder.query(statement, left()), window.signal);
    } catch (error) {
      if (errorNumber(error) === lockWaitTimeout) {
        fail(
          'DATABASE_BUSY',
          { database, detail: `${statement} was not granted within ${seconds} s${await inTheWay()}` },
          { cause: error },
        );
      }
      if (!(error instanceof OutOfTime)) throw error;
      const who = await inTheWay();
      await killHolder(pair);
      window.check();
      fail(
        'DATABASE_BUSY',
        { database, detail: `${statement} took too long and connection ${holder.id} was killed${who}` },
        { cause: error },
      );
    }
  }
}

async function orCalledOff(work: Promise<readonly Row[]>, signal: AbortSignal): Promise<void> {
  const calledOff = Promise.withResolvers<never>();
  const stop = () => calledOff.reject(new OutOfTime('called off'));
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  work.catch(() => undefined);
  try {
    await Promise.race([work, calledOff.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
