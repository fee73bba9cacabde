// Block devices as sysfs has them: disks, their partitions, what is built upon both, and what of it is in use.
// Sources: Linux Documentation/ABI/stable/sysfs-block, Documentation/filesystems/proc.rst (mountinfo, swaps).
import { readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, join, relative } from 'node:path';

export interface Block {
  /** The kernel's name: `sda`, `sda1`, `dm-0`. */
  readonly name: string;
  /** In sysfs. */
  readonly folder: string;
  /** `major:minor`. */
  readonly number: string;
}

/** Devices go while they are looked at, and drivers do not answer every question: both are as good as nothing there. */
export function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** What a file of sysfs says; undefined for nothing. */
export const factOf = (...path: readonly string[]): string | undefined =>
  ifThere(() => readFileSync(join(...path), 'utf8').trim()) || undefined;

/** Empty for a folder that is not there. */
export const namesIn = (...path: readonly string[]): string[] => ifThere(() => readdirSync(join(...path)).sort()) ?? [];

export const blockAt = (folder: string): Block => ({ name: basename(folder), folder, number: factOf(folder, 'dev') ?? '' });

export const partitionsOf = ({ folder }: Block): Block[] =>
  namesIn(folder)
    .filter((name) => factOf(folder, name, 'partition') !== undefined)
    .map((name) => blockAt(join(folder, name)));

/** What is built upon the device itself: volumes of LVM and LUKS, arrays. */
export const holdersOf = ({ folder }: Block, root: string): Block[] =>
  namesIn(folder, 'holders').map((name) => blockAt(join(root, 'sys/block', name)));

/** The disk, its partitions and everything that stands on them. */
export function standingOn(disk: Block, root: string): readonly Block[] {
  const found = new Map<string, Block>();
  const visit = (block: Block) => {
    if (found.has(block.name)) return;
    found.set(block.name, block);
    for (const above of [...partitionsOf(block), ...holdersOf(block, root)]) visit(above);
  };
  visit(disk);
  return [...found.values()];
}

export interface DiskUse {
  /** A mount point, or `swap`. */
  readonly point: string;
  readonly writable: boolean;
}

/** Of one mount or swap device, the devices that it lies on. */
interface Used extends DiskUse {
  /** `major:minor`; one without a device of that number lies on those of `names`. */
  readonly number: string;
  readonly names: readonly string[];
}

/** Everything that is mounted or swapped to, to be asked which of it lies on given devices. */
export function readUses(root: string): (blocks: readonly Block[]) => readonly DiskUse[] {
  const uses = [...mounted(root), ...swapped(root)];
  return (blocks) =>
    uses
      .filter(({ number, names }) => blocks.some((block) => block.number === number || names.includes(block.name)))
      .map(({ point, writable }) => ({ point, writable }));
}

/** Where the file system is mounted that a path of this host lies on; undefined where there is no such path. */
export function mountPointOf(path: string): string | undefined {
  const real = ifThere(() => realpathSync(path));
  const above = mounted('/').filter(({ point }) => real === point || real?.startsWith(point === '/' ? '/' : `${point}/`));
  return above.map(({ point }) => point).sort((a, b) => b.length - a.length)[0];
}

function mounted(root: string): Used[] {
  return linesOf(root, 'proc/self/mountinfo').map((line) => {
    const fields = line.split(' ').map(plain);
    const source = fields[fields.indexOf('-', 6) + 2] ?? '';
    // btrfs and bcachefs are mounted under a number that no device has, of several devices together.
    const names = source.startsWith('/dev/') ? source.split(':').flatMap((path) => btrfsCompanions(kernelName(path, root), root)) : [];
    return { number: fields[2]!, names, point: fields[4]!, writable: fields[5]!.split(',').includes('rw') };
  });
}

/** Swap files are not told: they lie on a file system that is mounted. */
function swapped(root: string): Used[] {
  return linesOf(root, 'proc/swaps')
    .slice(1)
    .map((line) => line.split(/\s+/))
    .filter(([, type]) => type === 'partition')
    .map(([path]) => ({ number: '', names: [kernelName(plain(path!), root)], point: 'swap', writable: true }));
}

/** All devices of the btrfs that this one is part of; alone it is itself. */
function btrfsCompanions(name: string, root: string): string[] {
  const top = join(root, 'sys/fs/btrfs');
  const groups = namesIn(top).map((group) => namesIn(top, group, 'devices'));
  return groups.find((devices) => devices.includes(name)) ?? [name];
}

/** `/dev/mapper/vg-root` is `dm-0` of sysfs; where a name there has a slash, sysfs writes `!`. */
export function kernelName(path: string, root: string): string {
  const top = ifThere(() => realpathSync(root)) ?? root;
  const place = join(top, path);
  return relative(join(top, 'dev'), ifThere(() => realpathSync(place)) ?? place).replaceAll('/', '!');
}

const linesOf = (root: string, path: string): string[] => (factOf(root, path) ?? '').split('\n').filter(Boolean);

/** Blanks and the like are written as octal numbers. */
const plain = (field: string): string =>
  field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
