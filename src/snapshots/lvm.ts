// Snapshots of logical volumes, thick and thin. LVM suspends the volume and freezes the file system on it by itself.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { failure } from '../base/errors.ts';
import type { Planned } from '../model/place.ts';
import type { SnapshotProvider } from '../ports/snapshot.ts';
import { type LvmHost, thisHost } from './lvm-host.ts';
import { lvmPlan, removeVolume, type Volume } from './lvm-image.ts';
import { unmountImage } from './lvm-mount.ts';
import { isThin, type LogicalVolume, logicalVolumes } from './lvm-report.ts';
import { assertPoolRoom, extentsFor, pathOf } from './lvm-room.ts';
import { type Located, locate, type Mount, mountOf } from './mounts.ts';
import { ownerOf } from './names.ts';
import { eachOf, notRemoved, notTaken } from './trouble.ts';

export interface LvmOptions {
  /** A directory of the agent's own where images are mounted. */
  readonly mountDirectory: string;
  readonly host?: LvmHost;
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
      return lvmPlan(planned, withRoom([...found.values()], all ?? []), { mountDirectory, host });
    },

    async sweep(alive) {
      const removed = new Set<string>();
      const dead = (entry: string): string | undefined => {
        const owner = ownerOf(entry);
        return owner !== undefined && !alive.has(owner) ? owner : undefined;
      };
      await eachOf(mountedNames(mountDirectory), async (entry) => {
        const owner = dead(entry);
        if (owner !== undefined) await unmountImage(join(mountDirectory, entry), host).catch(rethrow(owner));
      });
      if (!host.hasLvm()) return [];
      const all = await logicalVolumes(host.run).catch(rethrow('of the host'));
      await eachOf(all, async (volume) => {
        const owner = dead(volume.name);
        if (owner === undefined) return;
        await removeVolume(`${volume.group}/${volume.name}`, host).catch(rethrow(owner));
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

function mountedNames(mountDirectory: string): string[] {
  try {
    return readdirSync(mountDirectory);
  } catch {
    return [];
  }
}
