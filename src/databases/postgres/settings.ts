// What stands on top of postgres_freeze.sh.
import { isAbsolute } from 'node:path';
import type { DatabaseSetting, DatabaseSettings } from '../../ports/database.ts';
import { type ServerAccess, settingsReader } from '../settings.ts';

export const settings = {
  user: {},
  password: { secret: true },
  /** Directory of the Unix socket. */
  socket: { fallback: '/var/run/postgresql' },
  /** Instead of the socket. */
  host: {},
  port: { fallback: '5432' },
  /** Any database that the user may connect to: the freeze is of the whole cluster. */
  database: { fallback: 'postgres' },
  /** A file of certificates (PEM): the line to `host` is encrypted, and the server must prove itself by one of them. Needed for another host. */
  ca: {},
} as const satisfies Record<string, DatabaseSetting>;

/** `host`: a name, or the directory of the socket. */
export interface Access extends ServerAccess {
  readonly database: string;
  /** The host name; empty for a socket. */
  readonly remote: string;
}

/** Throws USAGE for settings that cannot be. */
export function accessOf(given: DatabaseSettings): Access {
  const { value, port, ca, wrong } = settingsReader('PostgreSQL', settings, given);
  const [remote, folder] = [value('host'), value('socket')];
  if (!isAbsolute(folder)) wrong(`the socket of PostgreSQL is an absolute path of a directory, not ${folder}`);
  if (remote.startsWith('/')) wrong('the host of PostgreSQL is a name or an address; a directory goes into the setting socket');
  if (value('ca') !== '' && remote === '') wrong('the setting ca of PostgreSQL needs a host');
  const number = port(value('port'));
  return {
    user: value('user'),
    password: value('password'),
    host: remote || folder,
    port: number,
    database: value('database'),
    ca: remote === '' ? '' : ca(value('ca'), remote),
    remote,
    address: remote === '' ? `${folder}/.s.PGSQL.${number}` : `${remote}:${number}`,
  };
}
