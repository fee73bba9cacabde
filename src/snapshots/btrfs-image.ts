// The images of btrfs subvolumes: taken, read, removed.
import { lstatSync } from 'node:fs';
import { failure } from '../base/errors.ts';
import { type Imaged, type Places, type Planned, placing } from '../model/place.ts';
import type { Snapshot, SnapshotPlan } from '../ports/snapshot.ts';
import { type Hidden, makeHidden } from './hidden.ts';
import { readMounts } from './mounts.ts';
import { assertName, pieceName } from './names.ts';
import type { Run } from './run.ts';
import { isStub, isSubvolume, nestedBelow } from './subvolumes.ts';
import { eachOf, notRemoved, notTaken } from './trouble.ts';

/** A path that was asked for, and the subvolume that carries it. */
export interface Asked extends Planned {
  readonly subvolume: string;
  readonly isDirectory: boolean;
}

export interface Volume {
  readonly subvolume: string;
  /** Itself, and where other mounts show it that were asked for, too. */
  readonly seen: Set<string>;
  /** Of the mount whose hidden directory holds the image. */
  readonly top: string;
}

interface Image extends Volume {
  readonly path: string;
  readonly device: bigint;
}

export function btrfsPlan(asked: readonly Asked[], volumes: readonly Volume[], still: readonly Imaged[], run: Run): SnapshotPlan {
  return {
    provider: 'btrfs',
    freezes: 'self',
    volumes: volumes.flatMap(({ seen }) => [...seen]),
    ...(volumes.length > 1 ? { apart: `btrfs takes its ${volumes.length} subvolumes one after the other` } : {}),

    async take(name) {
      assertName(name);
      const hidden = new Map<string, Hidden>();
      const images: Image[] = [];
      const close = () => {
        for (const one of hidden.values()) one.close();
      };
      const remove = () => eachOf(images, ({ path }) => removeImage(path, name, run)).then(close);
      let at = volumes[0]!.subvolume;
      try {
        for (const { top } of volumes) if (!hidden.has(top)) hidden.set(top, makeHidden(top));
        for (const [number, volume] of volumes.entries()) {
          at = volume.subvolume;
          const path = `${hidden.get(volume.top)!.path}/${pieceName(name, number)}`;
          if (lstatSync(path, { throwIfNoEntry: false })) throw new Error(`${name} is there already`);
          images.push({ ...volume, path, device: 0n });
          await run('btrfs', ['subvolume', 'snapshot', '-r', volume.subvolume, path]);
          images[number] = { ...volume, path, device: lstatSync(path, { bigint: true }).dev };
        }
      } catch (error) {
        await remove().catch(close); // what is left, sweep() finds
        throw notTaken(at, error);
      }
      return snapshotOf(name, asked, images, still, { run, remove });
    },
  };
}

interface Tools {
  readonly run: Run;
  readonly remove: () => Promise<void>;
}

function snapshotOf(
  name: string,
  asked: readonly Asked[],
  images: readonly Image[],
  still: readonly Imaged[],
  { run, remove }: Tools,
): Snapshot {
  let removed = false;
  const imaged = images.flatMap(({ seen, path }) => [...seen].map((top): Imaged => ({ top, image: path })));
  const places: Places = { planned: asked, images: [...imaged, ...still] };
  const inImage = placing({ ...places, planned: asked.map(({ canonical }) => ({ path: canonical, canonical })) });
  return {
    async open() {
      const left = await leftOut(asked, inImage, run);
      return left.length === 0 ? undefined : `what is in ${left.join(' and ')} was made while the snapshot was prepared and is not in it`;
    },
    places,
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

/** Subvolumes that nobody knew of when the image was planned: it has stubs in their places. They are read as they are; those that change count. */
async function leftOut(asked: readonly Asked[], inImage: (path: string) => string, run: Run): Promise<string[]> {
  const mounts = readMounts();
  const found = new Set<string>();
  for (const { canonical, subvolume, isDirectory } of asked) {
    if (!isDirectory) continue;
    for (const nested of await nestedBelow(canonical, subvolume, mounts, run))
      if (!nested.readOnly && isStub(inImage(nested.subvolume))) found.add(nested.subvolume);
  }
  return [...found].sort();
}

/** Nothing to do where somebody else was quicker. */
export async function removeImage(path: string, name: string, run: Run): Promise<void> {
  if (!isSubvolume(path)) return;
  try {
    await run('btrfs', ['subvolume', 'delete', path]);
  } catch (error) {
    if (isSubvolume(path)) throw notRemoved(name, error);
  }
}
