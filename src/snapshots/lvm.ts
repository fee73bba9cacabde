// Snapshots of logical volumes, thick and thin. LVM suspends the volume and freezes the file system on it by itself.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { failure } from '../base/errors.ts';
import type { Snapshot, SnapshotPlan, SnapshotProvider } from '../ports/snapshot.ts';
import { type LvmHost, thisHost } from './lvm-host.ts';
import { mountImage, unmountImage } from './lvm-mount.ts';
import { faultOf, isThin, type LogicalVolume, logicalVolumes } from './lvm-report.ts';
import { assertPoolRoom, extentsFor, pathOf } from './lvm-room.ts';
import { type Located, locate, type Mount, mountOf } from './mounts.ts';
import { assertName, ownerOf, pieceName } from './names.ts';
import { type Imaged, type Planned, placing } from './place.ts';
import { detailOf, eachOf, notRemoved, notTaken } from './trouble.ts';

export interface LvmOptions {
  /** A directory of the agent's own where images are mounted. */
  readonly mountDirectory: string;
  readonly host?: LvmHost;
}

interface Volume {
  readonly origin: LogicalVolume;
  /** Thick only. */
  readonly extents: number | undefined;
  /** Where it is mounted, as far as that was asked for; then its image is mounted, too. */
  readonly mounts: Mount[];
  /** Its device, as it was asked for. */
  readonly devices: string[];
}

export function lvmProvider({ mountDirectory, host = thisHost }: LvmOptions): SnapshotProvider {
  return {
    name: 'lvm',
    freezes: 'self',

    async plan(paths) {
      if (!host.hasLvm()) return undefined;
      const mounts = host.mounts();
      const found = new Map<string, Volume>();
      const planned: Planned[] = [];
      let all: LogicalVolume[] | undefined;
      for (const path of paths) {
        const located = locate(path);
        const own = host.blockNumber(located.path);
        const mount = own === undefined ? mountOf(located.canonical, mounts) : undefined;
        const number = own ?? mount?.device;
        assertNoBtrfs(located, number, mount, mounts, host);
        if (number === undefined || !host.isLogical(number)) return undefined;
        all ??= await listAll(path, host);
        const origin = all.find(({ device }) => device === number);
        if (!origin) return undefined;
        assertOrigin(path, origin, all);
        const volume = found.get(number) ?? { origin, extents: undefined, mounts: [], devices: [] };
        found.set(number, volume);
        if (mount && !volume.mounts.includes(mount)) volume.mounts.push(mount);
        if (!mount) volume.devices.push(located.path);
        planned.push({ path: located.path, canonical: mount ? located.canonical : located.path });
      }
      return planOf(planned, withRoom([...found.values()], all ?? []), mountDirectory, host);
    },

    async sweep(alive) {
      if (!host.hasLvm()) return [];
      const removed = new Set<string>();
      const dead = (entry: string): string | undefined => {
        const owner = ownerOf(entry);
        return owner !== undefined && !alive.has(owner) ? owner : undefined;
      };
      await eachOf(mountedNames(mountDirectory), async (entry) => {
        const owner = dead(entry);
        if (owner !== undefined) await unmountImage(join(mountDirectory, entry), host).catch(rethrow(owner));
      });
      const all = await logicalVolumes(host.run).catch(rethrow('of the host'));
      await eachOf(all, async (volume) => {
        const owner = dead(volume.name);
        if (owner === undefined) return;
        await host.run('lvremove', ['--yes', `${volume.group}/${volume.name}`]).catch(rethrow(owner));
        removed.add(owner);
      });
      return [...removed];
    },
  };
}

const rethrow = (name: string) => (error: unknown) => {
  throw notRemoved(name, error);
};

const listAll = (path: string, host: LvmHost): Promise<LogicalVolume[]> =>
  logicalVolumes(host.run).catch((error: unknown) => {
    throw notTaken(path, error);
  });

/** btrfs knows devices by the UUID inside, and would take the image for the live one. */
function assertNoBtrfs(
  located: Located,
  number: string | undefined,
  mount: Mount | undefined,
  mounts: readonly Mount[],
  host: LvmHost,
): void {
  const btrfs = mount ? [mount] : mounts;
  for (const { fileSystem, source } of btrfs) {
    if (fileSystem !== 'btrfs') continue;
    const below = host.blockNumber(source);
    if (below === undefined || !host.isLogical(below) || (!mount && below !== number)) continue;
    const detail = 'btrfs cannot live beside an LVM snapshot of itself, which has the same UUID';
    throw failure('SNAPSHOT_NO_PROVIDER', { path: located.path, detail });
  }
}

