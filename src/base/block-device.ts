// What the kernel says of disks: sizes, what is mounted where, which disk the host runs from.
// Source: Linux Documentation/filesystems/proc.rst (mountinfo), Documentation/ABI/testing/sysfs-block.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { deviceText, family, loopsOver } from './device-family.ts';

export interface DiskFacts {
  readonly kind: 'device' | 'file';
  /** Bytes. */
  readonly size: number;
  /** `major:minor` of a device. */
  readonly number?: string;
}

/** Undefined where there is nothing; neither device nor regular file: kind 'other'. Opens nothing. Throws system errors. */
export function diskFacts(path: string): DiskFacts | { readonly kind: 'other' } | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return undefined;
  if (stat.isFile()) return { kind: 'file', size: stat.size };
  if (!stat.isBlockDevice()) return { kind: 'other' };
  const number = deviceText(stat.rdev);
  // sysfs counts sectors of 512 bytes, whatever the device's own.
  return { kind: 'device', size: Number(readFileSync(`/sys/dev/block/${number}/size`, 'latin1')) * 512, number };
}

interface Mount {
  readonly device: string;
  readonly point: string;
  readonly writable: boolean;
}

/** One entry for each device of what is mounted. */
function mounts(): Mount[] {
  return readFileSync('/proc/self/mountinfo', 'latin1')
    .trimEnd()
    .split('\n')
    .flatMap((line) => {
      const fields = line.split(' ');
      const [fileSystem, source] = fields.slice(fields.indexOf('-', 6) + 1);
      const devices = fileSystem === 'btrfs' ? btrfsDevices(source!) : [fields[2]!];
      return devices.map((device) => ({ device, point: fields[4]!, writable: fields[5]!.split(',').includes('rw') }));
    });
}

/** btrfs is mounted under a number that no device has; all the devices that it lies on are in sysfs. */
function btrfsDevices(source: string): string[] {
  const path = source.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isBlockDevice()) return [];
  const own = deviceText(stat.rdev);
  const groups = existsSync('/sys/fs/btrfs') ? readdirSync('/sys/fs/btrfs') : [];
  for (const group of groups.map((name) => join('/sys/fs/btrfs', name, 'devices'))) {
    if (!existsSync(group)) continue;
    const devices = readdirSync(group).map((name) => readFileSync(join(group, name, 'dev'), 'latin1').trim());
    if (devices.includes(own)) return devices;
  }
  return [own];
}

/** Where the disk (or a partition of it, or what is built on it) is mounted; swap counts. Empty when it is free. */
export function mountsOf(path: string, facts: DiskFacts): readonly { readonly point: string; readonly writable: boolean }[] {
  const roots = facts.number ? [facts.number] : loopsOver(path);
  const all = new Set(roots.flatMap((root) => [...family(root)]));
  const found = mounts().filter((mount) => all.has(mount.device));
  const swaps = readFileSync('/proc/swaps', 'latin1')
    .split('\n')
    .slice(1)
    .filter(Boolean)
    .map((line) => line.split(/\s+/)[0]!);
  const swapped = swaps.filter((swap) => {
    const other = diskFacts(swap);
    return other && 'number' in other && other.number !== undefined && all.has(other.number);
  });
  return [...found.map(({ point, writable }) => ({ point, writable })), ...swapped.map(() => ({ point: 'swap', writable: true }))];
}

/** True for the disk that carries this host's root file system. */
export function isSystemDisk(path: string, facts: DiskFacts): boolean {
  return mountsOf(path, facts).some((mount) => mount.point === '/');
}
