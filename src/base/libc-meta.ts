// Giving a restored entry its owner, attributes, mode and times, through its descriptor or relative to its open directory.
//
// The order matters: a change of owner clears setuid and file capabilities, so it comes first; user.* attributes need write permission by
// mode, so the mode (maybe 0444) comes after them; everything touches times, so they come last.
import { errnoOf } from './errors.ts';
import * as libc from './libc.ts';
import { fileType, statFd } from './libc-stat.ts';
import { getXattr, listXattrs, removeXattr, setXattr, type Xattr } from './libc-xattr.ts';

/** The part of an entry's metadata that can be applied; a model NodeMeta is one. */
export interface FileMeta {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits, 0..0o7777. */
  readonly mode: number;
  readonly atime: libc.TimeNs;
  readonly mtime: libc.TimeNs;
  readonly xattrs: readonly Xattr[];
}

const setIds = 0o6000;

/** Creates a file that was not there, for reading and writing, mode 0600. Throws EEXIST (for a symbolic link too). */
export function createFile(dirfd: number, name: libc.PathBytes): number {
  return libc.openAt(dirfd, name, libc.open.readWrite | libc.open.create | libc.open.exclusive | libc.open.noFollow, 0o600);
}

/**
 * Whether a file that is created in the directory open as `dirfd` may get attributes from it: what is inherited (a default ACL, compression
 * on btrfs) is an attribute of the directory too.
 */
export function bequeathsXattrs(dirfd: number): boolean {
  try {
    return listXattrs(dirfd).some(ours);
  } catch (error) {
    return errnoOf(error) !== 'ENOTSUP';
  }
}

/**
 * Applies `meta` to the regular file or directory open as `fd`. Returns what could not be applied, in words. `bare`: it is new and has no
 * attributes that would have to go.
 */
export function applyMeta(fd: number, meta: FileMeta, bare = false): string[] {
  const warnings: string[] = [];
  const owned = attempt(warnings, 'owner', () => libc.chown(fd, meta.uid, meta.gid));
  if (!bare || meta.xattrs.length > 0) applyXattrs(fd, meta.xattrs, warnings);
  attempt(warnings, 'mode', () => libc.chmod(fd, permitted(meta, owned)));
  attempt(warnings, 'times', () => libc.setTimes(fd, meta.atime, meta.mtime));
  return warnings;
}

/** Applies `meta` to the symbolic link, fifo, socket or device `name` in the directory open as `dirfd`; never follows a link. */
export function applyMetaAt(dirfd: number, name: libc.PathBytes, meta: FileMeta): string[] {
  const warnings: string[] = [];
  const fd = libc.openAt(dirfd, name, libc.open.path | libc.open.noFollow);
  try {
    const symlink = (statFd(fd).mode & fileType.mask) === fileType.symlink;
    const owned = attempt(warnings, 'owner', () => libc.chownPathFd(fd, meta.uid, meta.gid));
    const path = Buffer.concat([Buffer.from(`/proc/self/fd/${dirfd}/`), Buffer.from(name as Uint8Array)]);
    applyXattrs(path, meta.xattrs, warnings);
    if (!symlink) attempt(warnings, 'mode', () => libc.chmodPathFd(fd, permitted(meta, owned)));
  } finally {
    libc.close(fd);
  }
  attempt(warnings, 'times', () => libc.setTimesAt(dirfd, name, meta.atime, meta.mtime));
  return warnings;
}

/** A file that stayed with another owner must not run with that owner's rights. */
function permitted(meta: FileMeta, owned: boolean): number {
  return owned ? meta.mode : meta.mode & ~setIds;
}

/** Makes the attributes equal to `wanted`: what is not in the backup goes, what is equal is left alone. */
function applyXattrs(subject: number | Buffer, wanted: readonly Xattr[], warnings: string[]): void {
  let present: readonly string[] = [];
  try {
    present = listXattrs(subject);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTSUP') warnings.push(`attributes: ${errnoOf(error) ?? error}`);
  }
  for (const name of present) {
    if (!ours(name) || wanted.some((attribute) => attribute.name === name)) continue;
    attempt(warnings, `attribute ${name}`, () => removeXattr(subject, name));
  }
  for (const { name, value } of wanted) {
    if (present.includes(name) && equals(getXattr(subject, name), value)) continue;
    attempt(warnings, `attribute ${name}`, () => setXattr(subject, name, value));
  }
}

/** Labels of a security module (SELinux, IMA) are given by this host's policy and are not removed; file capabilities are. */
function ours(name: string): boolean {
  return !name.startsWith('security.') || name === 'security.capability';
}

function equals(a: Buffer | undefined, b: Uint8Array): boolean {
  return a?.equals(b) === true;
}

/** Without root nobody can give files away or set trusted attributes: that is expected and not worth a warning for each file. */
function attempt(warnings: string[], what: string, action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    const code = errnoOf(error);
    if (!(code === 'EPERM' && process.geteuid?.() !== 0)) warnings.push(`${what}: ${code ?? error}`);
    return false;
  }
}
