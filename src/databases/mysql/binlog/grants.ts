// What the account must be allowed to do to read the log.
import { fail } from '../../../base/errors.ts';
import { isAtLeast, label, type Server } from '../server.ts';
import type { Ask } from '../session.ts';

/** Throws DATABASE_GRANTS with all that are missing. */
export async function needLogRights(ask: Ask, server: Server, user: string): Promise<void> {
  if (server.rights.has('ALL PRIVILEGES')) return;
  const newNames = server.kind === 'MariaDB' && isAtLeast(server.version, '10.5.2');
  const look = newNames ? ['BINLOG MONITOR', 'REPLICATION CLIENT'] : ['REPLICATION CLIENT', 'SUPER'];
  const missing = [['REPLICATION SLAVE'], look].filter((names) => !names.some((name) => server.rights.has(name))).map(([name]) => name);
  if (missing.length === 0) return;
  const account = String((await ask('SELECT CURRENT_USER() AS account'))[0]?.['account'] ?? user);
  const at = account.lastIndexOf('@');
  const quoted = `'${account.slice(0, at).replaceAll("'", "''")}'@'${account.slice(at + 1)}'`;
  const statement = `GRANT ${missing.join(', ')} ON *.* TO ${quoted}`;
  fail('DATABASE_GRANTS', { user, database: label(server), missing: missing.join(' and '), statement });
}
