// The volumes of a snapshot plan as the kernel knows them, and what makes it pointless to stop processes: writers that are no processes.
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '../../base/errors.ts';
import { type Host, type Mount, readHost } from '../file-systems/host.ts';
import { writersName } from './name.ts';

export interface Target {
  /** File systems, `major:minor` as mounts have it. For btrfs one for all its subvolumes. */
  readonly devices: ReadonlySet<string>;
  /** True where one of them is a btrfs, whose files have other device numbers than its mounts. */
  readonly btrfs: boolean;
  /** Block devices, `major:minor`. */
  readonly blocks: ReadonlySet<string>;
  /** Single files, by the device of their mount. */
  readonly files: ReadonlyMap<string, readonly FileIdentity[]>;
}

export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

/** `volumes`: absolute paths of directories, block devices and single files. Throws FREEZE_REFUSED with the reason. */
export function targetOf(volumes: readonly string[], host: Host = readHost()): Target {
  refuseWithoutSight();
  const devices = new Set<string>();
  const blocks = new Set<string>();
  const files = new Map<string, FileIdentity[]>();
  let btrfs = false;
  const addMount = (mount: Mount) => {
    devices.add(mount.device);
    btrfs ||= mount.type === 'btrfs';
    for (const block of host.devicesOf(mount)) blocks.add(block);
  };
  for (const volume of volumes) {
    const stat = statSync(volume, { throwIfNoEntry: false }) ?? refuse(`${volume} is not there`);
    if (stat.isBlockDevice()) {
      const block = numberOf(stat.rdev);
      blocks.add(block);
      for (const mount of host.mounts) if (host.devicesOf(mount).includes(block)) addMount(mount);
      continue;
    }
    const mount = mountOf(realpathSync(volume), host) ?? refuse(`${volume} is on no file system that is known here`);
    if (stat.isDirectory()) addMount(mount);
    else files.set(mount.device, [...(files.get(mount.device) ?? []), { device: stat.dev, inode: stat.ino }]);
  }
  const target = { devices, btrfs, blocks, files };
  refuseKernelWriters(target, host);
  return target;
}

/** Processes of others are seen by root alone, and those outside a container by none within it. */
function refuseWithoutSight(): void {
  if (process.geteuid?.() !== 0) refuse('only root sees what the processes of all users have open');
  // The first of all: include/linux/proc_ns.h, PROC_PID_INIT_INO.
  if (readlinkSync('/proc/self/ns/pid') !== `pid:[${0xeffffffc}]`)
    refuse('the agent runs in a container and does not see the processes outside');
}

/** The kernel itself writes on behalf of these, and it cannot be stopped. */
function refuseKernelWriters(target: Target, host: Host): void {
  for (const swap of host.swaps) if (isOn(swap, target, host)) refuse(`the host swaps to ${swap}`);
  for (const { loop, file } of loops())
    if (isOn(file, target, host)) refuse(`/dev/${loop} lies in ${file}, and what is written to it is not stopped`);
  for (const exported of exportsOfNfs())
    if (isOn(exported, target, host)) refuse(`${exported} is exported by NFS, and clients write to it`);
}

function isOn(path: string, { devices, blocks, files }: Target, host: Host): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isBlockDevice()) return blocks.has(numberOf(stat.rdev));
  const device = mountOf(path, host)?.device ?? '';
  return devices.has(device) || (stat !== undefined && isFile(stat, files.get(device)));
}

export const isFile = (stat: Stats, files: readonly FileIdentity[] | undefined): boolean =>
  files?.some(({ device, inode }) => device === stat.dev && inode === stat.ino) === true;

function loops(): { readonly loop: string; readonly file: string }[] {
  return readdirSync('/sys/block').flatMap((loop) => {
    const backing = join('/sys/block', loop, 'loop/backing_file');
    if (!existsSync(backing) || readFileSync(join('/sys/block', loop, 'ro'), 'latin1').trim() === '1') return [];
    return [{ loop, file: readFileSync(backing, 'utf8').replace(/\n$/, '') }];
  });
}

/** What clients have mounted of the kernel's own server; its first field is the path. */
function exportsOfNfs(): string[] {
  const table = '/proc/fs/nfsd/exports';
  if (!existsSync(table)) return [];
  const lines = readFileSync(table, 'utf8').split('\n');
  return lines.filter((line) => line.startsWith('/')).map((line) => line.split('\t')[0]!);
}

/** The deepest, of several at one point the last. */
export function mountOf(path: string, { mounts }: Pick<Host, 'mounts'>): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    const holds = path === mount.point || path.startsWith(mount.point === '/' ? '/' : `${mount.point}/`);
    if (holds && mount.point.length >= (found?.point.length ?? 0)) found = mount;
  }
  return found;
}

/** Linux packs a device number as 12 bits of major above 8 of minor, with the rest of the minor on top (include/linux/kdev_t.h). */
export const numberOf = (device: number): string => `${(device >> 8) & 0xfff}:${(device & 0xff) | ((device >> 12) & 0xfff00)}`;

function refuse(detail: string): never {
  fail('FREEZE_REFUSED', { name: writersName, detail });
}
