// The pairs of freeze scripts in bin/thirdparty/ebk_user, found anew on every run: <app>_freeze.sh and <app>_unfreeze.sh.
import { closeSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, fail } from '../../base/errors.ts';
import { faultOfFolders } from '../../base/safe-file.ts';
import { openSafeScript } from './safe-file.ts';

export interface Script {
  /** `mysql_freeze.sh`. */
  readonly file: string;
  /** Opened when it was checked; this is what runs. */
  readonly fd: number;
}

export interface ScriptPair {
  /** `mysql` of `mysql_freeze.sh`. */
  readonly name: string;
  readonly freeze: Script;
  readonly unfreeze: Script;
}

const endings = { freeze: '_freeze.sh', unfreeze: '_unfreeze.sh' } as const;
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * All pairs, in the bytewise order of their names, every script open and checked. `owner` is the privileged user's uid (whoever runs us). No
 * folder means no pairs. Throws SCRIPT_PAIR for half a pair and SCRIPT_UNSAFE; nothing stays open then. The caller gives them to closePairs.
 */
export function findPairs(folder: string, owner: number): readonly ScriptPair[] {
  const files = scriptsIn(folder);
  if (files.length === 0) return [];
  const fault = faultOfFolders(folder, owner);
  if (fault) fail('SCRIPT_UNSAFE', { path: join(folder, files[0] ?? ''), detail: fault });
  const names = [...new Set(files.map(nameOf))].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const known = new Set(files);
  for (const name of names) checkName(folder, name, known);
  const pairs: ScriptPair[] = [];
  const opened: number[] = [];
  const open = (file: string): Script => {
    const fd = openSafeScript(join(folder, file), owner);
    opened.push(fd);
    return { file, fd };
  };
  try {
    for (const name of names) pairs.push({ name, freeze: open(name + endings.freeze), unfreeze: open(name + endings.unfreeze) });
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  }
  return pairs;
}

export function closePairs(pairs: readonly ScriptPair[]): void {
  for (const { freeze, unfreeze } of pairs) for (const { fd } of [freeze, unfreeze]) closeSync(fd);
}

function scriptsIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((file) => file.endsWith(endings.freeze) || file.endsWith(endings.unfreeze));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    fail('SCRIPT_UNSAFE', { path: folder, detail: `it cannot be listed (${errnoOf(error)})` }, { cause: error });
  }
}

function nameOf(file: string): string {
  const ending = file.endsWith(endings.unfreeze) ? endings.unfreeze : endings.freeze;
  return file.slice(0, -ending.length);
}

function checkName(folder: string, name: string, known: ReadonlySet<string>): void {
  const [freeze, unfreeze] = [name + endings.freeze, name + endings.unfreeze];
  const missing = [freeze, unfreeze].find((file) => !known.has(file));
  if (missing !== undefined)
    fail('SCRIPT_PAIR', { path: join(folder, missing === freeze ? unfreeze : freeze), partner: join(folder, missing) });
  if (!namePattern.test(name))
    fail('SCRIPT_UNSAFE', {
      path: join(folder, freeze),
      detail: 'its name has other characters than letters, digits, dot, dash, underscore',
    });
}
