// What stands on top of hana_freeze.sh.
import type { DatabaseSetting, DatabaseSettings } from '../../ports/database.ts';
import { type ServerAccess, settingsReader } from '../settings.ts';

export const settings = {
  /** A user of SYSTEMDB with BACKUP OPERATOR (or BACKUP ADMIN) and CATALOG READ. */
  user: {},
  password: { secret: true },
  host: { fallback: '127.0.0.1' },
  /** Two digits. */
  instance: { fallback: '00' },
  /** Instead of SYSTEMDB's own, 3<instance>13. */
  port: {},
  /** Three characters; where it is set, a system of another name is refused. */
  sid: {},
  /** A file of certificates (PEM): the line is encrypted, and the server must prove itself by one of them. Needed for another host. */
  ca: {},
} as const satisfies Record<string, DatabaseSetting>;

export interface Access extends ServerAccess {
  /** Of the system that is meant; empty for any. */
  readonly sid: string;
}

/** Throws USAGE for settings that cannot be. */
export function accessOf(given: DatabaseSettings): Access {
  const { value, port, ca, wrong } = settingsReader('SAP HANA', settings, given);
  const [host, sid] = [value('host'), value('sid').toUpperCase()];
  if (!/^\d\d$/.test(value('instance'))) wrong(`the instance of SAP HANA is two digits, not ${value('instance')}`);
  if (sid !== '' && !/^[A-Z][A-Z0-9]{2}$/.test(sid)) wrong(`the SID of SAP HANA is three characters, not ${sid}`);
  const number = port(value('port') || systemPort(value('instance')));
  return {
    user: value('user'),
    password: value('password'),
    host,
    port: number,
    sid,
    ca: ca(value('ca'), host),
    address: `${host}:${number}`,
  };
}

/** Where SYSTEMDB of an instance listens. */
export function systemPort(instance: string): string {
  return `3${instance}13`;
}
