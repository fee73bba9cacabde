// Accounts of a whole instance: those that are not there are made; those that are only where replacing was asked for, never the one in use.
import type { Warn } from '../../../ports/source.ts';
import type { Ask } from '../session.ts';
import { accountName, accountStatement } from './accounts.ts';
import { statementsOf } from './sql.ts';

/** Gives how many were made or changed. What one of them lacks is a warning: the data is there. */
export async function restoreAccounts(ask: Ask, text: string, replace: boolean, warn: Warn): Promise<number> {
  const rows = await ask('SELECT User AS user, Host AS host FROM mysql.user');
  const key = (user: string, host: string) => JSON.stringify([user, host]);
  const there = new Set(rows.map((row) => key(String(row['user']), String(row['host']))));
  const me = String((await ask('SELECT CURRENT_USER() AS me'))[0]?.['me']);
  const done = new Set<string>();
  for (const one of statementsOf(text)) {
    const { account, statement } = accountStatement(one) ?? {};
    if (!account || !statement) continue;
    const { user, host } = account;
    const exists = there.has(key(user, host));
    if (`${user}@${host}` === me || (exists && !replace)) continue;
    try {
      await ask(exists ? statement.replace(/^CREATE USER IF NOT EXISTS /, 'ALTER USER ') : statement);
      done.add(key(user, host));
    } catch (error) {
      warn({ item: accountName(account), detail: `not all of this account was restored: ${(error as Error).message}` });
    }
  }
  if (done.size > 0) await ask('FLUSH PRIVILEGES').catch(() => undefined);
  return done.size;
}
