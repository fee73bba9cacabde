// A whole server: its disks as they are found now, so that those that were added since take part by themselves. They are read as any disks.
import { mountPointOf } from '../../base/block-tree.ts';
import { type HostDisks, hostDisks } from '../../base/host-disks.ts';
import type { ServerSource } from '../../model/plan.ts';
import type { Settled } from '../../ports/settled.ts';
import type { Warn } from '../../ports/source.ts';
import { chosenOf } from './choose.ts';

/** Which disk had which path at that time, and what was left out: what a restore onto another host goes by. */
export const disksFile = 'disks.json';

export interface ServerContext {
  readonly warn: Warn;
  /** Where local pools are that the backup goes to. */
  readonly pools: readonly string[];
  /** What tests set otherwise. */
  readonly findDisks?: (() => HostDisks) | undefined;
}

/** Throws SOURCE_MISSING where no disk is meant. */
export function resolveServer(settings: ServerSource, { warn, pools, findDisks = hostDisks }: ServerContext): Settled {
  const { disks, others } = findDisks();
  const { chosen, excluded, odd } = chosenOf(settings, disks);
  for (const { name, count } of odd) {
    const names = count === 0 ? 'this host has no disk of that name' : `${count} disks of this host go by that name, all are left out`;
    warn({ item: name, detail: `it is excluded, and ${names}` });
  }
  if (!disks.some(({ system }) => system))
    warn({ item: 'disks', detail: 'none carries the system that runs here (a container? ZFS?), so that what is in use cannot be seen' });
  const points = pools.map(mountPointOf);
  for (const { path, uses } of chosen)
    if (uses.some(({ point }) => points.includes(point)))
      warn({ item: path, detail: 'the vault lies on it: each backup stores again what the one before has stored. Leave this disk out' });
  return {
    found: true,
    source: { kind: 'disk', paths: chosen.map(({ path }) => path) },
    files: [{ name: disksFile, text: JSON.stringify({ disks: chosen, excluded, others }) }],
  };
}
