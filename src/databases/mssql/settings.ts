// What stands on top of mssql_freeze.sh.
import type { DatabaseSetting, DatabaseSettings } from '../../ports/database.ts';
import { type ServerAccess, settingsReader } from '../settings.ts';

export const settings = {
  user: {},
  password: { secret: true },
  host: { fallback: '127.0.0.1' },
  port: { fallback: '1433' },
  /** A file of certificates (PEM) by which the server must prove itself; without it only a server of this host is logged in to. */
  ca: {},
  /**
   * A directory of the server's host that the server may write to: there each thaw leaves a file of its own with what `RESTORE … WITH
   * METADATA_ONLY` needs. It belongs to the backup of that freeze, and the agent never removes it. Without it a thaw only lets go, and
   * databases are restored by attaching them.
   */
  metadata: {},
} as const satisfies Record<string, DatabaseSetting>;

export interface Access extends ServerAccess {
  readonly metadata: string;
  readonly encrypt: boolean;
}

/** Throws USAGE for settings that cannot be. */
export function accessOf(given: DatabaseSettings): Access {
  const { value, port, ca, wrong } = settingsReader('SQL Server', settings, given);
  const [host, metadata] = [value('host'), value('metadata')];
  if (metadata !== '' && !/^(\/|[A-Za-z]:\\)[^\p{Cc}]{1,150}$/u.test(metadata)) {
    wrong('the setting metadata of SQL Server is an absolute path of a directory, of at most 150 characters');
  }
  const number = port(value('port'));
  return {
    user: value('user'),
    password: value('password'),
    host,
    port: number,
    ca: ca(value('ca'), host),
    metadata,
    encrypt: true,
    address: `${host}:${number}`,
  };
}
