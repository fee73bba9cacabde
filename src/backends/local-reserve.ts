// Room that a full pool still has for the tasks that give space back: a file beside the pool's marker, which they may take away.
import { randomBytes } from 'node:crypto';
import { lstat, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.ts';

export const reserveName = '.stillpoint-reserve';

/** Enough for a lock, new index files, and the trees that a prune packs anew. */
export const reserveSize = 4 << 20;
/** Where that does not fit, less is better than nothing: a lock alone needs a block. */
const smallerSizes = [1 << 20, 256 << 10, 64 << 10];

/** Whether an error says that nothing more fits. */
export function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '');
}

/**
 * Makes sure that the reserve is there, whole. Throws ENOSPC or EDQUOT where it does not fit; then as much of it is there as fits. Throws
 * other system errors where the directory takes no file.
 */
export async function makeReserve(folder: string): Promise<void> {
  const found = await lstat(join(folder, reserveName)).catch(ignoreMissing);
  if (found?.isFile() && found.size === reserveSize) return;
  if (found !== undefined) await giveUpReserve(folder);
  try {
    await writeReserve(folder, reserveSize);
  } catch (error) {
    if (isFull(error)) await makeSmaller(folder);
    throw error;
  }
}

async function makeSmaller(folder: string): Promise<void> {
  for (const size of smallerSizes) {
    try {
      return await writeReserve(folder, size);
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }
}

/** Random bytes, which no file system shrinks, in a new file: one that is there already is never written into. */
async function writeReserve(folder: string, size: number): Promise<void> {
  const path = join(folder, reserveName);
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(randomBytes(size));
    await file.sync();
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

/** Gives the room away; false where there was none to give. */
export async function giveUpReserve(folder: string): Promise<boolean> {
  try {
    await unlink(join(folder, reserveName));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** The reserve as one opened repository deals with it. */
export interface Reserve {
  /** Before a pack is saved: the last room goes to the reserve, not to packs. Throws ENOSPC and EDQUOT; other trouble leaves a pool without. */
  hold(): Promise<void>;
  /** Runs `save`; where it does not fit and this repository may have the reserve, the reserve gives way and `save` runs once more. */
  withRoom(save: () => Promise<void>): Promise<void>;
  /** Makes it again after it gave way, if there is room by now. */
  restore(): Promise<void>;
}

export interface ReserveSettings {
  readonly folder: string;
  /** For tasks that give space back; all others keep the reserve whole. */
  readonly spend: boolean;
  /** Throws unless the pool is really there: nothing is made below the mount point of one that went away. */
  readonly mustBeMounted: () => Promise<void>;
}

export function openReserve({ folder, spend, mustBeMounted }: ReserveSettings): Reserve {
  let held: Promise<void> | undefined;
  let spent: Promise<boolean> | undefined;
  const make = async () => {
    await mustBeMounted();
    await makeReserve(folder).catch((error: unknown) => {
      if (isFull(error)) throw error;
    });
  };
  return {
    hold() {
      if (spend) return Promise.resolve();
      if (held === undefined) {
        held = make();
        held.catch(() => {
          held = undefined;
        });
      }
      return held;
    },
    async withRoom(save) {
      try {
        await save();
      } catch (error) {
        if (!spend || !isFull(error)) throw error;
        spent ??= giveUpReserve(folder);
        if (!(await spent)) throw error;
        await save();
      }
    },
    async restore() {
      if (spent === undefined) return;
      spent = undefined;
      await make().catch(() => undefined);
    },
  };
}

function ignoreMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
  return undefined;
}
