// Looking before locking: a lock that waits behind a long statement makes everybody else wait behind the lock.
import { setTimeout as pause } from 'node:timers/promises';
import { fail } from '../../base/errors.ts';
import type { Row } from '../sessions.ts';
import type { Ask } from './session.ts';

interface Statement {
  readonly id: number;
  readonly user: string;
  readonly command: string;
  /** Seconds in this state. */
  readonly age: number;
  readonly state: string;
}

const idle = /^(Sleep|Daemon|Binlog Dump.*|Slave_.*|Connect)$/i;
const ownOfServer = /^(system user|event_scheduler)$/;
const waits = /^Waiting for .*(table flush|backup lock|global read lock|commit lock|metadata lock)/i;

/** Between one look and the next (ms). */
const nextLook = 250;

/**
 * Throws DATABASE_BUSY naming the session in the way by id, user and age; what it runs stays unsaid, for it may hold personal data. `own`: the
 * ids of our sessions; `longestQuery` in seconds.
 */
export async function refuseBusy(ask: Ask, database: string, own: readonly number[], longestQuery: number): Promise<void> {
  const busy = (detail: string) => fail('DATABASE_BUSY', { database, detail });
  const first = await statements(ask, own);
  const long = oldest(first.filter((one) => runs(one) && one.age > longestQuery));
  if (long) busy(`connection ${long.id} of ${long.user} has run its ${long.command.toLowerCase()} for ${long.age} s`);
  if (!first.some(waiting)) return;
  await pause(nextLook);
  const waited = (await statements(ask, own)).find(
    (one) => waiting(one) && first.some((before) => waiting(before) && before.id === one.id),
  );
  if (waited) busy(`connection ${waited.id} of ${waited.user} waits for a lock (${waited.state}) since ${waited.age} s`);
}

/**
 * Waits up to `seconds` until no statement has run for a second. FLUSH TABLES WITH READ LOCK waits for all of them, and whoever touches their
 * tables waits behind it, even after it was given up, until they end. Throws DATABASE_BUSY.
 */
export async function quietMoment(ask: Ask, database: string, own: readonly number[], seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const long = oldest((await statements(ask, own)).filter((one) => runs(one) && one.age >= 1));
    if (!long) return;
    if (performance.now() > end) {
      const detail = `connection ${long.id} of ${long.user} has run its ${long.command.toLowerCase()} for ${long.age} s, and locking has to wait for it`;
      fail('DATABASE_BUSY', { database, detail });
    }
    await pause(nextLook);
  }
}

/** Who may have been in the way of a lock that was not given, for an error's text. */
export async function suspect(ask: Ask, own: readonly number[]): Promise<string> {
  const one = oldest((await statements(ask, own)).filter((statement) => runs(statement) && !waiting(statement)));
  return one ? `; the oldest statement is connection ${one.id} of ${one.user}, ${one.age} s` : '';
}

async function statements(ask: Ask, own: readonly number[]): Promise<readonly Statement[]> {
  return (await ask('SHOW PROCESSLIST')).map(statementOf).filter((one) => !own.includes(one.id));
}

const statementOf = (row: Row): Statement => ({
  id: Number(row['Id']),
  user: String(row['User']),
  command: String(row['Command']),
  age: Number(row['Time'] ?? 0),
  state: String(row['State'] ?? ''),
});

const runs = (one: Statement): boolean => !idle.test(one.command) && !ownOfServer.test(one.user);
const waiting = (one: Statement): boolean => waits.test(one.state);
const oldest = (list: readonly Statement[]): Statement | undefined => list.toSorted((a, b) => b.age - a.age)[0];
