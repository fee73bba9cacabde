// How much room snapshots get for what is overwritten while they live: at first, and while they are read.
import { failure } from '../base/errors.ts';
import { isThin, type LogicalVolume } from './lvm-report.ts';
import type { Run } from './run.ts';
import { detailOf } from './trouble.ts';

/** Of the origin's size: what a snapshot gets where the group has room, and the least with which it is worth beginning. */
const share = 0.2;
const least = 0.05;
/** Of what is free in a group with thin pools, and at least so many bytes. */
const poolShare = 0.05;
const poolLeast = 2 ** 30;
/** A pool fuller than this is not filled further by us: thin volumes that run out of room hurt the server. */
const fullest = 90;
/** A pool as full as this takes our snapshots with it sooner or later, and the server's volumes, too: better without the snapshot. */
const tooFull = 95;
/** Percent at which a thick snapshot gets more room, and at which somebody should know. */
const extendAt = 70;
const warnAt = 80;
/** Of the origin's size: room for all of it, and for the list of what was overwritten. */
const whole = 1.01;

/**
 * Extents for a snapshot of each origin; all of them are of one group and share what is free in it. Throws SNAPSHOT_NO_SPACE. An origin is never
 * harmed by a snapshot that runs full, only the snapshot is lost; so what is free may be used up, all but what thin pools of the group may have to grow by.
 */
export function extentsFor(origins: readonly LogicalVolume[], all: readonly LogicalVolume[]): number[] {
  const { extent } = origins[0]!;
  const free = freeExtents(origins[0]!, all);
  const portion = (size: number, part: number) => Math.max(1, Math.ceil((size * part) / extent));
  const wanted = origins.map(({ size }) => portion(size, share));
  const sum = wanted.reduce((total, one) => total + one, 0);
  return origins.map((origin, i) => {
    const extents = sum <= free ? wanted[i]! : Math.floor((free * wanted[i]!) / sum);
    const minimum = portion(origin.size, least);
    if (extents < minimum) {
      const detail = `${mebibytes(free * extent)} are free in the volume group ${origin.group}, and ${mebibytes(minimum * extent)} are the least for ${origin.name}`;
      throw failure('SNAPSHOT_NO_SPACE', { path: pathOf(origin), detail });
    }
    return extents;
  });
}

function freeExtents(volume: LogicalVolume, all: readonly LogicalVolume[]): number {
  return Math.max(0, Math.floor((volume.groupFree - reserveOf(volume, all)) / volume.extent));
}

/** Bytes that are left to the thin pools of the group: one that cannot grow hurts the server. */
function reserveOf({ group, groupFree }: LogicalVolume, all: readonly LogicalVolume[]): number {
  const hasPools = all.some((volume) => volume.group === group && volume.attributes.startsWith('t'));
  return hasPools ? Math.max(groupFree * poolShare, poolLeast) : 0;
}

/**
 * A thick image that fills up gets as much again as it had at first, as long as the group has it and until it has room for all of its
 * origin: then it cannot overflow. Gives what endangers it all the same.
 */
export async function keepRoom(
  image: LogicalVolume,
  origin: LogicalVolume,
  all: readonly LogicalVolume[],
  run: Run,
): Promise<string | undefined> {
  if (isThin(image)) return poolDanger(image, all);
  const { full = 0, extent } = image;
  if (full < extendAt) return undefined;
  const missing = Math.ceil(Math.max(0, origin.size * whole - image.size) / extent);
  const extents = Math.min(missing, freeExtents(image, all), Math.ceil((origin.size * share) / extent));
  let trouble = missing === 0 ? 'it has room for all of its origin already' : `the volume group ${image.group} has no room for more`;
  if (extents > 0) {
    try {
      await run('lvextend', ['--yes', '--extents', `+${extents}`, `${image.group}/${image.name}`]);
      return undefined;
    } catch (error) {
      trouble = detailOf(error);
    }
  }
  return full < warnAt ? undefined : `its snapshot is ${full} % full: ${trouble}`;
}

/** What a pool that fills up means for an image in it. */
function poolDanger({ group, pool }: LogicalVolume, all: readonly LogicalVolume[]): string | undefined {
  const full = fullnessOf(group, pool, all);
  return full < warnAt
    ? undefined
    : `the thin pool ${pool} of its snapshot is ${full} % full, and at ${tooFull} % the snapshot is given up`;
}

/** Whether the pool of a thin image needs the room more than we do. */
export const isPoolTooFull = (image: LogicalVolume, all: readonly LogicalVolume[]): boolean =>
  isThin(image) && fullnessOf(image.group, image.pool, all) >= tooFull;

/** Percent, of its data or its metadata. */
function fullnessOf(group: string, pool: string, all: readonly LogicalVolume[]): number {
  const found = all.find((volume) => volume.group === group && volume.name === pool);
  return Math.max(found?.full ?? 0, found?.metadataFull ?? 0);
}

/** Throws SNAPSHOT_NO_SPACE where the pool of a thin origin has hardly any room left. */
export function assertPoolRoom(origin: LogicalVolume, all: readonly LogicalVolume[]): void {
  const full = fullnessOf(origin.group, origin.pool, all);
  if (full > fullest)
    throw failure('SNAPSHOT_NO_SPACE', {
      path: pathOf(origin),
      detail: `its thin pool ${origin.pool} is ${full} % full, and ${fullest} % is the most`,
    });
}

export const pathOf = ({ group, name }: { readonly group: string; readonly name: string }): string => `/dev/${group}/${name}`;

const mebibytes = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`;
