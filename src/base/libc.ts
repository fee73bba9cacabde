// System calls that Node lacks: entries relative to an open directory, raw names, holes, device sizes. Linux with glibc, 64 bit.
// All are synchronous and throw errors with `code` as node:fs does. Descriptors made here are closed with `close` of this file: in a worker
// thread fs.closeSync warns about descriptors that it did not open itself.
import { bound, check, cString, errnoName, libc, type PathBytes, systemError } from './libc-load.ts';

export type { PathBytes } from './libc-load.ts';

/** Numbers from Linux's uapi headers; `directory`, `noFollow` and `direct` are the ones that differ on arm64. */
const arm = process.arch === 'arm64';
export const open = {
  readOnly: 0,
  writeOnly: 1,
  readWrite: 2,
  create: 0o100,
  exclusive: 0o200,
  truncate: 0o1000,
  nonBlock: 0o4000,
  direct: arm ? 0o200000 : 0o40000,
  directory: arm ? 0o40000 : 0o200000,
  noFollow: arm ? 0o100000 : 0o400000,
  noAtime: 0o1000000,
  closeOnExec: 0o2000000,
  path: 0o10000000,
} as const;

/** In place of a directory's descriptor: relative to the working directory. */
export const atCwd = -100;
const atSymlinkNoFollow = 0x100;
const atRemoveDir = 0x200;
const atEmptyPath = 0x1000;

const c = {
  openat: bound('openat', 'int', ['int', 'void *', 'int', 'uint32']),
  close: bound('close', 'int', ['int']),
  mkdirat: bound('mkdirat', 'int', ['int', 'void *', 'uint32']),
  mknodat: bound('mknodat', 'int', ['int', 'void *', 'uint32', 'uint64']),
  symlinkat: bound('symlinkat', 'int', ['void *', 'int', 'void *']),
  linkat: bound('linkat', 'int', ['int', 'void *', 'int', 'void *', 'int']),
  unlinkat: bound('unlinkat', 'int', ['int', 'void *', 'int']),
  renameat: bound('renameat', 'int', ['int', 'void *', 'int', 'void *']),
  readlinkat: bound('readlinkat', 'int64', ['int', 'void *', 'void *', 'size_t']),
  fchown: bound('fchown', 'int', ['int', 'uint32', 'uint32']),
  fchownat: bound('fchownat', 'int', ['int', 'void *', 'uint32', 'uint32', 'int']),
  fchmod: bound('fchmod', 'int', ['int', 'uint32']),
  fchmodat: bound('fchmodat', 'int', ['int', 'void *', 'uint32', 'int']),
  utimensat: bound('utimensat', 'int', ['int', 'void *', 'void *', 'int']),
  futimens: bound('futimens', 'int', ['int', 'void *']),
  lseek: bound('lseek', 'int64', ['int', 'int64', 'int']),
  fallocate: bound('fallocate', 'int', ['int', 'int', 'int64', 'int64']),
};

/** Opens `path` relative to `dirfd`; close-on-exec always. */
export function openAt(dirfd: number, path: PathBytes, flags: number, mode = 0): number {
  return check(c.openat(dirfd, cString(path), flags | open.closeOnExec, mode), 'openat', path);
}

export function close(fd: number): void {
  check(c.close(fd), 'close');
}

export function mkdirAt(dirfd: number, name: PathBytes, mode: number): void {
  check(c.mkdirat(dirfd, cString(name), mode), 'mkdirat', name);
}

/** `mode` with the type bits (S_IFIFO, S_IFBLK, S_IFCHR, S_IFSOCK); `device` as st_rdev has it. */
export function mknodAt(dirfd: number, name: PathBytes, mode: number, device: bigint): void {
  check(c.mknodat(dirfd, cString(name), mode, device), 'mknodat', name);
}

export function symlinkAt(target: PathBytes, dirfd: number, name: PathBytes): void {
  check(c.symlinkat(cString(target), dirfd, cString(name, 1)), 'symlinkat', name);
}

/** A hard link; a symbolic link is linked itself, not followed. */
export function linkAt(fromDirfd: number, from: PathBytes, toDirfd: number, to: PathBytes): void {
  check(c.linkat(fromDirfd, cString(from), toDirfd, cString(to, 1), 0), 'linkat', to);
}

export function unlinkAt(dirfd: number, name: PathBytes): void {
  check(c.unlinkat(dirfd, cString(name), 0), 'unlinkat', name);
}

export function rmdirAt(dirfd: number, name: PathBytes): void {
  check(c.unlinkat(dirfd, cString(name), atRemoveDir), 'unlinkat', name);
}

export function renameAt(fromDirfd: number, from: PathBytes, toDirfd: number, to: PathBytes): void {
  check(c.renameat(fromDirfd, cString(from), toDirfd, cString(to, 1)), 'renameat', to);
}

