// Accounts, roles and what they may do, as one script.
import type { Row } from '../../sessions.ts';
import type { Server } from '../server.ts';
import type { Ask } from '../session.ts';
import { quoteText, script } from './sql.ts';

/** Made by the servers for themselves. */
const own = new Set(['mariadb.sys', 'mysql.sys', 'mysql.session', 'mysql.infoschema']);

interface Account {
  readonly user: string;
  readonly host: string;
  readonly role: boolean;
}

/** All accounts first, then what each may do: a role has to be there before it can be given. Needs SELECT on mysql.*. */
export async function accountsText(ask: Ask, server: Server): Promise<string> {
  if (server.kind === 'MySQL') await ask('SET SESSION print_identified_with_as_hex = 1').catch(() => undefined); // before 8.0.17 there is none
  const accounts = await accountsOf(ask, server);
  const made: string[] = [];
  const granted: string[] = [];
  for (const account of accounts) {
    made.push(marked(account, await creation(ask, account)));
    for (const row of await ask(`SHOW GRANTS FOR ${accountName(account)}`)) granted.push(marked(account, only(row)));
  }
  return script([...made, ...granted]);
}

async function accountsOf(ask: Ask, server: Server): Promise<readonly Account[]> {
  const role = server.kind === 'MariaDB' ? 'is_role' : "'N'";
  const rows = await ask(`SELECT User AS user, Host AS host, ${role} AS role FROM mysql.user ORDER BY 3 DESC, 1, 2`);
  const all = rows.map((row) => ({ user: String(row['user']), host: String(row['host']), role: row['role'] === 'Y' }));
  return all.filter(({ user, role: isRole }) => !own.has(user) && !(isRole && user === 'PUBLIC'));
}

async function creation(ask: Ask, account: Account): Promise<string> {
  if (account.role) return `CREATE ROLE IF NOT EXISTS ${accountName(account)}`;
  const text = only((await ask(`SHOW CREATE USER ${accountName(account)}`))[0] ?? {});
  return text.replace(/^CREATE USER /, 'CREATE USER IF NOT EXISTS ');
}

const only = (row: Row): string => String(Object.values(row)[0]);

export const accountName = ({ user, host, role }: Account): string => (role ? quoteText(user) : `${quoteText(user)}@${quoteText(host)}`);

/** On a line of its own before the statement: whom it is about. */
const marked = ({ user, host, role }: Account, statement: string): string => `-- ${JSON.stringify({ user, host, role })}\n${statement}`;

export interface AccountStatement {
  readonly account: Account;
  readonly statement: string;
}

/** Undefined where the statement says of nobody. */
export function accountStatement(text: string): AccountStatement | undefined {
  const end = text.indexOf('\n');
  if (!text.startsWith('-- {') || end === -1) return undefined;
  const { user, host, role } = JSON.parse(text.slice(3, end)) as Account;
  return { account: { user: String(user), host: String(host), role: role === true }, statement: text.slice(end + 1) };
}
