// What server this is: its kind, its version, whether it is part of a cluster, and what the user may do there.
import { fail } from '../../base/errors.ts';
import type { Row } from '../sessions.ts';
import { type Ask, errorNumber } from './session.ts';

export interface Server {
  readonly kind: 'MariaDB' | 'MySQL';
  /** `10.11.19` */
  readonly version: string;
  readonly binaryLog: boolean;
  readonly syncBinlog: number;
  /** innodb_flush_log_at_trx_commit */
  readonly flushAtCommit: number;
  /** What cluster it belongs to; empty for none. */
  readonly cluster: string;
  /** Privileges on *.*, in capitals; `ALL PRIVILEGES` stands for all. */
  readonly rights: ReadonlySet<string>;
}

export const label = (server: Server): string => `${server.kind} ${server.version}`;

const variableNames = [
  'version',
  'version_comment',
  'log_bin',
  'sync_binlog',
  'innodb_flush_log_at_trx_commit',
  'wsrep_on',
  'wsrep_provider',
];

export async function readServer(ask: Ask): Promise<Server> {
  const names = variableNames.map((name) => `'${name}'`).join(', ');
  const variables = pairs(await ask(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`));
  const version = variables.get('version') ?? '';
  const maria = /mariadb/i.test(`${version} ${variables.get('version_comment')}`);
  return {
    kind: maria ? 'MariaDB' : 'MySQL',
    version: /\d+\.\d+\.\d+/.exec(version.replace(/^5\.5\.5-/, ''))?.[0] ?? version,
    binaryLog: variables.get('log_bin') === 'ON',
    syncBinlog: Number(variables.get('sync_binlog') ?? 1),
    flushAtCommit: Number(variables.get('innodb_flush_log_at_trx_commit') ?? 1),
    cluster: await clusterOf(ask, variables, maria),
    rights: globalRights(await ask('SHOW GRANTS')),
  };
}

export function isAtLeast(version: string, wanted: string): boolean {
  const have = version.split('.').map(Number);
  const want = wanted.split('.').map(Number);
  const first = want.findIndex((part, i) => part !== (have[i] ?? 0));
  return first === -1 || (have[first] ?? 0) > want[first]!;
}

async function clusterOf(ask: Ask, variables: ReadonlyMap<string, string>, maria: boolean): Promise<string> {
  const provider = variables.get('wsrep_provider') ?? '';
  if (variables.get('wsrep_on') === 'ON' && provider !== '' && provider !== 'none') {
    const size = pairs(await ask(`SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'`)).get('wsrep_cluster_size');
    return `Galera, ${size ?? 'unknown'} nodes`;
  }
  const engines = await ask('SHOW ENGINES');
  const ndb = engines.some((row) => /^ndbcluster$/i.test(String(row['Engine'])) && /^(YES|DEFAULT)$/.test(String(row['Support'])));
  if (ndb) return 'NDB Cluster';
  const members = maria ? 0 : await groupMembers(ask);
  return members > 0 ? `Group Replication, ${members} members` : '';
}

async function groupMembers(ask: Ask): Promise<number> {
  try {
    const rows = await ask(`SELECT COUNT(*) AS n FROM performance_schema.replication_group_members WHERE MEMBER_STATE <> 'OFFLINE'`);
    return Number(rows[0]?.['n'] ?? 0);
  } catch (error) {
    // 1142: may not read it, which the check of rights will say; 1146: the server is too old for it.
    if ([1142, 1146].includes(errorNumber(error))) return 0;
    throw error;
  }
}

/** What SHOW GRANTS grants on *.*, also by roles in force. The lines themselves hold password hashes: they go nowhere. */
export function globalRights(grants: readonly Row[]): ReadonlySet<string> {
  const lines = grants.map((row) => String(Object.values(row)[0]));
  const lists = lines.map((line) => /^GRANT (.+?) ON \*\.\* TO /.exec(line)?.[1] ?? '');
  return new Set(lists.flatMap((list) => list.split(',').map((right) => right.trim().toUpperCase())));
}

/** A right goes by different names in different versions: any one of `names` will do. */
export interface Right {
  readonly names: readonly string[];
  readonly what: string;
}

/** Throws DATABASE_RIGHT with all that are missing. */
export function needRights(server: Server, user: string, needed: readonly Right[]): void {
  if (server.rights.has('ALL PRIVILEGES')) return;
  const missing = needed.filter((right) => !right.names.some((name) => server.rights.has(name)));
  if (missing.length === 0) return;
  const right = missing.map(({ names, what }) => `${what} (${names[0]})`).join(' and ');
  fail('DATABASE_RIGHT', { user, right, database: label(server) });
}

export const pairs = (rows: readonly Row[]): ReadonlyMap<string, string> =>
  new Map(rows.map((row) => [String(row['Variable_name']).toLowerCase(), String(row['Value'])]));
