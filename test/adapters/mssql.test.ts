// The driver in front of SQL Server, against a server that speaks TDS: what goes over the line, and what its errors become.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { noServer } from '../../src/databases/mssql/failures.ts';
import { mssqlFreezer } from '../../src/databases/mssql/freeze.ts';
import { mssqlQuiescer } from '../../src/databases/mssql/quiesce.ts';
import { connectMssql } from '../../src/databases/mssql/session.ts';
import { type Access, accessOf } from '../../src/databases/mssql/settings.ts';
import { freePort } from '../beds/programs.ts';
import { selfSigned } from '../beds/self-signed.ts';
import { startTdsServer, type TdsServer } from '../beds/tds-server.ts';

let server: TdsServer;

beforeEach(async () => {
  server = await startTdsServer();
});

afterEach(() => server.stop());

/** The fake knows no TLS. */
const access = (port = server.port): Access => ({
  ...accessOf({ user: 'backup', password: 'geheim', port: String(port) }),
  encrypt: false,
});

const refusal = async (work: Promise<unknown>): Promise<StillpointError> => {
  const error = await work.then(
    () => undefined,
    (thrown: StillpointError) => thrown,
  );
  expect(`${error?.message} ${error?.hint}`).not.toContain('geheim');
  return error!;
};

const limit = (ms = 60_000) => ({ deadline: systemClock.boottime() + ms, signal: new AbortController().signal });

/** As SQL Server 2022 would answer, with one database; it is suspended from the batch that says ON until attention and OFF. */
function answering(): { suspended: boolean } {
  const state = { suspended: false };
  server.answer = (batch) => {
    if (batch.includes('SERVERPROPERTY')) return [[{ major: 16, version: '16.0.1', edition: 'Developer', clustered: 0, hadr: 0 }]];
    if (batch.includes('@@SPID')) return [[{ session: 51 }]];
    if (batch.includes('sys.databases')) return [[{ id: 5, name: 'Größe', path: '/data/größe.mdf' }]];
    if (batch.includes('dm_server_suspend_status')) {
      return [state.suspended ? [{ id: 5, name: 'Größe', session: 51, ms: Date.now() % 1_000_000_000, cleared: 0, frozen: 1 }] : []];
    }
    if (batch.includes('= ON')) {
      state.suspended = true;
      return 'wait';
    }
    if (batch.endsWith('= OFF')) state.suspended = false;
    return [];
  };
  return state;
}

describe('SQL Server over its driver', () => {
  it('A1 a freeze and a thaw over the line: one batch that waits, attention, and OFF in the same session', async () => {
    const state = answering();
    const quiescer = mssqlQuiescer(access(), () => undefined);
    const facts = await quiescer.freeze(limit());
    expect(facts['database/Größe']).toBe('/data/größe.mdf');
    await quiescer.held();
    expect(await quiescer.thaw()).toEqual({});
    expect(state.suspended).toBe(false);
    const words = server.said.map((line) => line.replace(/^(\d+): SET NOCOUNT.* = ON \(MODE = COPY_ONLY\);.*$/, '$1: ON'));
    const end = words.slice(words.indexOf('51: ON'));
    expect(end.filter((line) => !line.includes('dm_server_suspend_status'))).toEqual([
      '51: ON',
      '51: attention',
      '51: ALTER SERVER CONFIGURATION SET SUSPEND_FOR_SNAPSHOT_BACKUP = OFF',
    ]);
    await expect.poll(() => server.open()).toBe(0);
  });

  it('A3 a server that does not answer attention is let go by the other session, within 5 s', async () => {
    const state = answering();
    server.deaf = true;
    const quiescer = mssqlQuiescer(access(), () => undefined);
    await quiescer.freeze(limit());
    const begun = performance.now();
    expect(await quiescer.thaw()).toEqual({});
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(state.suspended).toBe(false);
    expect(server.said).toContain('52: ALTER SERVER CONFIGURATION SET SUSPEND_FOR_SNAPSHOT_BACKUP = OFF');
    await expect.poll(() => server.open()).toBe(0);
  });

  it('A1 all result sets of a batch are read, and an error in the last one is one of the batch', async () => {
    const session = await connectMssql(access(), 5000);
    server.answer = () => [[{ n: 1 }], [{ n: 2 }, { n: null }]];
    expect(await session.query('BACKUP')).toEqual([{ n: '1' }, { n: '2' }, { n: null }]);
    server.answer = () => [[{ n: 1 }], { error: 3041, text: 'BACKUP failed' }];
    await expect(session.query('BACKUP')).rejects.toMatchObject({ number: 3041, message: 'BACKUP failed' });
    server.answer = () => 'cut';
    await expect(session.query('BACKUP')).rejects.toThrow();
    await expect.poll(() => session.lost()).toBeDefined();
    await expect(session.query('SELECT 1')).rejects.toThrow();
    session.close();
  });

  it('A22 a refused login, a closed port and a server that says nothing are told apart', async () => {
    server.refuse = "Login failed for user 'backup'.";
    const login = await refusal(mssqlQuiescer(access(), () => undefined).freeze(limit()));
    expect(login).toMatchObject({ code: 'DATABASE_LOGIN', message: expect.stringContaining('Login failed') });
    expect(noServer(login)).toBe(false);

    const port = await freePort();
    const down = await refusal(mssqlQuiescer(access(port), () => undefined).freeze(limit()));
    expect(down).toMatchObject({ code: 'DATABASE_DOWN', message: expect.stringContaining(`127.0.0.1:${port}`) });
    expect(noServer(down)).toBe(true);

    const deaf = createServer(() => undefined);
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    try {
      const { port: silent } = deaf.address() as { port: number };
      const late = await refusal(connectMssql(access(silent), 200));
      expect(late.code).toBe('DATABASE_DOWN');
      expect(noServer(late)).toBe(false);
      const stop = new AbortController();
      const opening = refusal(connectMssql(access(silent), 60_000, stop.signal));
      stop.abort();
      expect((await opening).code).toBe('DATABASE_DOWN');
    } finally {
      deaf.close();
    }
  });

  it('A22 with ca, a server that has no TLS is told as that, not as one that is down', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'mssql-'));
    const ca = join(dir, 'ca.pem');
    writeFileSync(ca, selfSigned().cert);
    try {
      const strict = accessOf({ user: 'backup', password: 'geheim', port: String(server.port), ca });
      const plain = await refusal(mssqlQuiescer(strict, () => undefined).freeze(limit()));
      expect(plain).toMatchObject({
        code: 'DATABASE_FAILED',
        message: expect.stringMatching(/^SQL Server could not prove itself by .*ca\.pem: /),
      });
      expect(noServer(plain)).toBe(false);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('A2 a line that is cut is a freeze that was lost', async () => {
    answering();
    const quiescer = mssqlQuiescer(access(), () => undefined);
    await quiescer.freeze(limit());
    const ask = server.answer;
    server.answer = (batch, session) => (batch.includes('dm_server_suspend_status') ? 'cut' : ask(batch, session));
    expect((await refusal(quiescer.held())).code).toBe('FREEZE_LOST');
    server.answer = ask;
    expect(await quiescer.thaw()).toEqual({});
  });

  it('A1 it seems to run where its port answers', async () => {
    expect(await mssqlFreezer.present({ port: String(server.port) })).toBe(true);
    expect(await mssqlFreezer.present({ port: String(await freePort()) })).toBe(false);
  });
});
