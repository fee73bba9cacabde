// Taking the locks. The server gives up waiting by itself (lock_wait_timeout); where it does not, the holder is killed through the watcher, for a
// lock that waits on after its client has gone is an outage.
import { fail } from '../../base/errors.ts';
import { killHolder, type Pair } from './hold.ts';
import { suspect } from './look.ts';
import type { Method } from './method.ts';
import { errorNumber, OutOfTime, type Row } from './session.ts';

export interface LockLimit {
  /** For each wait, kept by the server. */
  readonly seconds: number;
  /** For all of them together, kept here. */
  readonly milliseconds: number;
  readonly signal: AbortSignal;
}

const lockWaitTimeout = 1205;

/** Throws DATABASE_BUSY when a lock cannot be had in time, with who may be in the way; the holder may then hold some locks, or be dead. */
export async function takeLocks(pair: Pair, method: Method, database: string, limit: LockLimit): Promise<void> {
  const { holder, watcher } = pair;
  const end = performance.now() + limit.milliseconds;
  const left = () => Math.max(0, end - performance.now());
  const inTheWay = () => suspect((sql) => watcher.query(sql, 500), [holder.id, watcher.id]).catch(() => '');
  await holder.query(`SET SESSION lock_wait_timeout = ${limit.seconds}`, left());
  for (const statement of method.lock) {
    try {
      await orCalledOff(holder.query(statement, left()), limit.signal);
    } catch (error) {
      if (errorNumber(error) === lockWaitTimeout) {
        fail(
          'DATABASE_BUSY',
          { database, detail: `${statement} was not granted within ${limit.seconds} s${await inTheWay()}` },
          { cause: error },
        );
      }
      if (!(error instanceof OutOfTime)) throw error;
      const who = await inTheWay();
      await killHolder(pair);
      if (limit.signal.aborted) fail('FREEZE_FAILED', { name: 'mysql', detail: 'it was called off' });
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
