// What the tests of the mysql freezer do with a real server: freeze it, write to it, watch it, and clear up after each test.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { afterEach, beforeEach, expect } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { mysqlFreezer } from '../../src/databases/mysql/freeze.ts';
import type { FreezeLimit, Quiescer } from '../../src/ports/quiescer.ts';
import type { SqlServer } from './mariadb.ts';

/** Of the user `stillpoint`, whom a test makes. */
export const password = 'a secret 42';

export interface SqlBench {
  /** What the freezer told in this test. */
  readonly told: string[];
  /** As `stillpoint` over the socket unless said; thawed after the test. */
  quiescer(more?: Readonly<Record<string, string>>): Quiescer;
  /** A session of root, ended after the test. */
  session(): Promise<Connection>;
  /** The error of `work`, which holds no password. */
  refusal(work: Promise<unknown>): Promise<StillpointError>;
  /** How many writes wait for a lock. */
  waiting(): Promise<number>;
  /** How many sessions the freezer has. */
  ours(): Promise<number>;
  /** One write a table, begun and waiting; `done` resolves when all of them are through. */
  waitingWrites(tables: readonly string[]): Promise<{ readonly done: Promise<unknown> }>;
  /** Rows of each table. */
  rows(tables: readonly string[]): Promise<number[]>;
  /** Writers that never stop, one a table; gives the rows that the server has acknowledged. */
  load(tables: readonly string[]): Promise<{ readonly written: readonly number[]; readonly ended: Promise<unknown> }>;
  /** A process of its own that freezes for `limit` s and then does nothing at all; resolves when it is frozen. */
  freezingProcess(limit: number): Promise<ChildProcess>;
}

/** To be called where tests are described. `server` is asked for anew each time, for tests restart it. */
export function sqlBench(server: () => SqlServer): SqlBench {
  const told: string[] = [];
  let open: Quiescer[] = [];
  let sessions: Connection[] = [];
  let children: ChildProcess[] = [];

  beforeEach(() => {
    told.length = 0;
    open = [];
    sessions = [];
    children = [];
  });
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    for (const quiescer of open) await quiescer.thaw();
    // The server does not notice that a client is gone while its statement runs.
    if (sessions.length > 0)
      await server()
        .sql(sessions.map((one) => `KILL ${one.threadId}`).join(';'))
        .catch(() => undefined);
    for (const session of sessions) session.destroy();
  });

  const session = async () => {
    const made = await server().connect();
    sessions.push(made);
    return made;
  };
  const waiting = async () =>
    (await server().sql('SHOW FULL PROCESSLIST')).filter(
      (row) => /^(insert|create)/i.test(String(row['Info'])) && /^waiting/i.test(String(row['State'])),
    ).length;
  const rows = (tables: readonly string[]) =>
    Promise.all(tables.map(async (table) => Number((await server().sql(`SELECT COUNT(*) AS n FROM ${table}`))[0]!['n'])));

  return {
    told,
    session,
    waiting,
    rows,
    quiescer: (more = {}) => {
      const settings = { user: 'stillpoint', password, ...('host' in more ? {} : { socket: server().socket }), ...more };
      const made = mysqlFreezer.quiescer(settings, (line) => told.push(line));
      open.push(made);
      return made;
    },
    refusal: async (work) => {
      const error = (await work.then(
        () => expect.unreachable('it was not refused'),
        (thrown: unknown) => thrown,
      )) as StillpointError;
      expect(error.message).not.toContain(password);
      return error;
    },
    ours: async () => (await server().sql('SHOW PROCESSLIST')).filter((row) => row['User'] === 'stillpoint').length,
    waitingWrites: async (tables) => {
      const before = await waiting();
      const writers = await Promise.all(tables.map(() => session()));
      const done = Promise.all(tables.map((table, i) => writers[i]!.query(`INSERT INTO ${table} VALUES (1)`)));
      done.catch(() => undefined);
      await expect.poll(waiting).toBe(before + tables.length);
      return { done };
    },
    load: async (tables) => {
      const written = await rows(tables);
      const start = [...written];
      const writers = tables.map(async (table, i) => {
        const writer = await session();
        for (;;) {
          await writer.query(`INSERT INTO ${table} VALUES (1)`);
          written[i]!++;
        }
      });
      const ended = Promise.allSettled(writers);
      await expect.poll(() => written.every((n, i) => n > start[i]! + 50)).toBe(true);
      return { written, ended };
    },
    freezingProcess: async (limit) => {
      const home = join(import.meta.dirname, '../../src');
      const settings = { user: 'root', socket: server().socket };
      const program = `
        import { mysqlFreezer } from '${home}/databases/mysql/freeze.ts';
        import { systemClock } from '${home}/base/system-clock.ts';
        const quiescer = mysqlFreezer.quiescer(${JSON.stringify(settings)}, () => undefined);
        await quiescer.freeze({ deadline: systemClock.boottime() + ${limit} * 1000, signal: new AbortController().signal });
        console.log('frozen');
        setInterval(() => undefined, 1000);`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
      children.push(child);
      const [line] = await once(createInterface(child.stdout!), 'line');
      expect(line).toBe('frozen');
      return child;
    },
  };
}

export const seconds = (count: number, signal = new AbortController().signal): FreezeLimit => ({
  deadline: systemClock.boottime() + count * 1000,
  signal,
});

export async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const late = pause(milliseconds, 'late', { ref: false });
  expect(await Promise.race([work.then(() => 'in time'), late])).toBe('in time');
}

/** A signal stops thread after thread: some may work on for a moment. */
export async function hang(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const states = () =>
    readdirSync(`/proc/${pid}/task`).map((thread) => /\) (\w)/.exec(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1'))?.[1]);
  await expect.poll(() => new Set(states())).toEqual(new Set(['T']));
}
