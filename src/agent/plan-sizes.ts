// How large what plans protect is: disks by their own size, everything else by its last good backup. What nobody knows yet counts nothing.
import { stat } from 'node:fs/promises';
import { type HostDisk, hostDisks } from '../base/host-disks.ts';
import type { Plan, SourceSettings } from '../model/plan.ts';
import { resourcesOf } from '../model/resource.ts';
import { chooseDisks } from '../sources/server/choose.ts';
import type { State } from '../state/state.ts';

/** Bytes by the name of each resource of a plan. */
export type SizesOf = (plan: Pick<Plan, 'id' | 'source'>) => ReadonlyMap<string, number>;

/** Looks at the host's disks once, and only if a plan asks for it. `images`: bytes of image files, as they were measured. */
export function planSizes(state: State, images: ReadonlyMap<string, number> = new Map()): SizesOf {
  let found: readonly HostDisk[] | undefined;
  const disks = () => (found ??= hostDisks().disks);
  const diskSize = (path: string) => images.get(path) ?? disks().find((disk) => disk.path === path || disk.names.includes(path))?.size;

  return ({ id, source }) => {
    const names = resourcesOf(source);
    if (source.kind === 'server') return new Map([['server', sum(chooseDisks(source, disks()).chosen.map(({ size }) => size))]]);
    if (source.kind !== 'disk') return new Map(names.map((name) => [name, lastSize(state, id)]));
    const known = source.paths.map((path) => [`disk ${path}`, diskSize(path)] as const);
    const unknown = known.filter(([, size]) => size === undefined).length;
    // Image files that were not looked at: what the last backup held besides the disks, in equal parts.
    const rest = unknown === 0 ? 0 : Math.max(0, lastSize(state, id) - sum(known.map(([, size]) => size ?? 0)));
    return new Map(known.map(([name, size]) => [name, size ?? Math.floor(rest / unknown)]));
  };
}

/** As `planSizes`, and image files among the disks of these sources are looked at. Never throws: what cannot be read is not known. */
export async function measuredSizes(state: State, sources: readonly SourceSettings[]): Promise<SizesOf> {
  const paths = new Set(sources.flatMap((source) => (source.kind === 'disk' ? source.paths : [])));
  const measured = await Promise.all(
    [...paths].map(async (path) => {
      const seen = await stat(path).catch(() => undefined);
      return seen?.isFile() ? ([[path, seen.size]] as const) : [];
    }),
  );
  return planSizes(state, new Map(measured.flat()));
}

const lastSize = (state: State, planId: string): number => state.backups.lastGood(planId)?.sizeBytes ?? 0;

const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
