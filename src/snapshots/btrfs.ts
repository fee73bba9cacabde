// Read-only snapshots of btrfs subvolumes. btrfs makes its own barrier: over a file system frozen from outside it would hang until the thaw.
import { lstatSync } from 'node:fs';
import { failure } from '../base/errors.ts';
import { imageDirectory } from '../model/snapshot.ts';
import type { Snapshot, SnapshotPlan, SnapshotProvider } from '../ports/snapshot.ts';
import { findHidden, type Hidden, leftoversIn, makeHidden } from './hidden.ts';
import { locate, type Mount, mountOf, readMounts } from './mounts.ts';
import { assertName, pieceName } from './names.ts';
import { type Imaged, type Planned, placing, restBelow } from './place.ts';
import { type Run, runProgram } from './run.ts';
import { carrierOf, isSubvolume, nestedIn } from './subvolumes.ts';
import { eachOf, notRemoved, notTaken } from './trouble.ts';

interface Volume {
  readonly subvolume: string;
  /** Of the mount whose hidden directory holds the image. */
  readonly top: string;
}

interface Image extends Volume {
  readonly path: string;
  readonly device: bigint;
}

export function btrfsProvider({ run = runProgram }: { readonly run?: Run } = {}): SnapshotProvider {
  return {
    name: 'btrfs',
    freezes: 'self',

    async plan(paths) {
      const mounts = readMounts();
      const planned: Planned[] = [];
      const volumes = new Map<string, Volume>();
      const still = new Map<string, Imaged>();
      for (const path of paths) {
        const located = locate(path);
        const mount = mountOf(located.canonical, mounts);
        if (mount?.fileSystem !== 'btrfs' || located.stat.isBlockDevice()) return undefined;
        const carrier = carrierOf(located, mount, mounts);
        if (!carrier)
          throw failure('SNAPSHOT_NO_PROVIDER', { path, detail: 'its btrfs subvolume is not mounted, only a directory of it is' });
        const { canonical, subvolume, top } = carrier;
        planned.push({ path: located.path, canonical });
        volumes.set(subvolume, { subvolume, top });
        if (!located.stat.isDirectory()) continue;
        for (const nested of await nestedBelow(canonical, subvolume, mounts, run)) {
          // A read-only one does not change: it is read where it is.
          if (nested.readOnly) still.set(nested.subvolume, { top: nested.subvolume, image: nested.subvolume });
          else volumes.set(nested.subvolume, { subvolume: nested.subvolume, top });
        }
      }
      return planOf(planned, [...volumes.values()], [...still.values()], run);
    },

    async sweep(alive) {
      const removed = new Set<string>();
      const tops = new Set(readMounts().flatMap((mount) => (mount.fileSystem === 'btrfs' ? [mount.point] : [])));
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

/** Subvolumes below a path that are part of what is seen there: not hidden under a mount, not our own images. */
async function nestedBelow(canonical: string, subvolume: string, mounts: readonly Mount[], run: Run) {
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

function planOf(planned: readonly Planned[], volumes: readonly Volume[], still: readonly Imaged[], run: Run): SnapshotPlan {
  return {
    provider: 'btrfs',
    freezes: 'self',
    volumes: volumes.map(({ subvolume }) => subvolume),
    ...(volumes.length > 1 ? { apart: `btrfs takes its ${volumes.length} subvolumes one after the other` } : {}),

    async take(name) {
      assertName(name);
      const hidden = new Map<string, Hidden>();
      const images: Image[] = [];
      const close = () => {
        for (const one of hidden.values()) one.close();
      };
      const remove = () => eachOf(images, ({ path }) => removeImage(path, name, run)).then(close);
      for (const [number, volume] of volumes.entries()) {
        try {
          if (!hidden.has(volume.top)) hidden.set(volume.top, makeHidden(volume.top));
          const path = `${hidden.get(volume.top)!.path}/${pieceName(name, number)}`;
          if (lstatSync(path, { throwIfNoEntry: false })) throw new Error(`${name} is there already`);
          images.push({ ...volume, path, device: 0n });
          await run('btrfs', ['subvolume', 'snapshot', '-r', volume.subvolume, path]);
          images[number] = { ...volume, path, device: lstatSync(path, { bigint: true }).dev };
        } catch (error) {
          await remove().catch(close); // what is left, sweep() finds
          throw notTaken(volume.subvolume, error);
        }
      }
      return snapshotOf(name, planned, images, still, remove);
    },
  };
}

function snapshotOf(
  name: string,
  planned: readonly Planned[],
  images: readonly Image[],
  still: readonly Imaged[],
  remove: () => Promise<void>,
): Snapshot {
  let removed = false;
  return {
    placeOf: placing(planned, [...images.map(({ subvolume, path }) => ({ top: subvolume, image: path })), ...still]),
    // A read-only subvolume that is read in place and goes away is told by the walk, like any directory that vanishes.
    async intact() {
      for (const { path, subvolume, device } of images)
        if (removed || !isSubvolume(path) || lstatSync(path, { bigint: true }).dev !== device)
          throw failure('SNAPSHOT_LOST', { name, detail: `the image of ${subvolume} was removed` });
    },
    async remove() {
      if (removed) return;
      await remove();
      removed = true;
    },
  };
}

async function removeImage(path: string, name: string, run: Run): Promise<void> {
  if (!isSubvolume(path)) return;
  await run('btrfs', ['subvolume', 'delete', path]).catch((error: unknown) => {
    throw notRemoved(name, error);
  });
}
