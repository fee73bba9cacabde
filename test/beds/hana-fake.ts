// A SAP HANA that is only as real as its data snapshots: sessions, the backup catalogue, and every statement in the order of the wire.
import type { Connect } from '../../src/databases/hana/session.ts';
import * as sql from '../../src/databases/hana/statements.ts';
import type { Row, Session } from '../../src/databases/sessions.ts';

type Answer = readonly Row[] | Error | 'never' | undefined;

export interface CatalogueEntry {
  readonly id: string;
  readonly comment: string;
  state: string;
}

export interface FakeHana {
  readonly connect: Connect;
  /** `connection: statement`, and `connection: close`. */
  readonly said: string[];
  /** Answers instead of the server's own, undefined for its own. */
  answer: (statement: string, connection: number) => Answer;
  /** Thrown by the next logins. */
  refuse: Error | undefined;
  /** Oldest first. */
  readonly catalogue: CatalogueEntry[];
  /** CREATE works, but its answer comes only when this is resolved. */
  slow: Promise<void> | undefined;
  /** The server ends a session. */
  end(connection: number, reason: string): void;
}

const names = new Map<string, string>([
  [sql.about, 'about'],
  [sql.hosts, 'hosts'],
  [sql.replication, 'replication'],
  [sql.places, 'places'],
  [sql.volumes, 'volumes'],
  [sql.prepared, 'prepared'],
  [sql.running, 'running'],
  [sql.self, 'self'],
]);

export function fakeHana(): FakeHana {
  const said: string[] = [];
  const catalogue: CatalogueEntry[] = [];
  const sessions = new Map<number, { end(reason: string): void }>();
  const executing = new Set<number>();
  let last = 300_000;

  const own = (statement: string): readonly Row[] => {
    if (statement === sql.about) return [{ SID: 'HDB', NAME: 'SYSTEMDB', VERSION: '2.00.076.00.1705400033' }];
    if (statement === sql.hosts) return [{ HOSTS: 1 }];
    if (statement === sql.places) return [{ KEY: 'basepath_datavolumes', VALUE: '/hana/data/HDB' }];
    if (statement === sql.volumes) return [{ PATH: '/hana/data/HDB/mnt00001/hdb00001/datavolume_0000.dat' }];
    if (statement === sql.prepared) {
      return catalogue.filter((entry) => entry.state === 'prepared').map(({ id, comment }) => ({ ID: id, COMMENT: comment }));
    }
    const state = /^SELECT STATE_NAME .*BACKUP_ID = (\d+)$/.exec(statement);
    if (state) return catalogue.filter((entry) => entry.id === state[1]).map((entry) => ({ STATE: entry.state }));
    const create = /CREATE SNAPSHOT COMMENT '(.*)'$/.exec(statement);
    if (create) catalogue.push({ id: String(1_700_000_000_000 + catalogue.length), comment: create[1]!, state: 'prepared' });
    const close = /CLOSE SNAPSHOT BACKUP_ID (\d+) UNSUCCESSFUL /.exec(statement);
    if (close) for (const entry of catalogue) if (entry.id === close[1]) entry.state = 'failed';
    const busy = /^SELECT TO_VARCHAR\(CONNECTION_ID\) .*CONNECTION_ID = (\d+) /.exec(statement);
    if (busy) return executing.has(Number(busy[1])) ? [{ ID: busy[1] }] : [];
    const disconnect = /DISCONNECT SESSION '(\d+)'$/.exec(statement);
    if (disconnect) sessions.get(Number(disconnect[1]))?.end('disconnected');
    return [];
  };

  const open = (): Session => {
    const id = ++last;
    let lost: string | undefined;
    const waiting = new Set<(error: Error) => void>();
    const end = (reason: string) => {
      lost ??= reason;
      sessions.delete(id);
      executing.delete(id);
      for (const reject of waiting) reject(Object.assign(new Error(reason), { code: 'EHDBCLOSE' }));
    };
    sessions.set(id, { end });
    return {
      lost: () => lost,
      close: () => {
        if (sessions.has(id)) said.push(`${id}: close`);
        end('it was closed');
      },
      query: async (statement) => {
        if (lost) throw new Error(lost);
        const name = names.get(statement) ?? statement;
        said.push(`${id}: ${name}`);
        const answer = hana.answer(name, id);
        if (answer instanceof Error) throw answer;
        if (answer === 'never') return new Promise((_, reject) => waiting.add(reject));
        if (answer) return answer;
        if (statement === sql.self) return [{ ID: String(id) }];
        if (hana.slow && statement.includes('CREATE SNAPSHOT')) {
          executing.add(id);
          const made = hana.slow.then(() => {
            executing.delete(id);
            return own(statement);
          });
          return Promise.race([made, new Promise<never>((_, reject) => waiting.add(reject))]);
        }
        return own(statement);
      },
    };
  };

  const hana: FakeHana = {
    said,
    catalogue,
    slow: undefined,
    refuse: undefined,
    answer: () => undefined,
    end: (connection, reason) => sessions.get(connection)?.end(reason),
    connect: async () => {
      if (hana.refuse) throw hana.refuse;
      return open();
    },
  };
  return hana;
}
