// What stands on top of postgres_freeze.sh.
import { isAbsolute } from 'node:path';
import { fail } from '../../base/errors.ts';
import type { DatabaseSetting, DatabaseSettings } from '../../ports/database.ts';

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
  /** A file of certificates (PEM): the line to `host` is encrypted, and the server must prove itself by one of them. */
  ca: {},
} as const satisfies Record<string, DatabaseSetting>;

/** Where and as whom to log in. */
export interface Access {
  readonly user: string;
  readonly password: string;
  /** A directory (of the socket) or a host name. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly ca: string;
  /** The server's files are those of this host. */
  readonly local: boolean;
  /** For messages. */
  readonly address: string;
}

/** Throws USAGE for settings that cannot be. */
export function accessOf(given: DatabaseSettings): Access {
  for (const name of Object.keys(given)) if (!Object.hasOwn(settings, name)) wrong(`PostgreSQL has no setting ${name}`);
  const value = (name: keyof typeof settings): string => {
    const { fallback }: DatabaseSetting = settings[name];
    return given[name] || (fallback ?? '');
  };
  if (value('user') === '') wrong('the user of PostgreSQL is not set');
  if (!isAbsolute(value('socket'))) wrong(`the socket of PostgreSQL is an absolute path of a directory, not ${value('socket')}`);
  if (value('host').startsWith('/')) wrong('the host of PostgreSQL is a name or an address; a directory goes into the setting socket');
  if (value('ca') !== '' && (value('host') === '' || !isAbsolute(value('ca')))) {
    wrong('the setting ca of PostgreSQL is an absolute path and needs a host');
  }
  const port = Number(value('port'));
  if (!/^\d{1,5}$/.test(value('port')) || port < 1 || port > 65_535) wrong(`the port of PostgreSQL is 1 to 65535, not ${value('port')}`);
  const host = value('host') || value('socket');
  return {
    user: value('user'),
    password: value('password'),
    host,
    port,
    database: value('database'),
    ca: value('ca'),
    local: value('host') === '' || /^(localhost|127(\.\d+){3}|::1)$/.test(host),
    address: value('host') === '' ? `${host}/.s.PGSQL.${port}` : `${host}:${port}`,
  };
}

function wrong(detail: string): never {
  fail('USAGE', { detail });
}
