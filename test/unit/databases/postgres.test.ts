// PostgreSQL where a real server does not come: versions that are not at hand, and servers that do not do as they are told.
import { beforeEach, describe, expect, it } from 'vitest';
import { failure, type StillpointError } from '../../../src/base/errors.ts';
import { postgresQuiescer } from '../../../src/databases/postgres/quiesce.ts';
import type { Connect } from '../../../src/databases/postgres/session.ts';
import { accessOf } from '../../../src/databases/postgres/settings.ts';
import type { Row } from '../../../src/databases/sessions.ts';
import type { FreezeLimit, Quiescer } from '../../../src/ports/quiescer.ts';

type Answer = readonly Row[] | Error | 'never' | undefined;

/** `session: statement`; the first session is the one that holds. */
let said: string[];
let answer: (statement: string, session: number) => Answer;
let refuse: Error | undefined;
let version: number;
let alive: Set<number>;
let lines: string[];
let past: number;

beforeEach(() => {
  said = [];
  answer = () => undefined;
  refuse = undefined;
  version = 150_000;
  alive = new Set();
  lines = [];
  past = 0;
});

const connect: Connect = async () => {
  if (refuse) throw refuse;
  const id = (said.filter((line) => line.endsWith('open')).length % 1000) + 1;
  said.push(`${id}: open`);
  alive.add(id);
  let lost: string | undefined;
  return {
    lost: () => lost,
    close: () => {
      if (!lost) said.push(`${id}: close`);
      lost ??= 'it was closed';
      alive.delete(id);
    },
    query: async (statement, values = []) => {
      said.push(`${id}: ${statement.replace(/\s+/g, ' ')}`);
      const given = answer(statement, id);
      if (given instanceof Error) throw given;
      if (given === 'never') return new Promise(() => undefined);
      return given ?? own(statement, values, id);
    },
  };
};

function own(statement: string, values: readonly unknown[], id: number): readonly Row[] {
  if (statement.includes('pg_backend_pid()')) return [{ pid: id, begun: 'then' }];
  if (statement.includes('server_version_num')) {
    return [{ number: version, version: String(version / 10_000), standby: false, wal: 'replica', archive: 'on' }];
  }
  if (statement.includes('AS granted')) return [{ granted: true }];
  if (statement.includes('pg_terminate_backend')) alive.delete(Number(values[0]));
  if (statement.includes('pg_stat_activity')) return alive.has(Number(values[0])) ? [{ standby: false }] : [];
  if (/_start_backup|_backup_start/.test(statement)) return [{ lsn: '0/2000028' }];
  if (/_stop_backup|_backup_stop/.test(statement)) return [{ lsn: '0/2000100', label: 'bGFiZWw=', map: '' }];
  return [{}];
}

const quiescerOf = (): Quiescer => {
  const clock = { now: () => Date.now(), boottime: () => past + performance.now() };
  return postgresQuiescer(accessOf({ user: 'backup', host: 'elsewhere', ca: '/etc/ca.pem' }), (line) => lines.push(line), {
    clock,
    connect,
  });
};

const limit = (): FreezeLimit => ({ deadline: past + performance.now() + 60_000, signal: new AbortController().signal });

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: StillpointError) => `${error.code} ${error.message}`,
  );

/** What the holding session was told after it was opened. */
const held = () => said.filter((line) => line.startsWith('1: ')).slice(2);

