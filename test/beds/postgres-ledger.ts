// Two tables whose amounts sum to zero at every moment at which all of a transaction is there or none of it; and clients of a server.
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import type { ServerAddress } from '../../src/model/service.ts';
import type { Postgres } from './postgres.ts';

export const addressOf = ({ socket, port, user, password }: Postgres): ServerAddress => ({ socket, port, user, password });

/** A server by its socket and port, as a new instance is reached. */
export interface Reached {
  readonly socket: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string;
}

export async function connectTo({ socket, port, user, password }: Reached, database = 'postgres'): Promise<Client> {
  const client = new Client({ host: socket, port, user, password: password ?? '', database });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Rows of one statement, their values as text joined by `|`. */
export async function ask(server: Reached, sql: string, database = 'postgres'): Promise<string[]> {
  const client = await connectTo(server, database);
  try {
    const result = await client.query({ text: sql, rowMode: 'array' });
    const rows = (Array.isArray(result) ? result.at(-1).rows : result.rows) as unknown[][];
    return rows.map((row) => row.map((value) => (value === null ? '' : String(value))).join('|'));
  } finally {
    await client.end();
  }
}

export async function createLedger(server: Reached, database = 'postgres'): Promise<void> {
  await ask(
    server,
    ['debit', 'credit']
      .map(
        (name) =>
          `CREATE TABLE ${name} (id bigserial PRIMARY KEY, amount int NOT NULL, note text, at timestamptz DEFAULT clock_timestamp())`,
      )
      .join(';'),
    database,
  );
}

/** Writers that never stop, until they are told to or their server is gone; gives how often they wrote. */
export async function ledgerLoad(server: Reached, database = 'postgres', rows = 3): Promise<{ stop(): Promise<number> }> {
  let running = true;
  let writes = 0;
  const writer = async (least: number) => {
    const client = await connectTo(server, database);
    try {
      for (let n = 1; running; n++) {
        const amount = least + (n % 100);
        const values = (value: number) => `SELECT ${value}, repeat(md5(random()::text), 8) FROM generate_series(1, ${rows})`;
        await client.query('BEGIN');
        await client.query(`INSERT INTO debit (amount, note) ${values(amount)}`);
        await client.query(`INSERT INTO credit (amount, note) ${values(-amount)}`);
        await client.query('COMMIT');
        writes++;
      }
    } catch {
      // the server is gone
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const works = [writer(1), writer(1000)];
  while (writes === 0) await pause(20);
  return {
    stop: async () => {
      running = false;
      await Promise.all(works);
      return writes;
    },
  };
}

/** `sum|rows` over both tables. */
export const balance = async (server: Reached, database = 'postgres'): Promise<string> =>
  (await ask(server, 'SELECT sum(amount), count(*) FROM (SELECT amount FROM debit UNION ALL SELECT amount FROM credit) a', database))[0]!;
