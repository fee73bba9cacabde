// What stands on top of mssql_freeze.sh.
import { isAbsolute } from 'node:path';
import { fail } from '../../base/errors.ts';
import type { DatabaseSetting, DatabaseSettings } from '../../ports/database.ts';

export const settings = {
  user: {},
  password: { secret: true },
  host: { fallback: '127.0.0.1' },
  port: { fallback: '1433' },
  /** A file of certificates (PEM) by which the server must prove itself. Without it the line is encrypted, but anybody may be at its end. */
  ca: {},
  /**
   * Where the server writes what `RESTORE … WITH METADATA_ONLY` needs, at each thaw, over what was there; an absolute path of the server's
   * host. Without it a thaw only lets go, and databases are restored by attaching them.
   */
  metadata: {},
} as const satisfies Record<string, DatabaseSetting>;

/** Where and as whom to log in. */
export interface Access {
  readonly user: string;
  readonly password: string;
  readonly host: string;
  readonly port: number;
  readonly ca: string;
  readonly metadata: string;
  readonly encrypt: boolean;
  /** For messages. */
  readonly address: string;
}

/** Throws USAGE for settings that cannot be. */
export function accessOf(given: DatabaseSettings): Access {
  for (const name of Object.keys(given)) if (!Object.hasOwn(settings, name)) wrong(`SQL Server has no setting ${name}`);
  const value = (name: keyof typeof settings): string => {
    const { fallback }: DatabaseSetting = settings[name];
    return given[name] || (fallback ?? '');
  };
  const [host, metadata] = [value('host'), value('metadata')];
  if (value('user') === '') wrong('the user of SQL Server is not set');
  if (value('ca') !== '' && !isAbsolute(value('ca'))) wrong('the setting ca of SQL Server is an absolute path');
  if (metadata !== '' && !/^(\/|[A-Za-z]:\\)[^\p{Cc}]{1,250}$/u.test(metadata)) {
    wrong('the setting metadata of SQL Server is an absolute path of at most 250 characters');
  }
  const port = Number(value('port'));
  if (!/^\d{1,5}$/.test(value('port')) || port < 1 || port > 65_535) wrong(`the port of SQL Server is 1 to 65535, not ${value('port')}`);
  const { user, password, ca } = { user: value('user'), password: value('password'), ca: value('ca') };
  return { user, password, host, port, ca, metadata, encrypt: true, address: `${host}:${port}` };
}

function wrong(detail: string): never {
  fail('USAGE', { detail });
}
