// The engine's own programs: which, and how they reach the server. No argument and no variable of theirs holds a password.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { fail, failure, type StillpointError } from '../../../base/errors.ts';
import { outputOf } from '../../../base/program.ts';
import { label, type Server } from '../server.ts';
import { addressText, type MysqlSettings } from '../settings.ts';

export interface Tool {
  readonly name: string;
  readonly package: string;
}

const packages = { MariaDB: 'mariadb-client', MySQL: 'mysql-client' } as const;
const names = { MariaDB: { dump: 'mariadb-dump', client: 'mariadb' }, MySQL: { dump: 'mysqldump', client: 'mysql' } } as const;

/** The one of this server's family: MariaDB has programs of the names of MySQL's. Throws TOOL_MISSING, TOOL_VERSION, TOOL_FAILED. */
export async function toolFor(server: Server, what: 'dump' | 'client'): Promise<Tool> {
  const tool = { name: names[server.kind][what], package: packages[server.kind] };
  const version = await outputOf([tool.name, '--version'], { package: tool.package });
  if (/mariadb/i.test(version) === (server.kind === 'MariaDB')) return tool;
  return fail('TOOL_VERSION', { tool: tool.name, have: version.trim(), server: label(server), package: tool.package });
}

export interface OptionFile {
  readonly path: string;
  remove(): void;
}

export type Option = readonly [name: string, value?: string | number];

/** For --defaults-file, 0600, in a directory of its own below `scratch`. */
export function optionFile(settings: MysqlSettings, server: Server, options: readonly Option[], scratch: string): OptionFile {
  const folder = mkdtempSync(join(scratch, 'mysql-'));
  const lines = [...access(settings, server), ...options].map(([name, value]) =>
    value === undefined ? name : `${name} = ${optionValue(value)}`,
  );
  const path = join(folder, 'options');
  writeFileSync(path, `[client]\n${lines.join('\n')}\n`, { mode: 0o600, flag: 'wx' });
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

function access({ address, user, password, ca }: MysqlSettings, server: Server): readonly Option[] {
  const place: Option[] =
    'socket' in address
      ? [['socket', address.socket]]
      : [
          ['host', address.host],
          ['port', address.port],
          ['protocol', 'tcp'],
        ];
  return [...place, ['user', user], ['password', password], ...(ca === '' || 'socket' in address ? [] : tls(address.host, ca, server))];
}

/** A certificate is compared with a name, not with an address. */
function tls(host: string, ca: string, server: Server): readonly Option[] {
  const named = isIP(host) === 0;
  if (server.kind === 'MySQL')
    return [
      ['ssl-ca', ca],
      ['ssl-mode', named ? 'VERIFY_IDENTITY' : 'VERIFY_CA'],
    ];
  return [['ssl-ca', ca], ['ssl'], [named ? 'ssl-verify-server-cert' : 'skip-ssl-verify-server-cert']];
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** As files of options have it. Throws USAGE for a NUL. */
export function optionValue(value: string | number): string {
  const text = String(value);
  if (text.includes('\0')) fail('USAGE', { detail: 'mysql: a setting of the login, or a name, holds a NUL' });
  return `"${text.replace(/[\\"\n\r\t]/g, (one) => escapes[one]!)}"`;
}

/** What a tool said when it failed, as an error of ours. `loading`: the table that was being restored. */
export function toolTrouble(error: StillpointError, settings: MysqlSettings, server: Server, loading?: string): StillpointError {
  if (error.code !== 'TOOL_FAILED') return error;
  const detail = error.message;
  const cause = { cause: error };
  const database = label(server);
  if (loading !== undefined && /\b(1114|1021)\b|[Ee]rrcode: 28\b/.test(detail)) return failure('TARGET_FULL', { path: loading }, cause);
  if (/\b(1142|1143|1044|1227|1370)\b|command denied/.test(detail))
    return failure('DATABASE_RIGHT', { user: settings.user, right: `do it (${detail})`, database }, cause);
  if (/\b1045\b/.test(detail)) return failure('DATABASE_LOGIN', { database, user: settings.user, detail }, cause);
  if (/Table definition has changed|\b1412\b|\b1146\b/.test(detail)) return failure('DATABASE_CHANGED', { database, detail }, cause);
  if (/\b(2002|2003|2006|2013|2026|1053|1927)\b|Lost connection|gone away|Server shutdown/i.test(detail))
    return failure('DATABASE_DOWN', { database, address: addressText(settings.address), detail }, cause);
  return loading === undefined ? error : failure('DATABASE_FAILED', { database, what: `load ${loading}`, detail }, cause);
}
