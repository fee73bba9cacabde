// Images where there is no room for them: full file systems and quotas. Needs root.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { errnoOf } from '../../src/base/errors.ts';
import { placing } from '../../src/model/place.ts';
import { imageDirectory } from '../../src/model/snapshot.ts';
import type { Snapshot } from '../../src/ports/snapshot.ts';
import { btrfsProvider } from '../../src/snapshots/btrfs.ts';
import { reflinkProvider } from '../../src/snapshots/reflink.ts';
import { mine } from '../beds/own-images.ts';
import { type DiskKind, type SnapshotDisk, snapshotDisk } from '../beds/snapshot-disk.ts';

const disks: SnapshotDisk[] = [];
const make = async (kind: DiskKind) => {
  const disk = await snapshotDisk(kind);
  disks.push(disk);
  return disk.path;
};
const held: Snapshot[] = [];
const hold = (snapshot: Snapshot) => {
  held.push(snapshot);
  return snapshot;
};
afterEach(async () => {
  for (const snapshot of held.splice(0)) await snapshot.remove();
  for (const disk of disks.splice(0)) await disk.remove();
});

/** EDQUOT, for which Node has no name. */
const overQuota = 'system error -122';

/** To the last block, of metadata too. */
function fill(directory: string): void {
  mkdirSync(directory);
  let n = 0;
  for (const size of [1 << 20, 4096, 1900, 0]) {
    try {
      for (;;) writeFileSync(join(directory, String(n++)), Buffer.alloc(size, n));
    } catch (error) {
      if (errnoOf(error) !== 'ENOSPC') throw error;
    }
  }
}

describe('images without room', () => {
  it('S1 a btrfs that is full to the last block of metadata is told as that, and nothing is left there', async () => {
    const top = await make('small btrfs');
    writeFileSync(join(top, 'file'), 'data');
    for (const before of ['nothing', 'our directory']) {
      if (before === 'our directory') await (await btrfsProvider().plan([top]))!.take(mine('first')).then((first) => first.remove());
      fill(join(top, 'filler'));
      const plan = (await btrfsProvider().plan([top]))!;
      await expect(plan.take(mine('full')), before).rejects.toMatchObject({
        code: 'SNAPSHOT_NO_SPACE',
        message: expect.stringContaining(top),
      });
      if (existsSync(join(top, imageDirectory))) expect(readdirSync(join(top, imageDirectory))).toEqual([]);
      rmSync(join(top, 'filler'), { recursive: true });
      execFileSync('sync', ['-f', top]);
    }
    const snapshot = hold(await (await btrfsProvider().plan([top]))!.take(mine('later')));
    expect(readFileSync(placing(snapshot.places)(join(top, 'file')), 'utf8')).toBe('data');
    await snapshot.remove();
  });

  it('S1 a full file system has no room for a copy either', async () => {
    const top = await make('small btrfs');
    writeFileSync(join(top, 'disk.img'), Buffer.alloc(1 << 20, 1));
    fill(join(top, 'filler'));
    await expect((await reflinkProvider().plan([join(top, 'disk.img')]))!.take(mine('full'))).rejects.toMatchObject({
      code: 'SNAPSHOT_NO_SPACE',
    });
    rmSync(join(top, 'filler'), { recursive: true });
  });

  it('S1 with quota groups a subvolume at its limit is imaged all the same', async () => {
    const top = await make('btrfs');
    const data = join(top, 'data');
    const btrfs = (...args: string[]) => execFileSync('btrfs', args, { encoding: 'utf8' });
    btrfs('quota', 'enable', top);
    btrfs('subvolume', 'create', data);
    writeFileSync(join(data, 'file'), 'then');
    btrfs('qgroup', 'limit', '16k', data);
    const snapshot = hold(await (await btrfsProvider().plan([data]))!.take(mine('limited')));
    expect(() => writeFileSync(join(data, 'more'), Buffer.alloc(1 << 20))).toThrow(overQuota);
    expect(readFileSync(placing(snapshot.places)(join(data, 'file')), 'utf8')).toBe('then');
    await snapshot.remove();
    expect(readdirSync(join(top, imageDirectory))).toEqual([]);
    rmSync(join(top, imageDirectory), { recursive: true });
    btrfs('qgroup', 'limit', '17k', top);
    await expect((await btrfsProvider().plan([data]))!.take(mine('denied'))).rejects.toMatchObject({ code: 'SNAPSHOT_NO_SPACE' });
  });
});
