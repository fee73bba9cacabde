// statx(2): all that a backup wants to know of an entry, to the nanosecond, in one call that follows no link and mounts nothing.
import type { TimeNs } from './libc.ts';
import { bound, check, cString, errnoName, type PathBytes, systemError } from './libc-load.ts';

export interface FileStat {
  /** st_mode: type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: bigint;
  readonly inode: bigint;
  /** st_dev and st_rdev as stat(2) has them. */
  readonly device: bigint;
  readonly rdev: bigint;
  /** Bytes. */
  readonly size: number;
  /** Of 512 bytes each. */
  readonly blocks: number;
  readonly atime: TimeNs;
  readonly mtime: TimeNs;
  readonly ctime: TimeNs;
  /** The root of a mounted file system (false where the kernel, before 5.8, does not say). */
  readonly mountRoot: boolean;
}

export const fileType = {
  mask: 0o170000,
  socket: 0o140000,
  symlink: 0o120000,
  file: 0o100000,
  block: 0o060000,
  dir: 0o040000,
  char: 0o020000,
  fifo: 0o010000,
} as const;

const statx = bound('statx', 'int', ['int', 'void *', 'int', 'uint32', 'void *']);
const noFollow = 0x100;
const noAutomount = 0x800;
const emptyPath = 0x1000;
const basicStats = 0x7ff;
const attributeMountRoot = 0x2000;
const memory = Buffer.alloc(256);

/** An entry relative to `dirfd`, itself and not what it links to. */
export function statAt(dirfd: number, name: PathBytes): FileStat {
  check(statx(dirfd, cString(name), noFollow | noAutomount, basicStats, memory), 'statx', name);
  return decode();
}

/** The same, undefined where there is no such entry. */
export function statAtIfAny(dirfd: number, name: PathBytes): FileStat | undefined {
  if (statx(dirfd, cString(name), noFollow | noAutomount, basicStats, memory) === 0) return decode();
  const code = errnoName();
  if (code === 'ENOENT') return undefined;
  throw systemError(code, 'statx', name);
}

/** The directory that a path leads to, links followed. Throws ENOTDIR for anything else. */
export function statDirectory(path: string): FileStat {
  return statAt(-100, `${path === '/' ? '' : path}/.`);
}

/** What an open descriptor names. */
export function statFd(fd: number): FileStat {
  check(statx(fd, cString(''), emptyPath, basicStats, memory), 'statx');
  return decode();
}

// Field offsets of struct statx, linux/stat.h; the same on every architecture.
function decode(): FileStat {
  return {
    mode: memory.readUInt16LE(28),
    uid: memory.readUInt32LE(20),
    gid: memory.readUInt32LE(24),
    links: BigInt(memory.readUInt32LE(16)),
    inode: memory.readBigUInt64LE(32),
    device: deviceNumber(memory.readUInt32LE(136), memory.readUInt32LE(140)),
    rdev: deviceNumber(memory.readUInt32LE(128), memory.readUInt32LE(132)),
    size: unsigned64(40),
    blocks: unsigned64(48),
    atime: timeAt(64),
    mtime: timeAt(112),
    ctime: timeAt(96),
    mountRoot: (memory.readUInt32LE(8) & attributeMountRoot) !== 0,
  };
}

function unsigned64(at: number): number {
  return memory.readUInt32LE(at + 4) * 2 ** 32 + memory.readUInt32LE(at);
}

function timeAt(at: number): TimeNs {
  return { seconds: memory.readInt32LE(at + 4) * 2 ** 32 + memory.readUInt32LE(at), nanos: memory.readUInt32LE(at + 8) };
}

let lastMajor = 0;
let lastMinor = 0;
let lastNumber = 0n;

/** glibc's gnu_dev_makedev; the last answer is kept, for a walk asks for the same device again and again. */
export function deviceNumber(major: number, minor: number): bigint {
  if (major === 0 && minor === 0) return 0n;
  if (major !== lastMajor || minor !== lastMinor) {
    const [a, b] = [BigInt(major), BigInt(minor)];
    lastNumber = ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((b & 0xffffff00n) << 12n) | (b & 0xffn);
    lastMajor = major;
    lastMinor = minor;
  }
  return lastNumber;
}
