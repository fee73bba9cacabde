// What stands on top of hana_freeze.sh.
import { isAbsolute } from 'node:path';
import { fail } from '../../base/errors.ts';
import type { DatabaseSetting, DatabaseSettings } from '../../ports/database.ts';

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
  /** A file of certificates (PEM): the line is encrypted, and the server must prove itself by one of them. */
  ca: {},
} as const satisfies Record<string, DatabaseSetting>;

/** Where and as whom to log in. */
export interface Access {
  readonly user: string;
  readonly password: string;
  readonly host: string;
  readonly port: number;
  readonly sid: string;
  readonly ca: string;
  /** For messages. */
  readonly address: string;
}

/** Throws USAGE for settings that cannot be. */
export function accessOf(given: DatabaseSettings): Access {
  for (const name of Object.keys(given)) if (!Object.hasOwn(settings, name)) wrong(`SAP HANA has no setting ${name}`);
  const value = (name: keyof typeof settings): string => {
    const { fallback }: DatabaseSetting = settings[name];
    return given[name] || (fallback ?? '');
  };
  const [host, sid, ca] = [value('host'), value('sid').toUpperCase(), value('ca')];
  if (value('user') === '') wrong('the user of SAP HANA is not set');
  if (!/^\d\d$/.test(value('instance'))) wrong(`the instance of SAP HANA is two digits, not ${value('instance')}`);
  if (sid !== '' && !/^[A-Z][A-Z0-9]{2}$/.test(sid)) wrong(`the SID of SAP HANA is three characters, not ${sid}`);
  if (ca !== '' && !isAbsolute(ca)) wrong('the setting ca of SAP HANA is an absolute path');
  const text = value('port') || systemPort(value('instance'));
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) wrong(`the port of SAP HANA is 1 to 65535, not ${text}`);
  return { user: value('user'), password: value('password'), host, port, sid, ca, address: `${host}:${port}` };
}

/** Where SYSTEMDB of an instance listens. */
export function systemPort(instance: string): string {
  return `3${instance}13`;
}

function wrong(detail: string): never {
  fail('USAGE', { detail });
}
