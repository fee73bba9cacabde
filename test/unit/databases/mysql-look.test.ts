import { describe, expect, it } from 'vitest';
import type { StillpointError } from '../../../src/base/errors.ts';
import { quietMoment, refuseBusy, suspect } from '../../../src/databases/mysql/look.ts';
import type { Ask } from '../../../src/databases/mysql/session.ts';
import type { Row } from '../../../src/databases/sessions.ts';

const row = (Id: number, more: Row = {}): Row => ({
  Id,
  User: 'app',
  Host: 'web1:4711',
  Command: 'Query',
  Time: 0,
  State: '',
  Info: 'SELECT 42',
  ...more,
});

/** Lists of processes, one after the other; the last one stays. */
function looks(...lists: readonly (readonly Row[])[]): Ask {
  let next = 0;
  return async () => lists[Math.min(next++, lists.length - 1)]!;
}

const refuse = async (ask: Ask): Promise<string> =>
  refuseBusy(ask, 'MariaDB 10.11.19', [1, 2], 10).then(
    () => 'not refused',
    (error: StillpointError) => {
      expect(error.code).toBe('DATABASE_BUSY');
      return error.message;
    },
  );

describe('looking before locking', () => {
  it('A1 the longest statement is named by connection, user and age, never by what it says', async () => {
    const ask = looks([row(7, { Time: 11 }), row(8, { Time: 34, Command: 'Execute' }), row(9, { Time: 10 })]);
    expect(await refuse(ask)).toBe('MariaDB 10.11.19 is busy: connection 8 of app has run its execute for 34 s');
  });

  it('A1 idle sessions, replication, the server itself and our own sessions are no reason', async () => {
    const ask = looks([
      row(1, { Time: 99 }),
      row(2, { Time: 99 }),
      row(3, { Time: 9999, Command: 'Sleep' }),
      row(4, { Time: 9999, Command: 'Binlog Dump GTID', State: 'Master has sent all binlog to slave; waiting for more updates' }),
      row(5, { Time: 9999, User: 'system user', State: 'Waiting for master to send event' }),
      row(6, { Time: 9999, User: 'event_scheduler', Command: 'Daemon', State: 'Waiting on empty queue' }),
      row(7, { Time: 10 }),
    ]);
    expect(await refuse(ask)).toBe('not refused');
  });

  it('A1 a session that still waits for a lock at the second look is one', async () => {
    for (const State of [
      'Waiting for table flush',
      'Waiting for backup lock',
      'Waiting for table metadata lock',
      'Waiting for global read lock',
    ]) {
      const message = await refuse(looks([row(7, { State, Time: 3 })]));
      expect(message).toBe(`MariaDB 10.11.19 is busy: connection 7 of app waits for a lock (${State}) since 3 s`);
    }
  });

  it('A1 a wait that was over at the second look is none', async () => {
    const State = 'Waiting for table metadata lock';
    expect(await refuse(looks([row(7, { State })], [row(7), row(8, { State })]))).toBe('not refused');
  });

  it('A1 the read lock waits for a moment in which no statement has run for a second', async () => {
    await quietMoment(looks([row(7, { Time: 1 })], [row(7, { Time: 2 })], [row(8)]), 'MySQL 9.7.4', [1, 2], 60);
    const refused = quietMoment(looks([row(7, { Time: 5 })]), 'MySQL 9.7.4', [1, 2], 0);
    await expect(refused).rejects.toThrow('connection 7 of app has run its query for 5 s');
  });

  it('A1 who may have been in the way is the oldest statement that runs, not one that waits too', async () => {
    const ask = looks([row(1, { Time: 50 }), row(7, { Time: 5 }), row(8, { Time: 9, State: 'Waiting for backup lock' })]);
    expect(await suspect(ask, [1, 2])).toBe('; the oldest statement is connection 7 of app, 5 s');
    expect(await suspect(looks([]), [1, 2])).toBe('');
  });
});
