// Everything that can be a reason not to begin a physical backup, and what a new server made from it has to know.
import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { fail } from '../../../base/errors.ts';
import { isThisHost } from '../../settings.ts';
import { label, type Right, readServer, type Server } from '../server.ts';
import { identityAndFolder, type ServerFacts, serverFacts } from '../server-facts.ts';
import type { Ask } from '../session.ts';
import { addressText, type MysqlSettings } from '../settings.ts';
import { type BackupTool, toolFor } from './tool.ts';

export interface Looked {
  readonly server: Server;
  readonly tool: BackupTool;
  readonly identity: string;
  readonly facts: ServerFacts;
}

/** Throws DATABASE_GRANTS, DATABASE_FAILED for a server of another host, TOOL_MISSING, TOOL_VERSION. */
export async function look(ask: Ask, settings: MysqlSettings): Promise<Looked> {
  const server = await readServer(ask);
  await needGrants(ask, server, settings.user);
  const { identity, folder } = await identityAndFolder(ask, server);
  await needHere(settings, server, folder);
  return { server, identity, tool: await toolFor(server), facts: await serverFacts(ask, server) };
}

/** The tool reads the files themselves. Throws DATABASE_ELSEWHERE. */
async function needHere({ address }: MysqlSettings, server: Server, folder: string): Promise<void> {
  const away = (detail: string) => fail('DATABASE_ELSEWHERE', { database: label(server), detail });
  if ('host' in address && !isThisHost(address.host) && address.host !== hostname()) away(`it runs at ${addressText(address)}`);
  const found = await stat(folder).catch(() => undefined);
  if (!found?.isDirectory()) away(`its data directory ${folder} is not on this host, or may not be seen`);
}

const mariaRights: readonly Right[] = [
  { names: ['RELOAD'], what: 'lock' },
  { names: ['PROCESS'], what: 'see' },
];
const mysqlRights: readonly Right[] = [...mariaRights, { names: ['BACKUP_ADMIN'], what: 'lock' }, { names: ['LOCK TABLES'], what: 'lock' }];
const mariaLog: Right = { names: ['BINLOG MONITOR', 'REPLICATION CLIENT', 'SUPER'], what: 'log' };
const mysqlLog: Right = { names: ['REPLICATION CLIENT', 'SUPER'], what: 'log' };

/** Throws DATABASE_GRANTS with all that are missing, and the statement that grants them. */
async function needGrants(ask: Ask, server: Server, user: string): Promise<void> {
  const maria = server.kind === 'MariaDB';
  const needed = [...(maria ? mariaRights : mysqlRights), ...(server.binaryLog ? [maria ? mariaLog : mysqlLog] : [])];
  const has = (right: Right) => server.rights.has('ALL PRIVILEGES') || right.names.some((name) => server.rights.has(name));
  const missing = needed.filter((right) => !has(right)).map(({ names }) => names[0]!);
  if (missing.length === 0) return;
  const [who = user, where = '%'] = String((await ask('SELECT CURRENT_USER() AS me'))[0]?.['me']).split(/@(?=[^@]*$)/);
  const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;
  const statement = `GRANT ${missing.join(', ')} ON *.* TO ${quote(who)}@${quote(where)}`;
  fail('DATABASE_GRANTS', { user, database: label(server), missing: missing.join(', '), statement });
}
