// Is a file safe to be believed by the privileged user: nobody else can have written it, nor put another one in its place.
import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, realpathSync, type Stats } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errnoOf } from './errors.ts';

const writableByOthers = 0o022;
const sticky = 0o1000;

/** Throws the error of the caller's area. `detail` is what exactly is wrong. */
export type Refuse = (detail: string, cause?: unknown) => never;

/**
 * Opens a file for reading, once; what is read or run later is this descriptor, so what happens to the name afterwards changes nothing.
 * `owner` is the privileged user's uid. `more` may find other faults in it. The caller closes the descriptor.
 */
export function openSafeFile(path: string, owner: number, refuse: Refuse, more?: (stats: Stats) => string | undefined): number {
  const folders = faultOfFolders(dirname(path), owner);
  if (folders) return refuse(folders);
  let fd: number;
  try {
    // Without O_NONBLOCK the opening of a named pipe would wait for its writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return refuse(errnoOf(error) === 'ELOOP' ? 'it is a symbolic link' : `it cannot be opened (${errnoOf(error)})`, error);
  }
  const stats = fstatSync(fd);
  const fault = stats.isFile() ? (faultOfOwner(stats, owner, 'it') ?? more?.(stats)) : 'it is no regular file';
  if (fault === undefined) return fd;
  closeSync(fd);
  return refuse(fault);
}

function faultOfOwner(stats: Stats, owner: number, it: string): string | undefined {
  // What root owns is safe for everybody who is not root.
  if (stats.uid !== owner && stats.uid !== 0) return `${it} is owned by uid ${stats.uid}, not by ${owner === 0 ? 'root' : `uid ${owner}`}`;
  if ((stats.mode & 0o020) !== 0) return `${it} may be written by its group (mode ${octal(stats)})`;
  if ((stats.mode & 0o002) !== 0) return `${it} may be written by everybody (mode ${octal(stats)})`;
  return undefined;
}

/**
 * What is wrong with a folder or one above it, up to `/`. A folder above that others may write is borne only with the sticky bit (as /tmp
 * has it): what lies in it and belongs to the privileged user can then be neither renamed nor replaced by them. The folder itself must not
 * be writable at all, for there they could add a script. Every link on the way counts, as well as where it leads.
 */
export function faultOfFolders(folder: string, owner: number): string | undefined {
  const lexical = resolve(folder);
  for (const path of chain(lexical)) {
    const fault = faultOfFolder(path, owner, path !== lexical);
    if (fault) return fault;
  }
  const real = realpathSync(lexical);
  return real === lexical ? undefined : faultOfFolders(real, owner);
}

function faultOfFolder(path: string, owner: number, above: boolean): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats?.isSymbolicLink()) {
    const to = readlinkSync(path);
    return stats.uid === owner || stats.uid === 0 ? undefined : `${path} (a link to ${to}) is owned by uid ${stats.uid}`;
  }
  if (!stats?.isDirectory()) return `${path} is no directory`;
  if (above && (stats.mode & sticky) !== 0 && (stats.mode & writableByOthers) !== 0) return faultOfStickyOwner(stats, owner, path);
  return faultOfOwner(stats, owner, `the directory ${path}`);
}

function faultOfStickyOwner(stats: Stats, owner: number, path: string): string | undefined {
  return stats.uid === owner || stats.uid === 0 ? undefined : `the directory ${path} is owned by uid ${stats.uid}`;
}

/** `/`, `/a`, `/a/b`. */
function chain(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [...chain(parent), path];
}

const octal = (stats: Stats): string => (stats.mode & 0o7777).toString(8).padStart(3, '0');
