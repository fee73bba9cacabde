// The disks of this host: which there are, by which names they are known, and which of them it runs from.
// Sources: Linux Documentation/ABI/stable/sysfs-block, udev(7), SPC-4 7.8.15 (unit serial number), UEFI 5.3.3 (system partition).
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Block,
  blockAt,
  type DiskUse,
  factOf,
  holdersOf,
  ifThere,
  kernelName,
  namesIn,
  partitionsOf,
  readUses,
  standingOn,
} from './block-tree.ts';

export interface HostDisk {
  /** `/dev/sda`; `/dev/mapper/mpatha` where several paths lead to it. It may be another one after the next start of the host. */
  readonly path: string;
  /** What else it is known by, also after a restart: links in /dev/disk/by-id and by-path, serial number, WWN. */
  readonly names: readonly string[];
  readonly model?: string;
  /** Bytes. */
  readonly size: number;
  /** The host starts or runs from it: `/`, `/usr`, `/boot`, the EFI system partition or swap stand on it. */
  readonly system: boolean;
  /** Where it is mounted, or what stands on it is. */
  readonly uses: readonly DiskUse[];
}

export interface HostDisks {
  /** In the order of their paths. */
  readonly disks: readonly HostDisk[];
  /** Block devices that are no disks of their own, and why. Those that hold nothing (free loop devices) are not told. */
  readonly others: readonly { readonly path: string; readonly why: string }[];
}

/** Looks at sysfs, mounts and swap; opens no device. `root`: where sys, proc, dev and run are. */
export function hostDisks(root = '/'): HostDisks {
  const looked = namesIn(root, 'sys/block').map((name) => {
    const block = blockAt(join(root, 'sys/block', name));
    return { block, why: whyNoDisk(block, root) };
  });
  const usesOn = readUses(root);
  const found = looked.filter(({ why }) => why === undefined).map(({ block }) => seenOf(block, root, usesOn(standingOn(block, root))));
  const others = looked.flatMap(({ block, why }) => (why ? [{ path: pathOf(block), why }] : []));
  return { disks: withStarter(found, root).map(({ disk }) => disk), others };
}

/** Kinds of devices that are not disks, by the kernel's names for them. */
const kinds: readonly (readonly [RegExp, string])[] = [
  [/^(loop|ram|zram)\d/, 'memory or a file'],
  [/^(sr|scd|fd)\d/, 'a drive for discs'],
  [/^(dm-|md|bcache|drbd|zd)\d/, 'built on disks'],
  [/^(mtdblock|ubiblock)\d/, 'flash memory of the board'],
  [/^mmcblk\d+(boot|rpmb|gp)/, 'an area of its own on a memory card'],
];

/** Undefined for a disk; empty for what is neither a disk nor worth a word. */
function whyNoDisk(block: Block, root: string): string | undefined {
  const size = sizeOf(block);
  if (isMultipath(block)) return undefined;
  const kind = kinds.find(([name]) => name.test(block.name))?.[1];
  if (kind !== undefined) return size > 0 || kind.startsWith('a drive') ? kind : '';
  if (size === 0) return factOf(block.folder, 'removable') === '1' ? 'no medium' : '';
  if (factOf(block.folder, 'hidden') === '1') return 'a path to another disk';
  if (namesIn(block.folder, 'slaves').length > 0) return 'built on disks';
  const whole = holdersOf(block, root).find(isMultipath);
  return whole && `a path to ${pathOf(whole)}`;
}

/** One disk that several paths lead to, each of them a disk of sysfs. */
const isMultipath = ({ folder }: Block): boolean => factOf(folder, 'dm/uuid')?.startsWith('mpath-') === true;

/** sysfs counts sectors of 512 bytes, whatever the device's own. */
const sizeOf = ({ folder }: Block): number => Number(factOf(folder, 'size') ?? 0) * 512;

function pathOf({ name, folder }: Block): string {
  const mapped = factOf(folder, 'dm/name');
  return mapped === undefined ? `/dev/${name.replaceAll('!', '/')}` : `/dev/mapper/${mapped}`;
}

interface Seen {
  readonly block: Block;
  readonly disk: HostDisk;
}

const systemPoints: ReadonlySet<string> = new Set(['/', '/usr', '/boot', '/boot/efi', '/boot/firmware', '/efi', 'swap']);

function seenOf(block: Block, root: string, uses: readonly DiskUse[]): Seen {
  const model = factOf(block.folder, 'device/model');
  const system = uses.some(({ point }) => systemPoints.has(point));
  return { block, disk: { path: pathOf(block), names: namesOf(block, root), ...(model && { model }), size: sizeOf(block), system, uses } };
}

function namesOf(block: Block, root: string): string[] {
  const { folder } = block;
  const links = ['by-id', 'by-path'].flatMap((kind) => namesIn(root, 'dev/disk', kind).map((name) => `/dev/disk/${kind}/${name}`));
  const ways = isMultipath(block) ? namesIn(folder, 'slaves').map((name) => blockAt(join(root, 'sys/block', name))) : [];
  const said = [
    factOf(folder, 'serial'),
    factOf(folder, 'device/serial'),
    unitSerial(folder),
    factOf(folder, 'wwid'),
    factOf(folder, 'device/wwid'),
    ...ways.flatMap((way) => [pathOf(way), ...namesOf(way, root)]),
  ];
  return [...new Set([...links.filter((link) => kernelName(link, root) === block.name), ...said.filter((name) => name !== undefined)])];
}

/** A page of SCSI: four bytes, of which the last two are the length of the text that follows. */
function unitSerial(folder: string): string | undefined {
  const page = ifThere(() => readFileSync(join(folder, 'device/vpd_pg80')));
  return page && page.length > 4 ? page.toString('latin1', 4, 4 + page.readUInt16BE(2)).trim() || undefined : undefined;
}

/**
 * Firmware starts the host from an EFI system partition, which need not be mounted. It counts where no disk that the host runs from has
 * one: elsewhere it is a remnant of what a data disk was before.
 */
function withStarter(seen: readonly Seen[], root: string): readonly Seen[] {
  const starts = ({ block }: Seen) => partitionsOf(block).some((partition) => isEfiSystem(partition, root));
  if (!existsSync(join(root, 'sys/firmware/efi')) || seen.some((one) => one.disk.system && starts(one))) return seen;
  return seen.map((one) => (starts(one) ? { ...one, disk: { ...one.disk, system: true } } : one));
}

/** As udev found it in the partition table. */
const isEfiSystem = ({ number }: Block, root: string): boolean =>
  /^E:ID_PART_ENTRY_TYPE=(c12a7328-f81f-11d2-ba4b-00c04fd8c93b|0xef)$/m.test(factOf(root, 'run/udev/data', `b${number}`) ?? '');
