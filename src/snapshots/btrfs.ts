// Read-only snapshots of btrfs subvolumes. btrfs makes its own barrier: over a file system frozen from outside it would hang until the thaw.
import { lstatSync } from 'node:fs';
import { failure } from '../base/errors.ts';
import type { Imaged } from '../model/place.ts';
import type { SnapshotProvider } from '../ports/snapshot.ts';
import { type Asked, btrfsPlan, removeImage, type Volume } from './btrfs-image.ts';
import { findHidden, leftoversIn } from './hidden.ts';
import { locate, type Mount, mountOf, readMounts } from './mounts.ts';
import { type Run, runProgram } from './run.ts';
import { carrierOf, isSubvolume, nestedBelow } from './subvolumes.ts';
import { eachOf } from './trouble.ts';

export function btrfsProvider({ run = runProgram }: { readonly run?: Run } = {}): SnapshotProvider {
  return {
    name: 'btrfs',
    freezes: 'self',

    async plan(paths) {
      const mounts = readMounts();
      const asked: Asked[] = [];
      const volumes = new Map<bigint, Volume>();
      const still: Imaged[] = [];
      for (const path of paths) {
        const located = locate(path);
        const mount = mountOf(located.canonical, mounts);
        if (mount?.fileSystem !== 'btrfs' || located.stat.isBlockDevice()) return undefined;
        const carrier = carrierOf(located, mount, mounts);
        if (!carrier)
          throw failure('SNAPSHOT_NO_PROVIDER', { path, detail: 'its btrfs subvolume is not mounted, only a directory of it is' });
        const { canonical, subvolume } = carrier;
        const top = writableTop(path, carrier.mount, mounts);
        asked.push({ path: located.path, canonical, subvolume, isDirectory: located.stat.isDirectory() });
        addVolume(volumes, subvolume, top);
        if (!located.stat.isDirectory()) continue;
        for (const nested of await nestedBelow(canonical, subvolume, mounts, run)) {
          // A read-only one does not change: it is read where it is.
          if (nested.readOnly) still.push({ top: nested.subvolume, image: nested.subvolume });
          else addVolume(volumes, nested.subvolume, top);
        }
      }
      return btrfsPlan(asked, [...volumes.values()], still, run);
    },

    async sweep(alive) {
      const removed = new Set<string>();
      const tops = new Set(readMounts().flatMap((mount) => (mount.fileSystem === 'btrfs' && mount.writable ? [mount.point] : [])));
      await eachOf(tops, async (top) => {
        const hidden = findHidden(top);
        if (!hidden) return;
        try {
          await eachOf(leftoversIn(hidden, alive), async ({ entry, owner }) => {
            const path = `${hidden.path}/${entry}`;
            if (!isSubvolume(path)) return;
            await removeImage(path, owner, run);
            removed.add(owner);
          });
        } finally {
          hidden.close();
        }
      });
      return [...removed];
    },
  };
}

/** A subvolume has a device number of its own, the same through every mount that shows it: one image is enough for all of them. */
function addVolume(volumes: Map<bigint, Volume>, subvolume: string, top: string): void {
  const device = lstatSync(subvolume, { bigint: true, throwIfNoEntry: false })?.dev;
  if (device === undefined) return; // a nested one that was deleted this moment
  const known = volumes.get(device);
  if (known) known.seen.add(subvolume);
  else volumes.set(device, { subvolume, seen: new Set([subvolume]), top });
}

/** Images lie at the top of a mount that can be written to; what a mount shows read-only may well change through another one. */
function writableTop(path: string, mount: Mount, mounts: readonly Mount[]): string {
  const shown = (other: Mount) => mountOf(other.point, mounts) === other;
  const found = [mount, ...mounts].find((other) => other.device === mount.device && other.writable && shown(other));
  if (!found) throw failure('SNAPSHOT_NO_PROVIDER', { path, detail: 'its file system is mounted read-only' });
  return found.point;
}
