// A point-in-time image of volumes that lives for minutes: taken while applications hold still, opened and read after they run on, removed.
import type { Places } from '../model/place.ts';
import type { Warn } from './source.ts';

/** Who holds the file system while the image is taken (docs/architecture.md, "The still point"). */
export type WhoFreezes =
  /** The provider makes its own barrier; a file system frozen from outside would block it in the kernel until the thaw. */
  | 'self'
  /** The image is taken below the file system: that has to be frozen by us, from before the first image to after the last. */
  | 'outside';

export interface SnapshotProvider {
  /** `btrfs`, `lvm`, `reflink`. */
  readonly name: string;
  readonly freezes: WhoFreezes;
  /**
   * How it would take one image of these (absolute paths; each a directory, a file or a block device on a volume of its kind). Changes
   * nothing. Undefined when one of them lies on no volume of its kind. Throws SNAPSHOT_… where it is its kind but cannot be (no free space
   * in the volume group).
   */
  plan(paths: readonly string[]): Promise<SnapshotPlan | undefined>;
  /**
   * Removes images that dead tasks left behind: all of ours whose names `alive` has not. It is asked after an image was seen, so that a task has
   * only to be alive before it makes its first one: any number of these may run while others take and remove theirs. Starts no program and
   * walks nowhere where there is nothing to do. Returns the names of what was removed.
   */
  sweep(alive: Pick<ReadonlySet<string>, 'has'>): Promise<readonly string[]>;
}

export interface SnapshotPlan {
  readonly provider: string;
  readonly freezes: WhoFreezes;
  /** What is imaged: mount points, logical volumes, files. */
  readonly volumes: readonly string[];
  /**
   * Undefined: all of it at one instant. Otherwise why it is not (several volumes, one after the other): then only writers that are stopped,
   * or file systems held frozen from outside, make it one point in time.
   */
  readonly apart?: string;
  /**
   * Takes it, and does no more: users wait meanwhile. `name` comes from the task (snapshots/names.ts), so that leftovers are found. Throws
   * SNAPSHOT_FAILED, SNAPSHOT_NO_SPACE; nothing is left then.
   */
  take(name: string): Promise<Snapshot>;
}

export interface Snapshot {
  /**
   * Makes it readable (mounts it): once, after the thaw, before anything is read. `warn` is told, then and later, what endangers the image. Gives
   * why it is not one moment where that is seen only now; undefined where it is as the plan said. Throws SNAPSHOT_FAILED; it is there to be
   * removed then.
   */
  open(warn: Warn): Promise<string | undefined>;
  /** Where live absolute paths (those planned for, and all below) are read in the image, once it is open: placing() tells of each. */
  readonly places: Places;
  /**
   * Throws SNAPSHOT_LOST once the image is not what it was (overflow, removed), which it then stays: nothing read from it may become a backup.
   * Called again and again while it is read: what can be done against a loss (more room) is done here.
   */
  intact(): Promise<void>;
  /** Idempotent. Throws SNAPSHOT_REMOVE_FAILED; sweep() comes back to it. */
  remove(): Promise<void>;
}
