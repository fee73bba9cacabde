// Which subvolumes of a btrfs carry a path. Only the root of a subvolume has inode 256; snapshots stop at the roots of nested ones.
import { lstatSync } from 'node:fs';
import { dirname } from 'node:path';
import { joined, restBelow } from '../model/place.ts';
import { imageDirectory } from '../model/snapshot.ts';
import { type Located, type Mount, mountOf } from './mounts.ts';
import type { Run } from './run.ts';
import { notTaken } from './trouble.ts';

const rootInode = 256n;
/** What a snapshot has in place of the root of a nested one (include/uapi/linux/btrfs_tree.h). */
const stubInode = 2n;

export interface Carrier {
  /** The path, reached through a mount that shows its subvolume whole. */
  readonly canonical: string;
  readonly subvolume: string;
  readonly mount: Mount;
}

/**
 * The subvolume of a path on `mount`. Where a directory is mounted that is no subvolume (a bind mount), another mount of the same file system
 * is looked for; undefined if none shows the subvolume.
 */
export function carrierOf(located: Located, mount: Mount, mounts: readonly Mount[]): Carrier | undefined {
  const inside = joined(mount.root, restBelow(mount.point, located.canonical)!);
  for (const way of [mount, ...mounts.filter((other) => other !== mount && other.device === mount.device)]) {
    const rest = restBelow(way.root, inside);
    if (rest === undefined) continue;
    const canonical = joined(way.point, rest);
    if (mountOf(canonical, mounts) !== way || !isSame(canonical, located)) continue;
    const subvolume = rootAbove(canonical, way.point);
    if (subvolume !== undefined) return { canonical, subvolume, mount: way };
  }
  return undefined;
}

function isSame(path: string, { stat }: Located): boolean {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found?.ino === stat.ino && found.dev === stat.dev;
}

export function isSubvolume(path: string): boolean {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.ino === rootInode;
}

export function isStub(path: string): boolean {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.ino === stubInode;
}

function rootAbove(path: string, top: string): string | undefined {
  for (let at = path; ; at = dirname(at)) {
    if (isSubvolume(at)) return at;
    if (at === top || at === '/') return undefined;
  }
}

export interface Nested {
  readonly subvolume: string;
  readonly readOnly: boolean;
}

/**
 * Subvolumes below a path in `subvolume` that are part of what is seen there: not hidden under a mount, not our own images. Throws SNAPSHOT_FAILED.
 */
export async function nestedBelow(canonical: string, subvolume: string, mounts: readonly Mount[], run: Run): Promise<Nested[]> {
  const found = await nestedIn(subvolume, run).catch((error: unknown) => {
    throw notTaken(subvolume, error);
  });
  const mount = mountOf(subvolume, mounts);
  return found.filter(
    (nested) =>
      restBelow(canonical, nested.subvolume) !== undefined &&
      !nested.subvolume.includes(`/${imageDirectory}/`) &&
      mountOf(nested.subvolume, mounts) === mount &&
      isSubvolume(nested.subvolume),
  );
}

/** The subvolumes that lie in a subvolume, at any depth. Throws what btrfs says. */
async function nestedIn(subvolume: string, run: Run): Promise<Nested[]> {
  const own = (await run('btrfs', ['inspect-internal', 'rootid', subvolume])).trim();
  const all = listed(await run('btrfs', ['subvolume', 'list', subvolume]));
  const readOnly = new Set(listed(await run('btrfs', ['subvolume', 'list', '-r', subvolume])).map(({ id }) => id));
  const parents = new Map(all.map(({ id, parent }) => [id, parent]));
  const isBelow = (id: string): boolean => {
    for (let at = parents.get(id), steps = 0; at !== undefined && steps <= parents.size; at = parents.get(at), steps++)
      if (at === own) return true;
    return false;
  };
  // Paths of those below are written from here; those of all others from the top of the file system.
  return all
    .filter(({ id }) => isBelow(id))
    .map(({ id, path }) => ({ subvolume: joined(subvolume, `/${path}`), readOnly: readOnly.has(id) }));
}

/** `ID 257 gen 7 top level 256 path dir/with space` */
function listed(text: string): { readonly id: string; readonly parent: string; readonly path: string }[] {
  return [...text.matchAll(/^ID (\d+) gen \d+ top level (\d+) path (.+)$/gm)].map(([, id, parent, path]) => ({
    id: id!,
    parent: parent!,
    path: path!,
  }));
}
