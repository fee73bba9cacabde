// Images of what a task reads, taken by the task itself where it has the rights.
import { asStillpointError, type Problem } from '../base/errors.ts';
import { writerOfDisk } from '../base/open-for-writing.ts';
import type { DiskWriter, ImageRequest } from '../model/images.ts';
import type { Snapshot, SnapshotPlan } from '../ports/snapshot.ts';
import type { Warn } from '../ports/source.ts';
import { chooseSnapshot } from '../snapshots/choose.ts';
import { snapshotName, taskOf } from '../snapshots/names.ts';
import { beginLife, forgetDead, isAlive } from './task-life.ts';
import { allSnapshots, snapshots } from './wiring.ts';

export type ImagePlan = Omit<SnapshotPlan, 'take'> & {
  /** Throws SNAPSHOT_…; nothing is left then. */
  take(): Promise<Snapshot>;
};

export interface Images {
  /** Of these disks, those that are written to. */
  writers(paths: readonly string[]): Promise<readonly DiskWriter[]>;
  /** Removes what dead tasks left behind. What cannot be removed now is come back to with the next task. Never rejects. */
  sweep(warn: Warn): Promise<void>;
  /** How an image of all that would be taken, or why there is none. Throws what is no matter of images (SOURCE_MISSING). */
  choose(request: ImageRequest, warn: Warn): Promise<{ readonly plan: ImagePlan } | { readonly none: Problem }>;
}

export interface ImagePlaces {
  /** A directory of the agent's own for images that have to be mounted. */
  readonly images: string;
  /** Where tasks say that they live. */
  readonly tasks: string;
  /** Of the installation, in the names of its images. */
  readonly mark: string;
}

export function imagesHere(host: ImagePlaces): Images {
  return {
    writers: async (paths) =>
      paths.flatMap((path) => {
        const writer = writerOfDisk(path);
        return writer ? [{ path, ...writer }] : [];
      }),
    sweep: (warn) => sweepImages(host, warn),
    async choose({ kind, paths, task }) {
      const choice = await chooseSnapshot(await snapshots[kind](host.images), paths);
      if ('problem' in choice) return { none: choice.problem.toProblem() };
      return { plan: { ...choice.plan, take: () => takeAlive(choice.plan, task, host) } };
    },
  };
}

/** Nobody sweeps the images of a task that lives. */
async function takeAlive(plan: SnapshotPlan, task: string, { tasks, mark }: ImagePlaces): Promise<Snapshot> {
  const end = beginLife(tasks, task);
  try {
    const snapshot = await plan.take(snapshotName(mark, task));
    return { ...snapshot, remove: () => snapshot.remove().finally(end) };
  } catch (error) {
    end();
    throw error;
  }
}

/** Images of other installations are none of ours. */
async function sweepImages({ images, tasks, mark }: ImagePlaces, warn: Warn): Promise<void> {
  const has = (name: string) => {
    const task = taskOf(mark, name);
    return task === undefined || isAlive(tasks, task);
  };
  const tell = (error: unknown) => warn({ item: 'snapshot', detail: asStillpointError(error).message });
  for (const provider of await allSnapshots(images)) await provider.sweep({ has }).catch(tell);
  try {
    forgetDead(tasks);
  } catch (error) {
    tell(error);
  }
}
