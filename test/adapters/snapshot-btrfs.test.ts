// btrfs snapshots on real file systems (needs root).

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { placing } from '../../src/model/place.ts';
import { imageDirectory } from '../../src/model/snapshot.ts';
import { btrfsProvider } from '../../src/snapshots/btrfs.ts';
import { chooseSnapshot } from '../../src/snapshots/choose.ts';
import { reflinkProvider } from '../../src/snapshots/reflink.ts';
import { type Run, runProgram } from '../../src/snapshots/run.ts';
import { btrfsBed } from '../beds/btrfs-bed.ts';
import { mine, ofOthersAnd } from '../beds/own-images.ts';
import { snapshotDisk } from '../beds/snapshot-disk.ts';
import { snapshotContract } from '../contract/snapshot.ts';

snapshotContract({ provider: btrfsProvider(), disk: 'btrfs', paths: (directory) => [directory] });

const provider = btrfsProvider();
const { at, btrfs, take, hold } = btrfsBed();

describe('btrfs snapshots', () => {
  it('S1 a link or a directory of somebody else in the place of ours is not gone through', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'elsewhere-'));
    symlinkSync(elsewhere, at(imageDirectory));
    const plan = (await provider.plan([at()]))!;
    await expect(plan.take(mine('led'))).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
    expect(readdirSync(elsewhere)).toEqual([]);
    rmSync(elsewhere, { recursive: true });
    rmSync(at(imageDirectory));
    mkdirSync(at(imageDirectory));
    chmodSync(at(imageDirectory), 0o777);
    await expect(plan.take(mine('led'))).rejects.toMatchObject({
      message: expect.stringContaining('does not belong to the agent alone'),
    });
    expect(await provider.sweep(ofOthersAnd())).toEqual([]);
  });

  it('S1 a volume that cannot be imaged leaves no image of the others', async () => {
    btrfs('subvolume', 'create', at('a'));
    btrfs('subvolume', 'create', at('b'));
    const plan = (await provider.plan([at('a'), at('b')]))!;
    btrfs('subvolume', 'delete', at('b'));
    await expect(plan.take(mine('half'))).rejects.toMatchObject({
      code: 'SNAPSHOT_FAILED',
      message: expect.stringContaining(at('b')),
    });
    expect(readdirSync(at(imageDirectory))).toEqual([]);
  });

  it('S1 one group over two providers is one plan that says why it is not one instant, and is taken and removed as a whole', async () => {
    const other = await snapshotDisk('xfs');
    try {
      writeFileSync(join(other.path, 'disk.img'), 'image');
      writeFileSync(at('file'), 'file');
      const paths = [at(), join(other.path, 'disk.img')];
      const choice = await chooseSnapshot([provider, reflinkProvider()], paths);
      if (!('plan' in choice)) throw choice.problem;
      expect(choice.plan).toMatchObject({
        provider: 'btrfs+reflink',
        volumes: paths,
        apart: expect.stringContaining('one after the other'),
      });
      const snapshot = await choice.plan.take(mine('both'));
      expect(await snapshot.open(() => undefined)).toBeUndefined();
      for (const path of [at('file'), paths[1]!]) writeFileSync(path, 'changed');
      expect(readFileSync(placing(snapshot.places)(at('file')), 'utf8')).toBe('file');
      expect(readFileSync(placing(snapshot.places)(paths[1]!), 'utf8')).toBe('image');
      await snapshot.remove();
      for (const where of [at(), other.path]) expect(readdirSync(join(where, imageDirectory))).toEqual([]);
    } finally {
      await other.remove();
    }
  });

  it('A3 nothing but the snapshots themselves is made while users wait', async () => {
    for (const name of ['a', 'a/nested', 'b']) btrfs('subvolume', 'create', at(name));
    const calls: string[] = [];
    const told: Run = (program, args) => {
      calls.push([program, ...args.slice(0, 2)].join(' '));
      return runProgram(program, args);
    };
    const plan = (await btrfsProvider({ run: told }).plan([at('a'), at('b')]))!;
    calls.length = 0;
    const snapshot = await plan.take(mine('quick'));
    expect(calls).toEqual(Array.from({ length: 3 }, () => 'btrfs subvolume snapshot'));
    await snapshot.remove();
  });

  it('S1 where no btrfs is mounted that has images, a sweep starts no program', async () => {
    const snapshot = await take(mine('living'), at());
    const none: Run = async (program) => expect.fail(`${program} was started`);
    expect(await btrfsProvider({ run: none }).sweep(ofOthersAnd(mine('living')))).toEqual([]);
    await snapshot.remove();
    expect(await btrfsProvider({ run: none }).sweep(ofOthersAnd())).toEqual([]);
  });

  it('S1 an image that the program could not remove, as somebody else was quicker, is no trouble; one that is still there is', async () => {
    const quicker: Run = async (program, args) => {
      if (args[1] === 'delete') await runProgram(program, args);
      return runProgram(program, args);
    };
    const plan = (await btrfsProvider({ run: quicker }).plan([at()]))!;
    await (await plan.take(mine('raced'))).remove();
    hold(await plan.take(mine('dead')));
    expect(await btrfsProvider({ run: quicker }).sweep(ofOthersAnd())).toEqual([mine('dead')]);
    const stuck = await take(mine('stuck'), at());
    const refuses: Run = async () => Promise.reject(new Error('btrfs: ERROR: Could not destroy subvolume: Device or resource busy'));
    await expect(btrfsProvider({ run: refuses }).sweep(ofOthersAnd())).rejects.toMatchObject({ code: 'SNAPSHOT_REMOVE_FAILED' });
    await stuck.intact();
  });
});
