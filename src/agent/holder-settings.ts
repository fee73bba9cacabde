// What stands on top of a freeze script, as `name=value` lines on standard input.
import { existsSync } from 'node:fs';
import { fail, failure } from '../base/errors.ts';
import { layoutOf } from '../config/layout.ts';
import { openSealer, scriptPasswordContext } from '../config/secrets.ts';
import type { DatabaseFreezer, DatabaseSettings } from '../ports/database.ts';

const maxInput = 64 * 1024;

/** Standard input to its end; nothing where a person sits there. */
export async function readInput(): Promise<string> {
  if (process.stdin.isTTY) return '';
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const part of process.stdin) {
    text += part as string;
    if (text.length > maxInput) fail('USAGE', { detail: `more than ${maxInput} bytes of settings` });
  }
  return text;
}

/** A value may hold anything but a new line; empty ones are as good as left out. Throws USAGE. Never puts a value into an error. */
export function parseSettings(text: string): DatabaseSettings {
  const settings: Record<string, string> = {};
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue;
    const [, name = '', value = ''] = /^([a-z][a-z0-9_-]*)=(.*)$/.exec(line) ?? [];
    if (name === '') fail('USAGE', { detail: `line ${i + 1} of the settings is not name=value` });
    if (value !== '') settings[name] = value;
  }
  return settings;
}

/** Secrets in clear, the rest as it is. Throws USAGE for a name that the database does not know, SECRET_UNREADABLE. */
export function openSettings(freezer: DatabaseFreezer, given: DatabaseSettings): DatabaseSettings {
  const entries = Object.entries(given).map(([name, value]): [string, string] => {
    if (!Object.hasOwn(freezer.settings, name)) fail('USAGE', { detail: `${freezer.name} has no setting ${name}` });
    return [name, freezer.settings[name]?.secret ? decrypt(value, `${name} of ${freezer.name}`) : value];
  });
  return Object.fromEntries(entries);
}

/** Throws SECRET_UNREADABLE for a ciphertext of another installation. */
export function decrypt(sealed: string, what: string): string {
  const { installationKey } = layoutOf();
  // A key that is not there cannot have sealed anything; here none is made.
  if (!existsSync(installationKey)) throw failure('SECRET_UNREADABLE', { what: `${what} (there is no ${installationKey})` });
  try {
    return openSealer(installationKey).open(scriptPasswordContext, sealed);
  } catch (error) {
    throw failure(
      'SECRET_UNREADABLE',
      { what: `${what} (encrypted by another installation, or no output of agentcli encpwd)` },
      { cause: error },
    );
  }
}
