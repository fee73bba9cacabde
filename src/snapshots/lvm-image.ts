// The images of logical volumes: taken, mounted, looked after, removed.
import { join } from 'node:path';
import { failure } from '../base/errors.ts';
import type { Imaged, Planned } from '../model/place.ts';
import type { Snapshot, SnapshotPlan } from '../ports/snapshot.ts';
import type { Warn } from '../ports/source.ts';
import type { LvmHost } from './lvm-host.ts';
import { mountImage, unmountImage } from './lvm-mount.ts';
import { faultOf, type LogicalVolume, logicalVolumes } from './lvm-report.ts';
import { isPoolTooFull, keepRoom, pathOf } from './lvm-room.ts';
import type { Mount } from './mounts.ts';
import { assertName, pieceName } from './names.ts';
import type { Run } from './run.ts';
import { detailOf, eachOf, notRemoved, notTaken } from './trouble.ts';

export interface Volume {
  readonly origin: LogicalVolume;
  /** Thick only. */
  readonly extents: number | undefined;
  /** Where it is mounted, as far as that was asked for; then its image is mounted, too. */
  readonly mounts: Mount[];
  /** Its device, as it was asked for. */
  readonly devices: string[];
}

interface Image extends Volume {
  readonly name: string;
  readonly point: string;
}

interface Place {
  readonly mountDirectory: string;
  readonly host: LvmHost;
}

export function lvmPlan(planned: readonly Planned[], volumes: readonly Volume[], { mountDirectory, host }: Place): SnapshotPlan {
  return {
    provider: 'lvm',
    freezes: 'self',
    volumes: volumes.map(({ origin }) => pathOf(origin)),
    ...(volumes.length > 1 ? { apart: `LVM takes its ${volumes.length} volumes one after the other` } : {}),

    async take(name) {
      assertName(name);
      const images = volumes.map((volume, i): Image => {
        const piece = pieceName(name, i);
        return { ...volume, name: piece, point: join(mountDirectory, piece) };
      });
      const made: Image[] = [];
      for (const image of images) {
        try {
          await host.run('lvcreate', createArguments(image));
          made.push(image);
        } catch (error) {
          // Over a frozen file system lvcreate fails and leaves its volume behind; one that was there before is none of ours.
          const half = /already exists/.test(detailOf(error)) ? [] : [image];
          await removeImages(name, [...made, ...half], host).catch(() => undefined); // what is left, sweep() finds
          throw notTaken(pathOf(image.origin), error);
        }
      }
      return snapshotOf(name, planned, images, { mountDirectory, host });
    },
  };
}

function createArguments({ origin, name, extents }: Image): string[] {
  // A thin snapshot would not be activated otherwise.
  const room = extents === undefined ? ['--setactivationskip', 'n', '--activate', 'y'] : ['--extents', String(extents)];
  return ['--yes', '--snapshot', '--permission', 'r', '--name', name, ...room, `${origin.group}/${origin.name}`];
}

function snapshotOf(name: string, planned: readonly Planned[], images: readonly Image[], { mountDirectory, host }: Place): Snapshot {
  const mounted = new Set<Image>();
  const warned = new Set<Image>();
  let tell: Warn = () => undefined;
  let removed = false;
  const lost = (detail: string, cause?: unknown) => failure('SNAPSHOT_LOST', { name, detail }, { cause });

  async function look(image: Image, all: readonly LogicalVolume[]): Promise<void> {
    const path = pathOf(image.origin);
    const now = find(image, all);
    const fault = now ? faultOf(now) : 'it was removed';
    if (!now || fault !== undefined) throw lost(`${path}: ${fault}`);
    if (isPoolTooFull(now, all)) throw lost(`${path}: its thin pool ${now.pool} is nearly full and needs the room`);
    if (mounted.has(image) && !host.mounts().some(({ point }) => point === image.point)) throw lost(`${path}: its image was unmounted`);
    const danger = await keepRoom(now, image.origin, all, host.run);
    if (danger === undefined || warned.has(image)) return;
    warned.add(image);
    tell({ item: path, detail: danger });
  }

  return {
    async open(warn) {
      tell = warn;
      for (const image of images) {
        if (!image.mounts[0]) continue;
        const device = pathOf({ ...image.origin, name: image.name });
        try {
          await mountImage(device, image.mounts[0].fileSystem, mountDirectory, image.name, host);
        } catch (error) {
          throw notTaken(pathOf(image.origin), error);
        }
        mounted.add(image);
      }
      return undefined;
    },
    places: { planned, images: images.flatMap(placesOf) },
    async intact() {
      if (removed) throw lost('it was removed');
      const all = await askPatiently(host.run).catch((error: unknown) => {
        throw lost(detailOf(error), error);
      });
      for (const image of images) await look(image, all);
    },
    async remove() {
      if (removed) return;
      await removeImages(name, images, host);
      removed = true;
    },
  };
}

const find = ({ origin, name }: Image, all: readonly LogicalVolume[]): LogicalVolume | undefined =>
  all.find((volume) => volume.group === origin.group && volume.name === name);

const placesOf = ({ origin, name, point, mounts, devices }: Image): Imaged[] => [
  ...mounts.map((mount) => ({ top: mount.point, image: mount.root === '/' ? point : point + mount.root })),
  ...devices.map((device) => ({ top: device, image: pathOf({ ...origin, name }) })),
];

/** An image that is read for hours is not given up because lvs failed once. */
async function askPatiently(run: Run): Promise<LogicalVolume[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await logicalVolumes(run);
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

async function removeImages(name: string, images: readonly Image[], host: LvmHost): Promise<void> {
  const rethrow = (error: unknown) => {
    throw notRemoved(name, error);
  };
  const all = await logicalVolumes(host.run).catch(rethrow);
  await eachOf(images, async (image) => {
    await unmountImage(image.point, host).catch(rethrow);
    if (find(image, all)) await removeVolume(`${image.origin.group}/${image.name}`, host).catch(rethrow);
  });
}

/** `volume`: with its group. Nothing is wrong where somebody else was quicker. Throws what LVM says. */
export async function removeVolume(volume: string, { run }: LvmHost): Promise<void> {
  try {
    await run('lvremove', ['--yes', volume]);
  } catch (error) {
    if ((await logicalVolumes(run)).some(({ group, name }) => `${group}/${name}` === volume)) throw error;
  }
}
