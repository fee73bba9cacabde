// The server of a plan, reached by us over a session and by its tools over a file of options.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, failure } from '../../../base/errors.ts';
import type { ServerAddress } from '../../../model/service.ts';
import { type Ask, errorNumber, OutOfTime, openSession } from '../session.ts';
import { addressText, type MysqlSettings, readSettings } from '../settings.ts';

/** Milliseconds for a login and for questions that are answered at once or never. */
const patience = 10_000;

/** Throws USAGE. As root where no user is set. */
export function settingsOf({ socket, host, port, user = 'root', password, ca }: ServerAddress): MysqlSettings {
  const given = { socket, host, port: port?.toString(), user, password, ca };
  return readSettings(Object.fromEntries(Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))));
}

/** A session of its own for `work`. Throws DATABASE_… errors, also for what the server refuses, and what `work` throws. */
export async function asking<T>(settings: MysqlSettings, signal: AbortSignal, work: (ask: Ask) => Promise<T>): Promise<T> {
  const session = await openSession(settings, patience, signal);
  try {
    return await work((sql) => session.query(sql, patience));
  } catch (error) {
    signal.throwIfAborted();
    throw explained(error, settings);
  } finally {
    session.close();
  }
}

/** ER_… numbers for a right that is missing. */
const denied = new Set([1044, 1142, 1227, 1370]);

function explained(error: unknown, { user, address }: MysqlSettings): unknown {
  const number = errorNumber(error);
  const detail = (error as Error).message;
  const cause = { cause: error };
  if (denied.has(number))
    return failure('DATABASE_RIGHT', { user, right: `be told what a backup needs (${detail})`, database: 'MySQL' }, cause);
  if (number > 0) return failure('DATABASE_FAILED', { database: 'MySQL', what: 'answer', detail }, cause);
  const lost = error instanceof OutOfTime || (error as { fatal?: boolean }).fatal === true;
  return lost ? failure('DATABASE_DOWN', { database: 'MySQL', address: addressText(address), detail }, cause) : error;
}

export interface OptionFile {
  readonly path: string;
  /** A directory of the tool's own, beside it. */
  readonly folder: string;
  remove(): void;
}

/** Where and as whom to log in, for a tool's --defaults-file: nobody else can read it, and no argument or variable holds the password. */
export function optionFile(settings: MysqlSettings, scratch: string): OptionFile {
  const { address, user, password, ca } = settings;
  const place = 'socket' in address ? { socket: address.socket } : { host: address.host, port: String(address.port), protocol: 'tcp' };
  const options = { ...place, user, password, ...(ca !== '' && { 'ssl-ca': ca, 'ssl-verify-server-cert': '1' }) };
  const folder = mkdtempSync(join(scratch, 'mysql-'));
  const path = join(folder, 'options');
  const lines = Object.entries(options).map(([name, value]) => `${name} = ${quoted(value)}\n`);
  writeFileSync(path, `[client]\n${lines.join('')}`, { mode: 0o600, flag: 'wx' });
  return { path, folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** As option files of MySQL and MariaDB have it. Throws USAGE for a NUL. */
export function quoted(value: string): string {
  if (value.includes('\0')) fail('USAGE', { detail: 'mysql: a setting of the login holds a NUL' });
  return `"${value.replace(/[\\"\n\r\t]/g, (one) => escapes[one]!)}"`;
}
