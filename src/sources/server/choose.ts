// Which of the host's disks a plan of a server means.
import { fail } from '../../base/errors.ts';
import type { HostDisk } from '../../base/host-disks.ts';
import type { ServerSource } from '../../model/plan.ts';

export interface ChosenDisks {
  readonly chosen: readonly HostDisk[];
  readonly excluded: readonly HostDisk[];
  /** Of the plan's exclusions, what does not name exactly one disk of this host, and how many it names. */
  readonly odd: readonly { readonly name: string; readonly count: number }[];
}

export function chooseDisks({ disks: which, exclude }: ServerSource, disks: readonly HostDisk[]): ChosenDisks {
  const meant = disks.filter(({ system }) => which === 'all' || system === (which === 'system'));
  const names = (disk: HostDisk, name: string) => disk.path === name || disk.names.includes(name);
  const isExcluded = (disk: HostDisk) => exclude.some((name) => names(disk, name));
  return {
    chosen: meant.filter((disk) => !isExcluded(disk)),
    excluded: meant.filter(isExcluded),
    odd: exclude.map((name) => ({ name, count: disks.filter((disk) => names(disk, name)).length })).filter(({ count }) => count !== 1),
  };
}

/** Throws SOURCE_MISSING where none is meant. */
export function chosenOf(settings: ServerSource, disks: readonly HostDisk[]): ChosenDisks {
  const choice = chooseDisks(settings, disks);
  const which = settings.disks === 'all' ? 'disk' : `${settings.disks} disk`;
  if (choice.chosen.length === 0) fail('SOURCE_MISSING', { path: `of a ${which} of this host that is not excluded` });
  return choice;
}