describe('PostgreSQL by its versions', () => {
  it.each([
    [
      150_000,
      'idle_session_timeout',
      'SELECT pg_backup_start($1, true)::text AS lsn',
      'FROM pg_backup_stop(false)',
      "has_function_privilege('pg_backup_start(text, boolean)', 'EXECUTE')",
    ],
    [
      140_000,
      'idle_session_timeout',
      'SELECT pg_start_backup($1, true, false)::text AS lsn',
      'FROM pg_stop_backup(false, false)',
      "has_function_privilege('pg_stop_backup(boolean, boolean)', 'EXECUTE')",
    ],
    [
      130_000,
      'idle_in_transaction_session_timeout',
      'SELECT pg_start_backup($1, true, false)::text AS lsn',
      'FROM pg_stop_backup(false, false)',
      "has_function_privilege('pg_start_backup(text, boolean, boolean)', 'EXECUTE')",
    ],
    [
      90_600,
      'idle_in_transaction_session_timeout',
      'SELECT pg_start_backup($1, true, false)::text AS lsn',
      'FROM pg_stop_backup(false)',
      "has_function_privilege('pg_stop_backup(boolean)', 'EXECUTE')",
    ],
  ])('A1 version %i is told in its own words, with the limit of the server before and after', async (number, idle, start, stop, right) => {
    version = number;
    const quiescer = quiescerOf();
    await quiescer.freeze(limit());
    expect(await quiescer.thaw()).toEqual({ stopLsn: '0/2000100', backupLabel: 'bGFiZWw=', tablespaceMap: '' });
    const set = `1: SELECT set_config('${idle}', $1, false), set_config('statement_timeout', $2, false)`;
    const begin = number < 140_000 ? ['1: BEGIN'] : [];
    expect(held().slice(0, -2)).toEqual([...begin, set, `1: ${start}`, set]);
    expect(held().at(-2)).toMatch(
      /^1: SELECT lsn::text AS lsn, translate\(encode\(convert_to\(labelfile, getdatabaseencoding\(\)\), 'base64'\)/,
    );
    expect(held().at(-2)!.endsWith(stop)).toBe(true);
    expect(held().at(-1)).toBe('1: close');
    expect(said.join('\n')).toContain(right);
  });

  it('A22 versions before 9.6, wal_level minimal and an exclusive backup are refused with the reason', async () => {
    version = 90_500;
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^FREEZE_REFUSED .*9\.6 and later/);
    version = 130_000;
    answer = (statement) => (statement.includes('pg_is_in_backup') ? [{ busy: true }] : undefined);
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^DATABASE_BUSY .*exclusive backup/);
    answer = (statement) =>
      statement.includes('server_version_num') ? [{ number: version, version: '15', standby: false, wal: 'minimal' }] : undefined;
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^FREEZE_REFUSED .*wal_level is minimal/);
    expect(said.filter((line) => /start_backup\(\$1/.test(line))).toEqual([]);
    expect(alive.size).toBe(0);
  });

  it('A3 a start that fails leaves no session', async () => {
    answer = (statement) =>
      statement.includes('pg_backup_start($1') ? Object.assign(new Error('could not write file'), { code: '58030' }) : undefined;
    expect(await refusal(quiescerOf().freeze(limit()))).toMatch(/^DATABASE_FAILED .*start a backup: could not write file/);
    expect(alive.size).toBe(0);
  });

  it('A3 a backup that cannot be stopped ends with its session, and is said to', async () => {
    for (const failed of ['never', new Error('disk full')] as const) {
      answer = (statement) => (statement.includes('pg_backup_stop(false)') && !statement.includes('granted') ? failed : undefined);
      const quiescer = quiescerOf();
      await quiescer.freeze(limit());
      expect(await quiescer.thaw()).toEqual({});
      expect(lines.at(-1)).toMatch(/not stopped but ended with its session: (it took too long|disk full)/);
      expect(alive.size).toBe(0);
    }
  });

  it('A3 a session that hangs at the server is terminated from the other one', async () => {
    const quiescer = quiescerOf();
    await quiescer.freeze(limit());
    const watching: string[] = [];
    answer = (statement, session) => {
      if (session !== 2 || !statement.includes('pg_stat_activity')) return undefined;
      watching.push(statement.includes('terminate') ? 'terminate' : 'look');
      return watching.at(-1) === 'look' ? [{ standby: false }] : undefined;
    };
    await quiescer.thaw();
    expect(watching).toEqual(['look', 'look', 'look', 'look', 'look', 'terminate']);
  });

  it('A3 an end that cannot be proven is a thaw that failed, within 5 s; it is tried again and then works', async () => {
    const quiescer = quiescerOf();
    await quiescer.freeze(limit());
    answer = (statement) => (statement.includes('pg_stat_activity') && !statement.includes('pg_backend_pid') ? 'never' : undefined);
    const begun = performance.now();
    expect(await refusal(quiescer.thaw())).toMatch(/^FREEZE_THAW_FAILED cannot thaw postgres: session 1 does not end/);
    expect(performance.now() - begun).toBeLessThan(5000);
    refuse = failure('DATABASE_BUSY', { database: 'PostgreSQL', detail: 'too many clients' });
    expect(await refusal(quiescer.thaw())).toMatch(/^FREEZE_THAW_FAILED .*too many clients/);
    refuse = failure(
      'DATABASE_DOWN',
      { database: 'PostgreSQL', address: 'a', detail: 'timeout expired' },
      { cause: new Error('timeout expired') },
    );
    expect(await refusal(quiescer.thaw())).toMatch(/^FREEZE_THAW_FAILED .*timeout expired/);
    refuse = undefined;
    answer = () => undefined;
    expect(await quiescer.thaw()).toEqual({});
    expect(alive.size).toBe(0);
  });

  it('A2 the proof fails when the session is gone, when the limit is over and when the server does not answer', async () => {
    const quiescer = quiescerOf();
    await quiescer.freeze(limit());
    await quiescer.held();
    alive.delete(1);
    expect(await refusal(quiescer.held())).toMatch(/^FREEZE_LOST .*is gone from the server/);
    alive.add(1);
    await quiescer.held();
    past += 60_001;
    expect(await refusal(quiescer.held())).toMatch(/^FREEZE_LOST .*its limit has passed/);
    answer = (statement) => (statement.includes('pg_stat_activity') ? 'never' : undefined);
    expect(await refusal(quiescer.held())).toMatch(/^FREEZE_LOST .*does not answer/);
    answer = () => undefined;
    await quiescer.thaw();
  });
});
