// A file system of its own on a loop device, for images of what is on it. Mounting needs root.
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { needPrograms, run } from './programs.ts';

const makers = {
  btrfs: ['mkfs.btrfs', '-q'],
  /** 120 MiB, which data and metadata share: it can be filled to the last block. */
  'small btrfs': ['mkfs.btrfs', '-q', '--mixed', '--metadata', 'single'],
  xfs: ['mkfs.xfs', '-q'],
  'xfs without reflinks': ['mkfs.xfs', '-q', '-m', 'reflink=0'],
  ext4: ['mkfs.ext4', '-q', '-F'],
} as const;

export type DiskKind = keyof typeof makers;

export interface SnapshotDisk {
  /** Where all of it is mounted. */
  readonly path: string;
  /** What is mounted. */
  readonly device: string;
  /** Mounts it, or a part of it (`subvol=…`), at one place more. Gives where. */
  mountAgain(...options: readonly string[]): Promise<string>;
  bind(directory: string): Promise<string>;
  remove(): Promise<void>;
}

export async function snapshotDisk(kind: DiskKind): Promise<SnapshotDisk> {
  const [program, ...args] = makers[kind];
  needPrograms([program, 'mount', 'umount', 'btrfs', 'xfs_info'], 'e2fsprogs xfsprogs btrfs-progs mount');
  const folder = mkdtempSync(join(tmpdir(), 'snapshot-disk-'));
  const image = join(folder, 'image');
  const points: string[] = [];
  const fd = openSync(image, 'wx');
  ftruncateSync(fd, (kind === 'small btrfs' ? 120 : 400) << 20);
  closeSync(fd);
  const mount = async (...what: readonly string[]) => {
    const point = join(folder, `mounted-${points.length}`);
    mkdirSync(point);
    // Two that look for a free loop device at the same time may find the same one.
    for (let attempt = 1; ; attempt++) {
      try {
        await run('mount', [...what, point]);
        break;
      } catch (error) {
        if (attempt === 5) throw error;
        await pause(200 * attempt);
      }
    }
    points.push(point);
    return point;
  };
  await run(program, [...args, image], { timeout: 120_000 });
  const path = await mount('-o', 'loop', image);
  const device = (await run('findmnt', ['-n', '-o', 'SOURCE', path])).trim();
  return {
    path,
    device,
    mountAgain: (...options) => mount('-o', options.join(','), device),
    bind: (directory) => mount('--bind', directory),
    async remove() {
      for (const point of points.reverse()) await run('umount', [point]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
