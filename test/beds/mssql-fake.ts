// A SQL Server that is only as real as its snapshot backup: sessions, what they suspend, and every statement in the order of the wire.
import type { Connect, Session } from '../../src/databases/mssql/session.ts';
import * as sql from '../../src/databases/mssql/statements.ts';
import type { Row } from '../../src/databases/sessions.ts';

type Answer = readonly Row[] | Error | 'never' | undefined;

export interface FakeSqlServer {
  readonly connect: Connect;
  /** `session: statement`, and `session: cancel`, `session: close`. */
  readonly said: string[];
  /** Answers instead of the server's own, undefined for its own. */
  answer: (statement: string, session: number) => Answer;
  /** Thrown by the next logins. */
  refuse: Error | undefined;
  /** Databases that do not stop writing. */
  readonly stubborn: Set<number>;
  /** The session that suspends, if any. */
  holder(): number | undefined;
  /** Somebody lets go. */
  resume(): void;
  /** Somebody suspends. */
  suspend(session: number): void;
  /** The server ends a session. */
  end(session: number, reason: string): void;
}

const names = new Map<string, string>([
  [sql.about, 'about'],
  [sql.secondaries, 'secondaries'],
  [sql.databases, 'databases'],
  [sql.backups, 'backups'],
  [sql.status, 'status'],
  [sql.self, 'self'],
  [sql.off, 'OFF'],
]);

export function fakeSqlServer(): FakeSqlServer {
  const said: string[] = [];
  const sessions = new Map<number, { end(reason: string): void }>();
  let suspended: { readonly session: number; readonly since: number } | undefined;
  let last = 50;
  const stubborn = new Set<number>();

  const own = (statement: string): readonly Row[] => {
    if (statement === sql.about) return [{ major: 16, version: '16.0.4105.2', edition: 'Developer Edition', clustered: 0, hadr: 0 }];
    if (statement === sql.databases) {
      return [
        { id: 5, name: 'Shop', path: '/var/opt/mssql/data/shop.mdf' },
        { id: 5, name: 'Shop', path: '/var/opt/mssql/log/shop.ldf' },
        { id: 7, name: 'It, is', path: '/var/opt/mssql/data/itis.mdf' },
      ];
    }
    if (statement === sql.status && suspended) {
      const { session, since } = suspended;
      const row = (id: number, name: string) => ({ id, name, session, ms: String(Date.now() - since), cleared: false });
      return [row(5, 'Shop'), row(7, 'It, is')].map((one) => ({ ...one, frozen: !stubborn.has(one.id) }));
    }
    return [];
  };

  const open = (): Session => {
    const id = ++last;
    let lost: string | undefined;
    let cancel: ((error: Error) => void) | undefined;
    const end = (reason: string) => {
      lost ??= reason;
      if (suspended?.session === id) suspended = undefined;
      cancel?.(new Error(reason));
      sessions.delete(id);
    };
    sessions.set(id, { end });
    return {
      lost: () => lost,
      cancel: () => {
        said.push(`${id}: cancel`);
        cancel?.(new Error('Canceled.'));
      },
      close: () => {
        if (sessions.has(id)) said.push(`${id}: close`);
        end('it was closed');
      },
      query: async (statement) => {
        if (lost) throw new Error(lost);
        const begins = /^SET NOCOUNT ON;/.test(statement);
        said.push(`${id}: ${begins ? 'ON' : (names.get(statement) ?? statement)}`);
        const answer = server.answer(begins ? 'ON' : (names.get(statement) ?? statement), id);
        if (answer instanceof Error) throw answer;
        if (answer === 'never') {
          return new Promise((_, reject) => {
            cancel = reject;
          });
        }
        if (answer) return answer;
        if (statement === sql.self) return [{ session: id }];
        if (begins) {
          suspended = { session: id, since: Date.now() };
          return new Promise((_, reject) => {
            cancel = reject;
          });
        }
        if (statement === sql.off || statement.startsWith('BACKUP SERVER')) suspended = undefined;
        if (statement.startsWith('KILL ')) sessions.get(Number(statement.slice(5)))?.end('killed');
        return own(statement);
      },
    };
  };

  const server: FakeSqlServer = {
    said,
    stubborn,
    refuse: undefined,
    answer: () => undefined,
    holder: () => suspended?.session,
    resume: () => {
      suspended = undefined;
    },
    suspend: (session) => {
      suspended = { session, since: Date.now() };
    },
    end: (session, reason) => sessions.get(session)?.end(reason),
    connect: async () => {
      if (server.refuse) throw server.refuse;
      return open();
    },
  };
  return server;
}