function assertOrigin(path: string, origin: LogicalVolume, all: readonly LogicalVolume[]): void {
  const kind = origin.attributes[0];
  if (kind === 's' || kind === 'S') throw failure('SNAPSHOT_NO_PROVIDER', { path, detail: `${pathOf(origin)} is a snapshot itself` });
  if (isThin(origin)) assertPoolRoom(origin, all);
}

/** Thick volumes of one group share what is free in it. */
function withRoom(volumes: readonly Volume[], all: readonly LogicalVolume[]): Volume[] {
  const thick = volumes.filter(({ origin }) => !isThin(origin));
  const extents = new Map<Volume, number>();
  for (const members of Map.groupBy(thick, ({ origin }) => origin.group).values()) {
    const rooms = extentsFor(
      members.map(({ origin }) => origin),
      all,
    );
    for (const [i, member] of members.entries()) extents.set(member, rooms[i]!);
  }
  return volumes.map((volume) => ({ ...volume, extents: extents.get(volume) }));
}

interface Image extends Volume {
  readonly name: string;
  readonly point: string;
}

function planOf(planned: readonly Planned[], volumes: readonly Volume[], mountDirectory: string, host: LvmHost): SnapshotPlan {
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
      const remove = () => removeImages(name, made, host);
      let at = pathOf(volumes[0]!.origin);
      try {
        for (const image of images) {
          at = pathOf(image.origin);
          await host.run('lvcreate', createArguments(image));
          made.push(image);
        }
        // Mounting waits until all images exist: they are to be as close to each other as can be.
        for (const image of images) {
          at = pathOf(image.origin);
          if (image.mounts[0])
            await mountImage(pathOf({ ...image.origin, name: image.name }), image.mounts[0].fileSystem, mountDirectory, image.name, host);
        }
      } catch (error) {
        await remove().catch(() => undefined); // what is left, sweep() finds
        throw notTaken(at, error);
      }
      return snapshotOf(name, planned, images, host, remove);
    },
  };
}

function createArguments({ origin, name, extents }: Image): string[] {
  // A thin snapshot would not be activated otherwise.
  const room = extents === undefined ? ['--setactivationskip', 'n', '--activate', 'y'] : ['--extents', String(extents)];
  return ['--yes', '--snapshot', '--permission', 'r', '--name', name, ...room, `${origin.group}/${origin.name}`];
}

function snapshotOf(
  name: string,
  planned: readonly Planned[],
  images: readonly Image[],
  host: LvmHost,
  remove: () => Promise<void>,
): Snapshot {
  let removed = false;
  const places = images.flatMap(({ origin, name: piece, point, mounts, devices }): Imaged[] => [
    ...mounts.map((mount) => ({ top: mount.point, image: mount.root === '/' ? point : point + mount.root })),
    ...devices.map((device) => ({ top: device, image: pathOf({ ...origin, name: piece }) })),
  ]);
  return {
    placeOf: placing(planned, places),
    async intact() {
      if (removed) throw failure('SNAPSHOT_LOST', { name, detail: 'it was removed' });
      const lost = (detail: string, cause?: unknown) => failure('SNAPSHOT_LOST', { name, detail }, { cause });
      const all = await logicalVolumes(host.run).catch((error: unknown) => {
        throw lost(detailOf(error), error);
      });
      for (const image of images) {
        const now = all.find((volume) => volume.group === image.origin.group && volume.name === image.name);
        const fault = now ? faultOf(now) : 'it was removed';
        if (fault !== undefined) throw lost(`${pathOf(image.origin)}: ${fault}`);
        if (image.mounts.length > 0 && !host.mounts().some(({ point }) => point === image.point))
          throw lost(`${pathOf(image.origin)}: its image was unmounted`);
      }
    },
    async remove() {
      if (removed) return;
      await remove();
      removed = true;
    },
  };
}

async function removeImages(name: string, images: readonly Image[], host: LvmHost): Promise<void> {
  const all = await logicalVolumes(host.run).catch(rethrow(name));
  await eachOf(images, async ({ origin, name: piece, point }) => {
    await unmountImage(point, host).catch(rethrow(name));
    if (!all.some((volume) => volume.group === origin.group && volume.name === piece)) return;
    await host.run('lvremove', ['--yes', `${origin.group}/${piece}`]).catch(rethrow(name));
  });
}

function mountedNames(mountDirectory: string): string[] {
  try {
    return readdirSync(mountDirectory);
  } catch {
    return [];
  }
}
