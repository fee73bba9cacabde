// The list of binary logs that a server keeps, with the paths that they have now.
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { giveFile } from './layout.ts';
import type { Owner } from './program.ts';

/** `base`: the path of the logs without their numbers. Those that are not there were not in the backup. */
export function writeLogIndex(base: string, owner: Owner): void {
  const [folder, name] = [dirname(base), basename(base)];
  const numberOf = (file: string) =>
    file.startsWith(`${name}.`) && /^\d+$/.test(file.slice(name.length + 1)) ? Number(file.slice(name.length + 1)) : 0;
  const logs = readdirSync(folder)
    .filter((file) => numberOf(file) > 0)
    .sort((a, b) => numberOf(a) - numberOf(b));
  giveFile(`${base}.index`, logs.map((file) => `${join(folder, file)}\n`).join(''), owner);
}
