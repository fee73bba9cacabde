// The LVM provider on real logical volumes, thick and thin, with ext4 and XFS. Needs root and device-mapper: where there is none it runs in a
// virtual machine (test/full/lvm-vm.test.ts).

import { closeSync, fsyncSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { placing } from '../../src/model/place.ts';
import type { Snapshot } from '../../src/ports/snapshot.ts';
import { lvmProvider } from '../../src/snapshots/lvm.ts';
import { mine } from '../beds/own-images.ts';
import { run } from '../beds/programs.ts';
import { lvmImageNames, lvmImages, noLvm, noLvmNote, type Volume, type VolumeGroup, volumeGroup } from '../beds/vm/volume-group.ts';
import { snapshotContract } from '../contract/snapshot.ts';

const provider = lvmProvider({ mountDirectory: lvmImages });

for (const kind of ['thick', 'thin'] as const)
  for (const fileSystem of ['ext4', 'xfs'] as const)
    describe.skipIf(noLvm)(`a ${kind} volume with ${fileSystem}${noLvmNote}`, () => {
      let group: VolumeGroup;
      const disk = {
        name: `a ${kind} volume with ${fileSystem}`,
        async make() {
          group = await volumeGroup();
          const volume = await group.volume(kind, fileSystem);
          return { path: volume.path, remove: () => group.remove() };
        },
        images: () => lvmImageNames(group),
        // Programs of LVM start tens of times slower in an emulated machine.
        within: 30_000,
      };
      snapshotContract({ provider, disk, paths: (directory) => [directory] });
    });

describe.skipIf(noLvm)(`a logical volume${noLvmNote}`, () => {
  let group: VolumeGroup;
  let volume: Volume;
  const held: Snapshot[] = [];
  const take = async (name: string, ...paths: readonly string[]): Promise<Snapshot> => {
    const snapshot = await (await provider.plan(paths))!.take(name);
    held.push(snapshot);
    await snapshot.open(({ item, detail }) => expect.fail(`${item}: ${detail}`));
    return snapshot;
  };

  beforeAll(async () => {
    group = await volumeGroup();
    volume = await group.volume('thick', 'ext4');
  });
  afterEach(async () => {
    for (const snapshot of held.splice(0)) await snapshot.remove();
  });
  afterAll(() => group?.remove());

  it('S1 an image that overflows is lost and is told so, the origin goes on, and nothing is left behind', async () => {
    const file = join(volume.path, 'file');
    writeDurably(file, Buffer.alloc(160 << 20, 1));
    const snapshot = await take(mine('full'), volume.path);
    await snapshot.intact();
    writeDurably(file, Buffer.alloc(160 << 20, 2));
    await expect(snapshot.intact()).rejects.toMatchObject({ code: 'SNAPSHOT_LOST', message: expect.stringMatching(/overflowed|full/) });
    writeDurably(join(volume.path, 'after'), Buffer.from('goes on'));
    expect(readFileSync(join(volume.path, 'after'), 'utf8')).toBe('goes on');
    expect(readFileSync(file).equals(Buffer.alloc(160 << 20, 2))).toBe(true);
    await snapshot.remove();
    expect(group.volumes()).toEqual([volume.device.split('/').at(-1)]);
    expect(lvmImageNames(group)).toEqual([]);
  });

  it('S1 a file system that somebody holds frozen from outside has no image taken: told at once, and nothing is left behind', async () => {
    await run('fsfreeze', ['--freeze', volume.path]);
    try {
      await expect(take(mine('held'), volume.path)).rejects.toMatchObject({
        code: 'SNAPSHOT_FAILED',
        message: expect.stringContaining('busy'),
      });
    } finally {
      await run('fsfreeze', ['--unfreeze', volume.path]);
    }
    expect(lvmImageNames(group)).toEqual([]);
    const later = await take(mine('later'), volume.path);
    await later.intact();
  });

  it('S1 the device of an image is read as it was, and is read-only', async () => {
    const file = join(volume.path, 'raw');
    writeDurably(file, Buffer.from('then'));
    const snapshot = await take(mine('raw'), volume.device);
    writeDurably(file, Buffer.from('now!'));
    const image = placing(snapshot.places)(volume.device);
    expect(image).not.toBe(volume.device);
    expect(await run('debugfs', ['-R', 'cat /raw', image])).toBe('then');
    expect((await run('blockdev', ['--getro', image])).trim()).toBe('1');
    await snapshot.intact();
  });
});

/** Over what is there, where there is something: the same blocks are written again. */
function writeDurably(path: string, bytes: Buffer): void {
  writeFileSync(path, '', { flag: 'a' });
  const fd = openSync(path, 'r+');
  for (let at = 0; at < bytes.length; at += 8 << 20) writeSync(fd, bytes, at, Math.min(8 << 20, bytes.length - at), at);
  fsyncSync(fd);
  closeSync(fd);
}
