// Does a restore stay below a place that root has named for restores?
import { lstatSync } from 'node:fs';
import { faultOfFolders } from '../base/safe-file.ts';
import type { RestoreRoot } from '../model/allowance.ts';
import { type PlacedTarget, placesOf, settlePath } from './target-place.ts';

const othersBits = 0o077;

/** The root that all of a settled target lies in, or why there is none, in words. `owner` is root's uid. */
export function restoreRootOf(target: PlacedTarget, roots: readonly RestoreRoot[], owner: number): RestoreRoot | string {
  const places = placesOf(target);
  const found = new Set<RestoreRoot>();
  for (const place of places) {
    const root = innermost(place, roots);
    if (root === undefined) return 'that is below no restore root of /etc/stillpoint/allow.yaml';
    const fault = faultOfPlace(target, place) ?? faultOfRoot(root, owner);
    if (fault) return fault;
    found.add(root);
  }
  const [first] = found;
  if (first === undefined) return 'it names no target';
  const oneUser = [...found].every(({ user }) => user === first.user);
  return oneUser ? first : 'its targets lie below restore roots of several users';
}

/** Of roots that lie in each other the inner one says who writes there. */
function innermost(place: string, roots: readonly RestoreRoot[]): RestoreRoot | undefined {
  const real = roots.flatMap((root) => {
    const path = attempt(() => settlePath(root.path));
    return path !== undefined && contains(path, place) ? [{ root, length: path.length }] : [];
  });
  return real.toSorted((a, b) => b.length - a.length)[0]?.root;
}

/** Both without links. A root `/` would contain everything, so it contains nothing. */
function contains(root: string, place: string): boolean {
  return root !== '/' && (place === root || place.startsWith(`${root}/`));
}

/** A device below a root is no file of the root's. */
function faultOfPlace(target: PlacedTarget, place: string): string | undefined {
  if (target.kind === 'files') return undefined;
  const stats = lstatSync(place, { throwIfNoEntry: false });
  return stats === undefined || stats.isFile() ? undefined : `${place} is no regular file`;
}

/**
 * What root writes there may be a program that runs as root for everybody, or a device that everybody may write: so nobody else may come near.
 * What a user writes has that user's rights and cannot hurt others.
 */
function faultOfRoot({ path, user }: RestoreRoot, owner: number): string | undefined {
  const stats = lstatSync(settlePath(path), { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return `the restore root ${path} is no directory`;
  if (user !== undefined) return undefined;
  const fault = faultOfFolders(path, owner);
  if (fault) return `the restore root ${path} is not safe: ${fault}`;
  if ((stats.mode & othersBits) === 0) return undefined;
  const mode = (stats.mode & 0o777).toString(8).padStart(3, '0');
  return `the restore root ${path} may be entered by others (mode ${mode}): chmod 700 it, or name a user for it`;
}

function attempt<T>(step: () => T): T | undefined {
  try {
    return step();
  } catch {
    return undefined;
  }
}
