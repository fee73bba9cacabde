// Where the pairs lie. An installation brings them; a home of a checkout gets them from scripts/ of that checkout, once.
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

export const scriptFolderOf = (home: string): string => join(home, 'bin', 'thirdparty', 'ebk_user');

/**
 * `shipped`: scripts/ of the checkout. A home that has bin/agent_func.sh is left as it is, so that what an administrator changed or removed
 * stays so. Folders are writable by their owner alone.
 */
export function layOutScripts(home: string, shipped: string): void {
  const helper = join(home, 'bin', 'agent_func.sh');
  if (existsSync(helper)) return;
  const folder = scriptFolderOf(home);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  for (const file of readdirSync(join(shipped, 'ebk_user'))) {
    if (existsSync(join(folder, file))) continue;
    copyFileSync(join(shipped, 'ebk_user', file), join(folder, file));
    chmodSync(join(folder, file), file.endsWith('.sh') ? 0o755 : 0o644);
  }
  // Last: its presence says that all of it is there. A link, so that it finds the program beside it.
  symlinkSync(join(shipped, 'agent_func.sh'), helper);
}
