// What the kernel says of mounts and of what they stand on. Source: Linux Documentation/filesystems/proc.rst (mountinfo, swaps),
// Documentation/ABI/testing/sysfs-block (slaves, partition, loop/backing_file), sysfs-fs-btrfs (devices).
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export interface Mount {
  /** Unique among the mounts of now. */
  readonly id: number;
  /** `major:minor` that the kernel knows the file system by; all its mount points share it. */
  readonly device: string;
  /** The folder of the file system that is mounted: `/` unless a part of it is bound here (or a subvolume mounted). */
  readonly root: string;
  readonly point: string;
  readonly type: string;
  /** What it was mounted from: a device, `server:/export`. */
  readonly source: string;
  /** Options of the file system itself, for all its mount points. */
  readonly options: readonly string[];
}

export interface Host {
  /** In the order of mounting: of two at one point the later one is seen. */
  readonly mounts: readonly Mount[];
  /** Paths of swap files and swap devices. */
  readonly swaps: readonly string[];
  /** Files that the device is made of, through partitions, LVM, RAID, encryption and loop devices. */
  backingFiles(device: string): readonly string[];
  /** `major:minor` of all block devices that the file system lies on; none for those that lie on no device. */
  devicesOf(mount: Mount): readonly string[];
}

export function readHost(): Host {
  return {
    mounts: parseMounts(readFileSync('/proc/self/mountinfo', 'utf8')),
    swaps: readFileSync('/proc/swaps', 'utf8').split('\n').slice(1).filter(Boolean).map(firstField),
    backingFiles: (device) => [...filesBelow(device)],
    devicesOf: (mount) => (mount.type === 'btrfs' ? btrfsDevices(mount.source) : mount.device.startsWith('0:') ? [] : [mount.device]),
  };
}

export function parseMounts(text: string): Mount[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [own = '', shown = ''] = line.split(' - ');
      const [id, , device = '', root = '', point = ''] = own.split(' ');
      const [type = '', source = '', options = ''] = shown.split(' ');
      return {
        id: Number(id),
        device,
        root: unescaped(root),
        point: unescaped(point),
        type,
        source: unescaped(source),
        options: options.split(','),
      };
    });
}

/** Blanks, tabs, newlines and backslashes are written in octal there. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));

const firstField = (line: string): string => unescaped(line.split(/[ \t]/)[0] ?? '');

function filesBelow(device: string, seen = new Set<string>()): Set<string> {
  const files = new Set<string>();
  const folder = `/sys/dev/block/${device}`;
  if (seen.has(device) || !existsSync(folder)) return files;
  seen.add(device);
  const real = realpathSync(folder);
  const backing = join(real, 'loop', 'backing_file');
  if (existsSync(backing)) files.add(readFileSync(backing, 'utf8').replace(/\n$/, ''));
  const slaves = join(real, 'slaves');
  const below = existsSync(slaves) ? readdirSync(slaves).map((name) => join(slaves, name)) : [];
  if (existsSync(join(real, 'partition'))) below.push(dirname(real));
  for (const one of below) for (const file of filesBelow(deviceNumber(one), seen)) files.add(file);
  return files;
}

const deviceNumber = (sysFolder: string): string => readFileSync(join(sysFolder, 'dev'), 'utf8').trim();

/** A btrfs has a number of its own that no device has; sysfs tells which devices it was given. */
function btrfsDevices(source: string): string[] {
  const name = existsSync(source) ? basename(realpathSync(source)) : basename(source);
  const top = '/sys/fs/btrfs';
  const folders = existsSync(top) ? readdirSync(top).map((id) => join(top, id, 'devices')) : [];
  const own = folders.find((folder) => existsSync(join(folder, name)));
  return own ? readdirSync(own).map((device) => deviceNumber(join(own, device))) : [];
}
