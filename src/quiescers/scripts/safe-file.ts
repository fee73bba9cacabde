// Is a script safe to be run by the privileged user.
import { closeSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { fail } from '../../base/errors.ts';
import { faultOfFolders, openSafeFile, type Refuse } from '../../base/safe-file.ts';

const runBits = 0o111;

/**
 * Opens a script for reading, once; what is run later is this descriptor, so what happens to the name afterwards changes nothing. `owner`
 * is the privileged user's uid. Throws SCRIPT_UNSAFE with what exactly is wrong; the caller closes the descriptor.
 */
export function openSafeScript(path: string, owner: number): number {
  return openSafeFile(path, owner, unsafe(path), (stats) => ((stats.mode & runBits) === 0 ? 'it has no run bit' : undefined));
}

/** The same for a file that scripts read or source: it needs no run bit and may be reached through links, if these are safe, too. */
export function checkSafeFile(path: string, owner: number): void {
  const folders = faultOfFolders(dirname(path), owner);
  if (folders) unsafe(path)(folders);
  const real = realpathSync(path);
  closeSync(openSafeFile(real, owner, unsafe(real)));
}

const unsafe =
  (path: string): Refuse =>
  (detail, cause) =>
    fail('SCRIPT_UNSAFE', { path, detail }, { cause });
