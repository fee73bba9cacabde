// What stands on top of any database's script, read and checked.
import { networkInterfaces } from 'node:os';
import { isAbsolute } from 'node:path';
import { fail } from '../base/errors.ts';
import type { DatabaseSetting, DatabaseSettings } from '../ports/database.ts';

/** Where and as whom to log in. */
export interface ServerAccess {
  readonly user: string;
  readonly password: string;
  readonly host: string;
  readonly port: number;
  /** A file of certificates (PEM) by which the server must prove itself; empty for a line that does not leave this host. */
  readonly ca: string;
  /** For messages. */
  readonly address: string;
}

export interface SettingsReader<Name extends string> {
  /** What is set, else the fallback, else an empty text. */
  value(name: Name): string;
  /** Throws USAGE unless it is a port. */
  port(text: string): number;
  /**
   * The file of certificates for the line to `host`, empty for none. Throws USAGE where the line would leave this host and nothing would
   * prove who is at its end: a password would go to whoever answers.
   */
  ca(text: string, host: string): string;
  wrong(detail: string): never;
}

/** `database` as people know it (`SQL Server`). Throws USAGE for settings that are not known and where no user is set. */
export function settingsReader<Name extends string>(
  database: string,
  known: Readonly<Record<Name, DatabaseSetting>>,
  given: DatabaseSettings,
): SettingsReader<Name> {
  const wrong = (detail: string): never => fail('USAGE', { detail });
  for (const name of Object.keys(given)) if (!Object.hasOwn(known, name)) wrong(`${database} has no setting ${name}`);
  if (!given['user']) wrong(`the user of ${database} is not set`);
  return {
    wrong,
    value: (name) => given[name] || (known[name].fallback ?? ''),
    port: (text) => {
      const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
      if (port < 1 || port > 65_535) wrong(`the port of ${database} is 1 to 65535, not ${text}`);
      return port;
    },
    ca: (text, host) => {
      if (text !== '' && !isAbsolute(text)) wrong(`the setting ca of ${database} is an absolute path`);
      if (text === '' && !isThisHost(host)) {
        wrong(`the host ${host} of ${database} is not this one: set ca to a file of certificates (PEM) by which it must prove itself`);
      }
      return text;
    },
  };
}

/** An address that no line leads to. Names but localhost may lead anywhere. */
export function isThisHost(host: string): boolean {
  if (/^(localhost|127(\.\d+){3}|::1)$/.test(host)) return true;
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === host));
}
