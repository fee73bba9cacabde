// Which block devices are of one piece, by their numbers: partitions, what is built on a disk, loop devices over a file.
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Block, blockAt, holdersOf, partitionsOf, standingOn } from './block-tree.ts';

/** Linux packs a device number as 12 bits of major above 8 of minor, with the rest of the minor on top (include/linux/kdev_t.h). */
export const deviceText = (rdev: number): string => `${(rdev >> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;

/** The device, its partitions and everything built upon them (LVM, RAID, encryption), as `major:minor`. */
export function family(number: string): Set<string> {
  const block = blockOf(number);
  return new Set([number, ...(block ? standingOn(block, '/').map((one) => one.number) : [])]);
}

/** Whoever writes to the disk writes to its partitions, too. Undefined for what is no partition. */
export function diskOfPartition(number: string): string | undefined {
  const folder = blockOf(number)?.folder;
  return folder !== undefined && existsSync(join(folder, 'partition')) ? blockAt(dirname(folder)).number : undefined;
}

/** Nothing is built upon it, and it has no partitions. */
export function isLeaf(number: string): boolean {
  const block = blockOf(number);
  return block === undefined || (partitionsOf(block).length === 0 && holdersOf(block, '/').length === 0);
}

function blockOf(number: string): Block | undefined {
  const folder = `/sys/dev/block/${number}`;
  return existsSync(folder) ? blockAt(realpathSync(folder)) : undefined;
}

/** Loop devices whose backing file (or device) is this one. */
export function loopsOver(path: string): string[] {
  const wanted = statSync(path);
  return readdirSync('/sys/block')
    .filter((name) => existsSync(`/sys/block/${name}/loop/backing_file`))
    .filter((name) => {
      const backing = readFileSync(`/sys/block/${name}/loop/backing_file`, 'utf8').trim();
      const stat = existsSync(backing) ? statSync(backing) : undefined;
      return stat?.ino === wanted.ino && stat.dev === wanted.dev;
    })
    .map((name) => blockAt(`/sys/block/${name}`).number);
}
