// Copies that share blocks, on real file systems (needs root).

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { placing } from '../../src/model/place.ts';
import { imageDirectory } from '../../src/model/snapshot.ts';
import type { Warning } from '../../src/model/warning.ts';
import { reflinkProvider } from '../../src/snapshots/reflink.ts';
import { type Run, runProgram } from '../../src/snapshots/run.ts';
import { diskSource } from '../../src/sources/disk/source.ts';
import { memoryVault } from '../beds/memory-vault.ts';
import { mine } from '../beds/own-images.ts';
import { pairIn, pairWriter } from '../beds/pair-writer.ts';
import { type DiskKind, type SnapshotDisk, snapshotDisk } from '../beds/snapshot-disk.ts';
import { snapshotContract } from '../contract/snapshot.ts';

for (const disk of ['xfs', 'btrfs'] as const) snapshotContract({ provider: reflinkProvider(), disk, paths: (_, file) => [file] });

describe('reflink copies', () => {
  const disks: SnapshotDisk[] = [];
  const make = async (kind: DiskKind) => {
    const disk = await snapshotDisk(kind);
    disks.push(disk);
    return disk.path;
  };
  afterEach(async () => {
    for (const disk of disks.splice(0)) await disk.remove();
  });

  it('S1 need a file system that can share blocks', async () => {
    for (const kind of ['xfs without reflinks', 'ext4'] as const) {
      const top = await make(kind);
      writeFileSync(join(top, 'file'), 'x');
      expect(await reflinkProvider().plan([join(top, 'file')])).toBeUndefined();
    }
  });

  it('S1 of several files say that they are not of one instant; directories and links are for others', async () => {
    const top = await make('xfs');
    for (const name of ['a', 'b']) writeFileSync(join(top, name), name);
    symlinkSync('a', join(top, 'link'));
    const plan = await reflinkProvider().plan([join(top, 'a'), join(top, 'b'), join(top, 'a')]);
    expect(plan).toMatchObject({ freezes: 'self', volumes: [join(top, 'a'), join(top, 'b')], apart: expect.stringContaining('2 files') });
    expect(await reflinkProvider().plan([top])).toBeUndefined();
    expect(await reflinkProvider().plan([join(top, 'link')])).toBeUndefined();
  });

  it('S1 of one file that is asked for by several ways are one copy, at one instant', async () => {
    const top = await make('xfs');
    mkdirSync(join(top, 'dir'));
    writeFileSync(join(top, 'dir/a'), 'then');
    symlinkSync('dir', join(top, 'way'));
    const plan = (await reflinkProvider().plan([join(top, 'dir/a'), join(top, 'way/a'), join(top, 'dir/a')]))!;
    expect(plan.volumes).toEqual([join(top, 'dir/a')]);
    expect(plan).not.toHaveProperty('apart');
    const snapshot = await plan.take(mine('ways'));
    writeFileSync(join(top, 'dir/a'), 'now');
    expect(readFileSync(placing(snapshot.places)(join(top, 'way/a')), 'utf8')).toBe('then');
    await snapshot.remove();
  });

  it('S1 all that is to be made ready for them is ready before the first is made', async () => {
    const top = await make('btrfs');
    const calls: string[] = [];
    const told: Run = (program, args) => {
      calls.push(program);
      return runProgram(program, args);
    };
    for (const name of ['a', 'b']) {
      writeFileSync(join(top, name), '');
      execFileSync('chattr', ['+C', join(top, name)]);
    }
    const plan = (await reflinkProvider({ run: told }).plan([join(top, 'a'), join(top, 'b')]))!;
    calls.length = 0;
    const snapshot = await plan.take(mine('ready'));
    expect(calls).toEqual(['chattr', 'chattr', 'cp', 'cp']);
    await snapshot.remove();
  });

  it('S1 cannot be made where nothing can be written, and that is the reason', async () => {
    const top = await make('xfs');
    writeFileSync(join(top, 'a'), 'a');
    execFileSync('mount', ['-o', 'remount,ro', top]);
    await expect(reflinkProvider().plan([join(top, 'a')])).rejects.toMatchObject({
      code: 'SNAPSHOT_NO_PROVIDER',
      message: expect.stringContaining('mounted read-only'),
    });
  });

  it('S1 of a file whose blocks btrfs writes in place (chattr +C), and take no space', async () => {
    const top = await make('btrfs');
    const file = join(top, 'disk image');
    writeFileSync(file, '');
    execFileSync('chattr', ['+C', file]);
    writeFileSync(file, Buffer.alloc(8 << 20, 'data'));
    const snapshot = await (await reflinkProvider().plan([file]))!.take(mine('nocow'));
    writeFileSync(file, 'other');
    execFileSync('cmp', [placing(snapshot.places)(file), '-'], { input: Buffer.alloc(8 << 20, 'data') });
    await snapshot.remove();
  });

  it('S1 negative control: a copy that is not of one instant is seen by the test of the law', async () => {
    const top = await make('xfs');
    const file = join(top, 'written');
    writeFileSync(file, '');
    truncateSync(file, 5 << 20);
    const slowly: Run = async (program, args) => {
      if (program !== 'cp') return runProgram(program, args);
      const firstPart = readFileSync(file).subarray(0, 1 << 20);
      const { second } = pairIn(file);
      await expect.poll(() => pairIn(file).second > second + 5n).toBe(true);
      writeFileSync(args.at(-1)!, Buffer.concat([firstPart, readFileSync(file).subarray(1 << 20)]));
      return '';
    };
    const writer = pairWriter(file);
    try {
      await expect.poll(() => pairIn(file).second > 10n).toBe(true);
      const snapshot = await (await reflinkProvider({ run: slowly }).plan([file]))!.take(mine('control'));
      const { first, second } = pairIn(placing(snapshot.places)(file));
      expect([second, second + 1n]).not.toContain(first);
      await snapshot.remove();
    } finally {
      await writer.stop();
    }
  });

  it('S1 one that cannot be made leaves none of the others', async () => {
    const top = await make('xfs');
    for (const name of ['a', 'b']) writeFileSync(join(top, name), name);
    const plan = (await reflinkProvider().plan([join(top, 'a'), join(top, 'b')]))!;
    execFileSync('rm', [join(top, 'b')]);
    await expect(plan.take(mine('half'))).rejects.toMatchObject({
      code: 'SNAPSHOT_FAILED',
      message: expect.stringContaining(join(top, 'b')),
    });
    expect(readdirSync(join(top, imageDirectory))).toEqual([]);
  });

  it('S6 a disk image is read from its copy, under its own path and without a warning that it is written to', async () => {
    const top = await make('xfs');
    const file = join(top, 'disk.img');
    writeFileSync(file, Buffer.alloc(8 << 20, 'then'));
    execFileSync('mkfs.ext4', ['-q', '-F', file]);
    const then = readFileSync(file);
    const point = mkdtempSync(join(tmpdir(), 'mounted-image-'));
    execFileSync('mount', ['-o', 'loop', file, point]);
    const warnings: Warning[] = [];
    const warn = (warning: Warning) => void warnings.push(warning);
    try {
      expect(diskSource({ kind: 'disk', paths: [file] }, { warn, placeOf: (path) => path }).paths).toEqual([file]);
      expect(warnings.splice(0)).toHaveLength(1);
      execFileSync('umount', [point]);
      writeFileSync(file, then);
      const snapshot = await (await reflinkProvider().plan([file]))!.take(mine('disk'));
      execFileSync('mount', ['-o', 'loop', file, point]);
      const source = diskSource({ kind: 'disk', paths: [file] }, { warn, placeOf: placing(snapshot.places) });
      expect(source).toMatchObject({ paths: [file], estimate: { bytes: 8 << 20, files: 1 } });
      expect(warnings).toEqual([]);
      const vault = memoryVault();
      let tree = await vault.save(source);
      for (const name of file.split('/').slice(1, -1))
        tree = vault.trees.get(tree)!.find((node) => node.name.toString() === name)!.subtree!;
      const [node] = vault.trees.get(tree)!;
      expect(node!.name.toString()).toBe('disk.img');
      expect(Buffer.concat(node!.content!.map((id) => vault.blobs.get(id)!)).equals(then)).toBe(true);
      await snapshot.remove();
    } finally {
      execFileSync('umount', [point]);
      rmdirSync(point);
    }
  });

  it('S1 one that somebody writes to is not intact', async () => {
    const top = await make('xfs');
    writeFileSync(join(top, 'a'), 'a');
    const snapshot = await (await reflinkProvider().plan([join(top, 'a')]))!.take(mine('meddled'));
    truncateSync(placing(snapshot.places)(join(top, 'a')), 100);
    await expect(snapshot.intact()).rejects.toMatchObject({ code: 'SNAPSHOT_LOST', message: expect.stringContaining('changed') });
    await snapshot.remove();
  });
});
