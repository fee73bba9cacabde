// How much room a thick snapshot gets for what is overwritten while it lives.
import { failure } from '../base/errors.ts';
import type { LogicalVolume } from './lvm-report.ts';

/** Of the origin's size: what a snapshot gets where the group has room, and the least with which it is worth beginning. */
const share = 0.2;
const least = 0.05;
/** Of what is free in a group with thin pools, and at least so many bytes. */
const poolShare = 0.05;
const poolLeast = 2 ** 30;
/** A pool fuller than this is not filled further by us: thin volumes that run out of room hurt the server. */
const fullest = 90;

/**
 * Extents for a snapshot of each origin; all of them are of one group and share what is free in it. Throws SNAPSHOT_NO_SPACE. An origin is never
 * harmed by a snapshot that runs full, only the snapshot is lost; so what is free may be used up, all but what thin pools of the group may have to grow by.
 */
export function extentsFor(origins: readonly LogicalVolume[], all: readonly LogicalVolume[]): number[] {
  const { groupFree, extent } = origins[0]!;
  const free = Math.max(0, Math.floor((groupFree - reserveOf(origins[0]!, all)) / extent));
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

/** Bytes that are left to the thin pools of the group: one that cannot grow hurts the server. */
function reserveOf({ group, groupFree }: LogicalVolume, all: readonly LogicalVolume[]): number {
  const hasPools = all.some((volume) => volume.group === group && volume.attributes.startsWith('t'));
  return hasPools ? Math.max(groupFree * poolShare, poolLeast) : 0;
}

/** Throws SNAPSHOT_NO_SPACE where the pool of a thin origin has hardly any room left. */
export function assertPoolRoom(origin: LogicalVolume, all: readonly LogicalVolume[]): void {
  const pool = all.find(({ group, name }) => group === origin.group && name === origin.pool);
  const full = Math.max(pool?.full ?? 0, pool?.metadataFull ?? 0);
  if (full > fullest)
    throw failure('SNAPSHOT_NO_SPACE', {
      path: pathOf(origin),
      detail: `its thin pool ${origin.pool} is ${full} % full, and ${fullest} % is the most`,
    });
}

export const pathOf = ({ group, name }: { readonly group: string; readonly name: string }): string => `/dev/${group}/${name}`;

const mebibytes = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`;
