// A host as its kernel tells of it: the files of /sys, /proc, /dev and /run that say which disks there are, in a folder.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export interface Device {
  /** MiB; 1024 if not given. */
  readonly size?: number;
  /** Names of its partitions. */
  readonly parts?: readonly string[];
  /** What it is built upon. */
  readonly upon?: readonly string[];
  /** Of device-mapper. */
  readonly mapped?: { readonly name: string; readonly uuid: string };
  /** What else sysfs says of it. */
  readonly says?: Readonly<Record<string, string | Buffer>>;
  /** Links below /dev/disk. */
  readonly links?: readonly string[];
}

export interface MountedOn {
  readonly device: string;
  readonly options?: string;
  /** btrfs is mounted under a number that no device has. */
  readonly number?: string;
}

export interface Host {
  readonly devices: Readonly<Record<string, Device>>;
  /** By mount point. */
  readonly mounts?: Readonly<Record<string, string | MountedOn>>;
  /** Paths as /proc/swaps has them. */
  readonly swaps?: readonly string[];
  /** File systems on several devices. */
  readonly btrfs?: readonly (readonly string[])[];
  /** Partitions that are an EFI system partition, of a host that starts from one. */
  readonly efi?: readonly string[];
}

/** Makes it below `root`. */
export function hostTree(root: string, { devices, mounts = {}, swaps = [], btrfs = [], efi }: Host): void {
  const put = (path: string, text: string | Buffer) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const link = (path: string, to: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(relative(dirname(path), to), join(root, path));
  };
  const folders = new Map<string, string>();
  const numbers = new Map<string, string>();
  const add = (name: string, folder: string, size: number) => {
    folders.set(name, folder);
    numbers.set(name, `8:${numbers.size}`);
    put(`${folder}/dev`, `${numbers.get(name)}\n`);
    put(`${folder}/size`, `${size * 2048}\n`);
    put(`dev/${name.replaceAll('!', '/')}`, '');
  };
  for (const [name, { size = 1024, parts = [], mapped, says = {}, links = [] }] of Object.entries(devices)) {
    add(name, `sys/block/${name}`, size);
    for (const [index, part] of parts.entries()) {
      add(part, `sys/block/${name}/${part}`, size / parts.length);
      put(`sys/block/${name}/${part}/partition`, `${index + 1}\n`);
    }
    if (mapped) {
      put(`sys/block/${name}/dm/name`, `${mapped.name}\n`);
      put(`sys/block/${name}/dm/uuid`, `${mapped.uuid}\n`);
      link(`dev/mapper/${mapped.name}`, `dev/${name}`);
    }
    for (const [file, text] of Object.entries(says)) put(`sys/block/${name}/${file}`, text);
    for (const path of links) link(`dev/disk/${path}`, `dev/${name}`);
  }
  for (const [name, { upon = [] }] of Object.entries(devices))
    for (const below of upon) {
      mkdirSync(join(root, folders.get(below)!, 'holders', name), { recursive: true });
      mkdirSync(join(root, `sys/block/${name}/slaves/${below}`), { recursive: true });
    }
  const lines = Object.entries(mounts).map(([point, on], index) => {
    const { device, options = 'rw,relatime', number = numbers.get(device)! } = typeof on === 'string' ? { device: on } : on;
    return `${30 + index} 1 ${number} / ${point.replaceAll(' ', '\\040')} ${options} shared:1 - ext4 /dev/${device} rw`;
  });
  put('proc/self/mountinfo', ['22 1 0:21 / /proc rw - proc proc rw', ...lines, ''].join('\n'));
  put('proc/swaps', ['Filename\t\tType\t\tSize\tUsed\tPriority', ...swaps.map((path) => `${path} partition 1024 0 -2`), ''].join('\n'));
  for (const [index, group] of btrfs.entries())
    for (const name of group) mkdirSync(join(root, `sys/fs/btrfs/uuid-${index}/devices/${name}`), { recursive: true });
  if (!efi) return;
  mkdirSync(join(root, 'sys/firmware/efi'), { recursive: true });
  for (const part of efi)
    put(`run/udev/data/b${numbers.get(part)}`, 'S:disk/by-partlabel/EFI\nE:ID_PART_ENTRY_TYPE=c12a7328-f81f-11d2-ba4b-00c04fd8c93b\n');
}