const linkMemory = Buffer.alloc(4096);

/** The raw bytes of a symbolic link. */
export function readlinkAt(dirfd: number, name: PathBytes): Buffer {
  const length = check(c.readlinkat(dirfd, cString(name), linkMemory, linkMemory.length), 'readlinkat', name);
  return Buffer.from(linkMemory.subarray(0, length));
}

export function chownAt(dirfd: number, name: PathBytes, uid: number, gid: number): void {
  check(c.fchownat(dirfd, cString(name), uid, gid, atSymlinkNoFollow), 'fchownat', name);
}

export function chown(fd: number, uid: number, gid: number): void {
  check(c.fchown(fd, uid, gid), 'fchown');
}

/** Changes the owner of what `fd`, opened with `open.path`, names. */
export function chownPathFd(fd: number, uid: number, gid: number): void {
  check(c.fchownat(fd, cString(''), uid, gid, atEmptyPath), 'fchownat');
}

export function chmod(fd: number, mode: number): void {
  check(c.fchmod(fd, mode), 'fchmod');
}

/** Changes the mode of what `fd`, opened with `open.path`, names. */
export function chmodPathFd(fd: number, mode: number): void {
  check(c.fchmodat(atCwd, cString(`/proc/self/fd/${fd}`), mode, 0), 'fchmodat');
}

export interface TimeNs {
  /** Seconds since the epoch, may be negative. */
  readonly seconds: number;
  /** 0..999999999. */
  readonly nanos: number;
}

const times = Buffer.alloc(32);

/** Two struct timespec in the order that utimensat wants. */
function timespecs(atime: TimeNs, mtime: TimeNs): Buffer {
  for (const [at, time] of [
    [0, atime],
    [16, mtime],
  ] as const) {
    times.writeInt32LE(Math.floor(time.seconds / 2 ** 32), at + 4);
    times.writeUInt32LE(time.seconds >>> 0, at);
    times.writeUInt32LE(time.nanos, at + 8);
  }
  return times;
}

/** Sets times to the nanosecond, of a symbolic link itself too. */
export function setTimesAt(dirfd: number, name: PathBytes, atime: TimeNs, mtime: TimeNs): void {
  check(c.utimensat(dirfd, cString(name), timespecs(atime, mtime), atSymlinkNoFollow), 'utimensat', name);
}

export function setTimes(fd: number, atime: TimeNs, mtime: TimeNs): void {
  check(c.futimens(fd, timespecs(atime, mtime)), 'futimens');
}

/**
 * The next stretch of data at or after `offset`, or undefined where only a hole is left. File systems without holes answer with everything
 * up to the end. Moves the descriptor's offset.
 */
export function nextData(fd: number, offset: number): { readonly start: number; readonly end: number } | undefined {
  const start = c.lseek(fd, offset, 3 /* SEEK_DATA */);
  if (start < 0) {
    const code = errnoName();
    if (code === 'ENXIO') return undefined;
    throw systemError(code, 'lseek');
  }
  return { start, end: check(c.lseek(fd, start, 4 /* SEEK_HOLE */), 'lseek') };
}

/** Makes a stretch a hole; the size stays. Throws ENOTSUP where that is not possible. */
export function punchHole(fd: number, offset: number, length: number): void {
  check(c.fallocate(fd, 1 /* KEEP_SIZE */ | 2 /* PUNCH_HOLE */, offset, length), 'fallocate');
}

const names = {
  user: bound('getpwuid_r', 'int', ['uint32', 'void *', 'void *', 'size_t', 'void *']),
  group: bound('getgrgid_r', 'int', ['uint32', 'void *', 'void *', 'size_t', 'void *']),
};
const known = { user: new Map<number, string>(), group: new Map<number, string>() };
const erange = 34;

/** The name of a user or group, asked once per number; empty where there is none (as restic writes it). */
function nameOf(kind: 'user' | 'group', id: number): string {
  const cached = known[kind].get(id);
  if (cached !== undefined) return cached;
  let name = '';
  // struct passwd and struct group both begin with the pointer to the name; groups with many members need much room.
  const struct = Buffer.alloc(128);
  const found = Buffer.alloc(8);
  for (let size = 4096; size <= 2 ** 22; size *= 8) {
    const text = Buffer.alloc(size);
    const error = names[kind](id, struct, text, size, found);
    if (error === erange) continue;
    if (error === 0 && found.readBigUInt64LE() !== 0n) name = libc().stringAt(struct);
    break;
  }
  known[kind].set(id, name);
  return name;
}

export const userName = (uid: number): string => nameOf('user', uid);
export const groupName = (gid: number): string => nameOf('group', gid);
