// The moment at which restored databases get their names: all of them, or none.

import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { isCode } from '../../../base/errors.ts';
import type { Warn } from '../../../ports/source.ts';
import type { Asker } from '../address.ts';
import { ident } from '../text.ts';
import type { ServerFacts } from './facts.ts';

export interface Renaming {
  readonly name: string;
  readonly interim: string;
  /** Another one has the name. */
  readonly there: boolean;
}

/** A client that comes again at once can be quicker than the renaming. */
const tries = 10;

/** Gives how many databases were dropped for others. */
export async function takeNames(session: Asker, renamings: readonly Renaming[], server: ServerFacts, warn: Warn): Promise<number> {
  if (renamings.length === 0) return 0;
  const olds = renamings
    .filter(({ there }) => there)
    .map(({ name }) => ({ name, old: `stillpoint_old_${randomBytes(6).toString('hex')}` }));
  const statements = [
    ...olds.map(({ name, old }) => `ALTER DATABASE ${ident(name)} RENAME TO ${ident(old)}`),
    ...renamings.map(({ name, interim }) => `ALTER DATABASE ${ident(interim)} RENAME TO ${ident(name)}`),
  ];
  const names = [...olds.map(({ name }) => name), ...renamings.map(({ interim }) => interim)];
  for (let attempt = 1; ; attempt++) {
    try {
      await session.ask('begin', 'BEGIN');
      await session.ask(
        'end the connections',
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY($1) AND pid <> pg_backend_pid()',
        [names],
      );
      for (const sql of statements) await session.ask('rename the databases', sql);
      await session.ask('commit', 'COMMIT');
      break;
    } catch (error) {
      await session.ask('roll back', 'ROLLBACK').catch(() => undefined);
      // 55006: somebody is in it again.
      const { code } = ((error as Error).cause ?? {}) as { code?: unknown };
      if (!isCode(error, 'DATABASE_FAILED') || code !== '55006' || attempt === tries) throw error;
      await pause(100 * attempt);
    }
  }
  for (const { name, old } of olds) {
    await dropDatabase(session, old, server).catch((error: Error) => {
      warn({ item: `database ${name}`, detail: `the one that was there is ${old} now and could not be dropped: ${error.message}` });
    });
  }
  return olds.length;
}

/** With the connections to it; none is no trouble. */
export async function dropDatabase(session: Asker, name: string, { major }: ServerFacts): Promise<void> {
  await session.ask('drop a database', `DROP DATABASE IF EXISTS ${ident(name)}${major >= 13 ? ' WITH (FORCE)' : ''}`);
}
