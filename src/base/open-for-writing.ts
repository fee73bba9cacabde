// Who may write to a disk or a disk image now: what is mounted from it, processes that have it open, and what in the kernel has claimed it.
// What another host writes to it (a shared disk, a file served by NFS) cannot be seen. Source: Linux Documentation/filesystems/proc.rst (fdinfo),
// open(2) on O_EXCL for block devices.
import { type BigIntStats, closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { type DiskFacts, diskFacts, mountsOf } from './block-device.ts';
import { deviceText, diskOfPartition, family, isLeaf, loopsOver } from './device-family.ts';
import { errnoOf } from './errors.ts';

export interface DiskWriter {
  /** `mounted on /srv`, `open for writing by qemu-system-x86 (4711)`. */
  readonly what: string;
  /** It could not be seen whether anybody writes to it. */
  readonly unknown?: true;
}

/** The first found; undefined where nobody is: also for what does not exist and for what is no disk. Throws system errors. */
export function writerOfDisk(path: string): DiskWriter | undefined {
  const facts = diskFacts(path);
  if (facts === undefined || facts.kind === 'other') return undefined;
  const mount = mountsOf(path, facts).find(({ writable }) => writable);
  if (mount) return { what: mount.point === 'swap' ? 'used as swap' : `mounted on ${mount.point}` };
  const devices = devicesOf(path, facts);
  return processWriting(wantedOf(path, facts, devices)) ?? claimed(devices);
}

/** All through which it can be written to. */
function devicesOf(path: string, { number }: DiskFacts): Set<string> {
  const roots = number === undefined ? loopsOver(path) : [number, ...loopsOver(path)];
  return new Set(roots.flatMap((root) => [...family(root)]));
}

interface Wanted {
  /** Inode of a file; undefined for a device, which may have many nodes. */
  readonly inode: string | undefined;
  is(stat: BigIntStats): boolean;
}

function wantedOf(path: string, { number }: DiskFacts, devices: ReadonlySet<string>): Wanted {
  const whole = number === undefined ? undefined : diskOfPartition(number);
  const isDevice = (stat: BigIntStats) => {
    if (!stat.isBlockDevice()) return false;
    const opened = deviceText(Number(stat.rdev));
    return devices.has(opened) || opened === whole;
  };
  if (number !== undefined) return { inode: undefined, is: isDevice };
  const file = statSync(path, { bigint: true });
  const isFile = (stat: BigIntStats) => stat.ino === file.ino && stat.dev === file.dev;
  // Where no loop device leads to it, only that one inode need be looked at closer.
  return { inode: devices.size === 0 ? String(file.ino) : undefined, is: (stat) => isFile(stat) || isDevice(stat) };
}

function processWriting(wanted: Wanted): DiskWriter | undefined {
  let hidden = false;
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const opened = openedBy(pid);
    hidden ||= opened === undefined;
    if (opened?.some((fd) => isWriting(pid, fd, wanted))) return { what: `open for writing by ${nameOf(pid)} (${pid})` };
  }
  return hidden ? { what: 'without root it cannot be seen which processes have it open', unknown: true } : undefined;
}

/** Undefined where we may not know. */
function openedBy(pid: string): string[] | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch (error) {
    return errnoOf(error) === 'EACCES' || errnoOf(error) === 'EPERM' ? undefined : []; // it has ended
  }
}

/** From what costs little to what costs more, and may hang where it lies on a dead server: sockets, files that are read, other inodes. */
function isWriting(pid: string, fd: string, { inode, is }: Wanted): boolean {
  try {
    if (!readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('/')) return false;
    const info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1');
    const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? '', 8);
    const access = flags & (constants.O_WRONLY | constants.O_RDWR);
    if (access === 0 || (flags & pathOnly) !== 0) return false;
    const told = /^ino:\s*(\d+)$/m.exec(info)?.[1]; // since Linux 5.14
    if (inode !== undefined && told !== undefined && told !== inode) return false;
    const stat = statSync(`/proc/${pid}/fd/${fd}`, { bigint: true, throwIfNoEntry: false });
    return stat !== undefined && is(stat);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false; // it was closed this moment
  }
}

/** O_PATH (include/uapi/asm-generic/fcntl.h): such a descriptor can neither read nor write. */
const pathOnly = 0o10000000;

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim().replace(/\p{C}/gu, '\ufffd');
  } catch {
    return 'a process';
  }
}

/**
 * Some in the kernel (ZFS, DRBD, an iSCSI target) write without a process or a mount; they claim the device, and then nobody else can. The claim
 * that is tried here is for reading, and given up at once.
 */
function claimed(devices: ReadonlySet<string>): DiskWriter | undefined {
  for (const number of devices) {
    const node = isLeaf(number) ? nodeOf(number) : undefined;
    if (node === undefined || mountsOf(node, { kind: 'device', size: 0, number }).length > 0) continue;
    try {
      closeSync(openSync(node, constants.O_RDONLY | constants.O_EXCL));
    } catch (error) {
      if (errnoOf(error) === 'EBUSY') return { what: `claimed through ${node}, by the kernel or by a program` };
      if (errnoOf(error) === 'EACCES' || errnoOf(error) === 'EPERM')
        return { what: 'without root it cannot be seen whether the kernel uses it', unknown: true };
      // Anything else (ENXIO, ENOMEDIUM) is no claim.
    }
  }
  return undefined;
}

function nodeOf(number: string): string | undefined {
  try {
    const name = /^DEVNAME=(.+)$/m.exec(readFileSync(`/sys/dev/block/${number}/uevent`, 'utf8'))?.[1];
    return name === undefined ? undefined : `/dev/${name}`;
  } catch {
    return undefined;
  }
}
