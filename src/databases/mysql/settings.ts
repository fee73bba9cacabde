// What stands on top of the mysql scripts, checked, with the defaults of a plain installation.
import { existsSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { fail } from '../../base/errors.ts';
import type { DatabaseSetting, DatabaseSettings } from '../../ports/database.ts';
import { settingsReader } from '../settings.ts';

export const mysqlSettings = {
  user: {},
  password: { secret: true },
  socket: {},
  host: {},
  port: { fallback: '3306' },
  /**
   * A file of certificates (PEM): the line to `host` is encrypted, and the server must prove itself by one of them; by its name too, where
   * `host` is a name. Needed for another host. Certificates that MySQL makes for itself name no host: give an address then.
   */
  ca: {},
  'longest-query': { fallback: '10' },
  'longest-wait': { fallback: '3' },
} as const satisfies Record<string, DatabaseSetting>;

/** Where MySQL and MariaDB put their sockets: Debian, Red Hat, SUSE, the sources. */
export const usualSockets: readonly string[] = [
  '/run/mysqld/mysqld.sock',
  '/var/lib/mysql/mysql.sock',
  '/run/mysql/mysql.sock',
  '/run/mariadb/mariadb.sock',
  '/tmp/mysql.sock',
];

export type Address = { readonly socket: string } | { readonly host: string; readonly port: number };

export interface MysqlSettings {
  readonly address: Address;
  readonly user: string;
  readonly password: string;
  /** Empty where the line does not leave this host. */
  readonly ca: string;
  /** A statement that has run longer refuses the freeze (s). */
  readonly longestQuery: number;
  /** So long all the locks of a freeze together may be waited for (s). */
  readonly longestWait: number;
}

/** Throws USAGE. */
export function readSettings(settings: DatabaseSettings): MysqlSettings {
  const { value, ca, wrong } = settingsReader('MySQL', mysqlSettings, settings);
  const address = addressOf(settings);
  if ('socket' in address && value('ca') !== '') wrong('the setting ca of MySQL needs a host');
  return {
    address,
    user: value('user'),
    password: value('password'),
    ca: 'socket' in address ? '' : ca(value('ca'), address.host),
    longestQuery: whole(settings, 'longest-query', 86_400),
    longestWait: whole(settings, 'longest-wait', 60),
  };
}

/** The socket or host that is set, else the first usual socket there is, else this host's port. Throws USAGE. */
export function addressOf(settings: DatabaseSettings, exists: (path: string) => boolean = existsSync): Address {
  const socket = settings['socket'] ?? '';
  const host = settings['host'] ?? '';
  const port = whole(settings, 'port', 65_535);
  if (socket !== '' && host !== '') fail('USAGE', { detail: 'mysql: set a socket or a host, not both' });
  if (socket !== '' && !isAbsolute(socket)) fail('USAGE', { detail: `mysql: the socket ${socket} is no absolute path` });
  if (socket !== '') return { socket };
  if (host !== '') return { host, port };
  const usual = usualSockets.find(exists);
  return usual === undefined ? { host: '127.0.0.1', port } : { socket: usual };
}

export const addressText = (address: Address): string => ('socket' in address ? address.socket : `${address.host}:${address.port}`);

function whole(settings: DatabaseSettings, name: 'port' | 'longest-query' | 'longest-wait', most: number): number {
  const text = settings[name] || mysqlSettings[name].fallback;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > most) fail('USAGE', { detail: `mysql: ${name} must be a whole number from 1 to ${most}, not ${text}` });
  return number;
}
