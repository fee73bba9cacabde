// Taking away what is in the way of a restore, or what the backup does not know.
import { errnoOf, failure } from '../../base/errors.ts';
import { close, rmdirAt, unlinkAt } from '../../base/libc.ts';
import { openDirectory, readNames } from '../../base/libc-dir.ts';
import { type FileStat, fileType, statAtIfAny, statFd } from '../../base/libc-stat.ts';

/**
 * Removes `name` from the directory open as `dirfd`, with all below it; follows no link and leaves no mounted file system's content out of
 * sight: a mount point below is an error. Returns how many entries went; none if it was gone already.
 */
export function removeTree(dirfd: number, name: Buffer): number {
  return remove(dirfd, name, statFd(dirfd).device);
}

function remove(dirfd: number, name: Buffer, device: bigint): number {
  const stat = statAtIfAny(dirfd, name);
  if (stat === undefined) return 0;
  if (stat.device !== device || stat.mountRoot)
    throw failure('TARGET_FAILED', { path: name.toString(), detail: 'a file system is mounted on it' });
  if ((stat.mode & fileType.mask) !== fileType.dir) {
    unlinkAt(dirfd, name);
    return 1;
  }
  let removed = 1;
  const fd = openDirectory(dirfd, name);
  try {
    for (const child of readNames(fd)) removed += remove(fd, Buffer.from(child, 'latin1'), device);
  } finally {
    close(fd);
  }
  rmdirAt(dirfd, name);
  return removed;
}

/** Whether `path` is one of `guard`, or above or below one: then it is not deleted. All absolute. */
export function isGuarded(guard: readonly string[], path: string): boolean {
  return guard.some((guarded) => `${guarded}/`.startsWith(`${path}/`) || `${path}/`.startsWith(`${guarded}/`));
}

/** Makes room for an entry of another type. A directory goes only if it is empty or `wholeTrees` allows more. Throws TARGET_FAILED. */
export function clearTheWay(dirfd: number, name: Buffer, stat: FileStat, wholeTrees: boolean): void {
  if ((stat.mode & fileType.mask) !== fileType.dir) unlinkAt(dirfd, name);
  else if (wholeTrees) removeTree(dirfd, name);
  else {
    try {
      rmdirAt(dirfd, name);
    } catch (cause) {
      if (errnoOf(cause) !== 'ENOTEMPTY') throw cause;
      throw failure('TARGET_FAILED', { path: name.toString(), detail: 'a directory that is not empty is in its place' }, { cause });
    }
  }
}
