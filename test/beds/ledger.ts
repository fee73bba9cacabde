// A ledger whose rows sum to zero in every table, at every moment at which all of a statement, or of a transaction, is there or none of it.
import { setTimeout as pause } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import type { FactsByName } from '../../src/model/freeze.ts';
import type { SqlServer } from './mariadb.ts';
import { run } from './programs.ts';

const engines = ['InnoDB', 'MyISAM', 'Aria'] as const;
const tables = engines.map((engine) => `ledger.${engine}`).join(', ');

export async function createLedger(server: SqlServer): Promise<void> {
  await server.sql('CREATE DATABASE ledger');
  for (const engine of engines)
    await server.sql(`CREATE TABLE ledger.${engine} (id INT AUTO_INCREMENT PRIMARY KEY, amount INT, note CHAR(200)) ENGINE=${engine}`);
}

/** Writers that never stop, until they are told to; gives how often they wrote. */
export async function ledgerLoad(server: SqlServer): Promise<{ stop(): Promise<number> }> {
  let running = true;
  let writes = 0;
  const writer = async (work: (session: Connection) => Promise<unknown>) => {
    const session = await server.connect();
    for (; running; writes++) await work(session);
    session.destroy();
  };
  const pair = (table: string) => `INSERT INTO ledger.${table} (amount, note) VALUES (7, REPEAT('x', 200)), (-7, REPEAT('y', 200))`;
  const works = [
    writer((session) => session.query(pair('MyISAM'))),
    writer((session) => session.query(pair('Aria'))),
    ...[1, 2].map(() =>
      writer(async (session) => {
        await session.query("BEGIN; INSERT INTO ledger.InnoDB (amount, note) VALUES (3, 'a')");
        await session.query("INSERT INTO ledger.InnoDB (amount, note) VALUES (-3, 'b'); COMMIT");
      }),
    ),
  ];
  await pause(500);
  return {
    stop: async () => {
      running = false;
      await Promise.all(works);
      return writes;
    },
  };
}

/** What CHECK TABLE says of each. */
export const checkTables = async (copy: SqlServer): Promise<string[]> =>
  (await copy.sql(`CHECK TABLE ${tables}`)).map((row) => `${row['Msg_type']}: ${row['Msg_text']}`);

export const allSound = engines.map(() => 'status: OK');

export const sums = async (copy: SqlServer): Promise<number[]> =>
  Promise.all(engines.map(async (table) => Number((await copy.sql(`SELECT SUM(amount) AS s FROM ledger.${table}`))[0]!['s'])));

export const allZero = engines.map(() => 0);

export const checksums = async (copy: SqlServer): Promise<string[]> =>
  (await copy.sql(`CHECKSUM TABLE ${tables}`)).map((row) => String(row['Checksum']));

/** Where the binary log stood, as the server itself told it while nothing could be committed. */
export function binaryLog(facts: FactsByName): { readonly file: string; readonly position: string } {
  const { 'binary-log-file': file = '', 'binary-log-position': position = '' } = facts['mysql'] ?? {};
  return { file, position };
}

/** `logs`: paths of binary logs, in their order; what they hold from `position` on is done again. */
export async function replay(copy: SqlServer, logs: readonly string[], position: string): Promise<void> {
  const reader = ['mariadb-binlog', `--start-position=${position}`, ...logs];
  await run('bash', ['-o', 'pipefail', '-c', '"$@" | mariadb -u root -S "$0"', copy.socket, ...reader], { timeout: 120_000 });
}
