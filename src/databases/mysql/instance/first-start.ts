// The first start of a new server, that nobody can reach but us: it recovers, is looked over, takes the log that followed, and is shut down in
// order. An account of our own is made for it and dropped again: those of the backup have passwords that we need not know. It has none, for only
// root and the server's own user get to the socket yet.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerAddress } from '../../../model/service.ts';
import { settingsOf } from '../physical/access.ts';
import { type Ask, openSession } from '../session.ts';
import { giveFile, type Layout } from './layout.ts';
import type { ServerProgram } from './program.ts';
import { runServer } from './run-server.ts';

/** Milliseconds. Looking at every table opens it. */
const patience = { login: 30_000, answer: 3_600_000 };

/** Rules for passwords that the old server had must not keep our account out. */
const alone = ['--skip-networking', '--loose-simple-password-check=OFF', '--loose-cracklib-password-check=OFF'];

export interface Reached {
  readonly address: { readonly socket: string; readonly user: string };
  readonly ask: Ask;
}

/** `more`: options of this start only. Throws INSTANCE_FAILED and what `work` throws; the server is gone then. */
export async function firstStart(
  program: ServerProgram,
  layout: Layout,
  more: readonly string[],
  signal: AbortSignal,
  work: (reached: Reached) => Promise<void>,
): Promise<void> {
  const user = `stillpoint_${randomBytes(6).toString('hex')}`;
  const account = `'${user}'@'localhost'`;
  const statements = join(layout.run, 'account.sql');
  const begin = ['SET SESSION sql_log_bin = 0;', `CREATE USER ${account};`, `GRANT ALL PRIVILEGES ON *.* TO ${account} WITH GRANT OPTION;`];
  giveFile(statements, `${begin.join('\n')}\n`, layout.owner);
  try {
    const server = await runServer(program, layout, [...alone, `--init-file=${statements}`, ...more], signal);
    try {
      rmSync(statements);
      const address = { socket: layout.socket, user };
      await asked(address, signal, async (ask) => {
        await work({ address, ask });
        await ask('SET SESSION sql_log_bin = 0');
        await ask(`DROP USER IF EXISTS ${account}`); // a log that was applied may have replaced all accounts
      });
      await server.stop();
    } finally {
      await server.kill();
    }
  } finally {
    rmSync(statements, { force: true });
  }
}

async function asked(address: ServerAddress, signal: AbortSignal, work: (ask: Ask) => Promise<void>): Promise<void> {
  const session = await openSession(settingsOf(address), patience.login, signal);
  try {
    await work((sql) => session.query(sql, patience.answer));
  } finally {
    session.close();
  }
}
