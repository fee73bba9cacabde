// What came and what went between two backups of a server.
import type { Warning } from '../model/warning.ts';

/** `before`, `now`: the paths of the disks. */
export function diskChanges(before: readonly string[], now: readonly string[]): Warning[] {
  const joined = now.filter((path) => !before.includes(path));
  const left = before.filter((path) => !now.includes(path));
  return [
    ...joined.map((item) => ({ item, detail: 'this disk was not in the last backup; from now on it is' })),
    ...left.map((item) => ({ item, detail: 'this disk was in the last backup and is not in this one' })),
  ];
}
