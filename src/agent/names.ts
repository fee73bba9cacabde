// Rules for names and descriptions (requirements P4 and B4), and the names that the agent makes up.
import { randomInt } from 'node:crypto';
import { fail } from '../base/errors.ts';

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';
const longestDescription = 255;

/** Throws NAME_INVALID. */
export function checkName(name: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) fail('NAME_INVALID', { name: JSON.stringify(name), rule: '1 to 64 letters, digits, _ or -' });
  return name;
}

/** Throws DESCRIPTION_INVALID. */
export function checkDescription(text: string): string {
  const { length } = [...text];
  if (length > longestDescription) fail('DESCRIPTION_INVALID', { length });
  return text;
}

/** `name`, or name-0001, name-0002 … where that is taken (requirement B4). */
export function freeName(name: string, taken: (name: string) => boolean): string {
  for (let n = 0; ; n++) {
    const suffix = n === 0 ? '' : `-${String(n).padStart(4, '0')}`;
    const candidate = `${name.slice(0, 64 - suffix.length)}${suffix}`;
    if (!taken(candidate)) return candidate;
  }
}

/** `vault` → vault_k3x9. */
export function madeUpName(prefix: 'vault' | 'manualbk' | 'autobk' | 'pool'): string {
  return `${prefix}_${Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join('')}`;
}
