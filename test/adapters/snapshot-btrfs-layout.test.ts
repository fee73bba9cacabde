// Which subvolumes a backup is read from: nested ones, ones that are mounted by name, several ways to the same one. Needs root.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { placing } from '../../src/model/place.ts';
import { btrfsProvider } from '../../src/snapshots/btrfs.ts';
import { btrfsBed } from '../beds/btrfs-bed.ts';
import { mine, ofOthersAnd } from '../beds/own-images.ts';
import { seen } from '../beds/seen-files.ts';
import { snapshotDisk } from '../beds/snapshot-disk.ts';

const provider = btrfsProvider();
const { disk, at, btrfs, take, hold } = btrfsBed();

describe('btrfs layouts', () => {
  it('S1 nested subvolumes are imaged, too, and it is said that this is not one instant', async () => {
    btrfs('subvolume', 'create', at('a'));
    btrfs('subvolume', 'create', at('a/with space'));
    mkdirSync(at('a/plain'));
    btrfs('subvolume', 'create', at('a/plain/deep'));
    btrfs('subvolume', 'create', at('beside'));
    writeFileSync(at('a/with space/file'), 'one');
    writeFileSync(at('a/plain/deep/file'), 'two');
    const plan = (await provider.plan([at('a')]))!;
    expect(plan).toMatchObject({ freezes: 'self', apart: expect.stringContaining('3 subvolumes') });
    expect([...plan.volumes].sort()).toEqual([at('a'), at('a/plain/deep'), at('a/with space')]);
    const snapshot = await take(mine('nested'), at('a'));
    for (const name of ['with space', 'plain/deep']) writeFileSync(at('a', name, 'file'), 'changed');
    expect(readFileSync(placing(snapshot.places)(at('a/with space/file')), 'utf8')).toBe('one');
    expect(readFileSync(placing(snapshot.places)(at('a/plain/deep/file')), 'utf8')).toBe('two');
    const { found, warnings } = await seen([at('a')], at('a'), {}, placing(snapshot.places));
    expect(found).toEqual(['plain', 'plain/deep', 'plain/deep/file', 'with space', 'with space/file']);
    expect(warnings).toEqual([]);
    expect((await provider.plan([at('a/plain/deep')]))!).not.toHaveProperty('apart');
    expect((await provider.plan([at('a/with space/file')]))!.volumes).toEqual([at('a/with space')]);
  });

  it('S1 a nested subvolume that is read-only is read where it is', async () => {
    btrfs('subvolume', 'create', at('a'));
    writeFileSync(at('a/file'), 'then');
    btrfs('subvolume', 'snapshot', '-r', at('a'), at('a/yesterday'));
    const snapshot = await take(mine('still'), at('a'));
    expect((await provider.plan([at('a')]))!).toMatchObject({ volumes: [at('a')] });
    expect(placing(snapshot.places)(at('a/yesterday/file'))).toBe(at('a/yesterday/file'));
    expect(placing(snapshot.places)(at('a/file'))).not.toBe(at('a/file'));
  });

  it('S1 a path through links, a bound directory and a mounted subvolume lead to the same image', async () => {
    btrfs('subvolume', 'create', at('@data'));
    mkdirSync(at('@data/dir'));
    writeFileSync(at('@data/dir/file'), 'x');
    const mounted = await disk().mountAgain('subvol=@data');
    const bound = await disk().bind(join(mounted, 'dir'));
    symlinkSync(mounted, at('link'));
    for (const path of [join(mounted, 'dir'), bound, at('link/dir')]) {
      expect((await provider.plan([path]))!.volumes).toHaveLength(1);
      const snapshot = await take(mine('ways'), path);
      writeFileSync(at('@data/dir/file'), 'y');
      expect(readFileSync(placing(snapshot.places)(join(path, 'file')), 'utf8')).toBe('x');
      writeFileSync(at('@data/dir/file'), 'x');
      await snapshot.remove();
    }
  });

  it('A3 a subvolume made between plan and image is named when the image is opened; one made later is not', async () => {
    mkdirSync(at('dir'));
    btrfs('subvolume', 'create', at('origin'));
    const plan = (await provider.plan([at('dir')]))!;
    btrfs('subvolume', 'create', at('dir/new one'));
    // What does not change may be read as it is.
    btrfs('subvolume', 'snapshot', '-r', at('origin'), at('dir/read-only'));
    const snapshot = hold(await plan.take(mine('late')));
    btrfs('subvolume', 'create', at('dir/later'));
    const apart = await snapshot.open(() => undefined);
    expect(apart).toContain(at('dir/new one'));
    expect(apart).not.toContain('read-only');
    expect(apart).not.toContain('later');
    btrfs('subvolume', 'delete', at('dir/new one'));
    expect(await hold(await plan.take(mine('gone'))).open(() => undefined)).toContain(at('dir/later'));
  });

  it('S1 the layout of many distributions: @ and @home mounted by name, with a nested one below', async () => {
    for (const name of ['@', '@home', '@/nested', '@/nested/deeper']) btrfs('subvolume', 'create', at(name));
    for (const name of ['@', '@home', '@/nested', '@/nested/deeper']) writeFileSync(at(name, 'file'), name);
    mkdirSync(at('@/home'));
    const root = await disk().mountAgain('subvol=@');
    execFileSync('mount', ['-o', 'subvol=@home', disk().device, join(root, 'home')]);
    try {
      const nested = [join(root, 'nested'), join(root, 'nested/deeper')];
      expect((await provider.plan([root]))!.volumes).toEqual([root, ...nested]);
      const paths = [root, join(root, 'home')];
      expect((await provider.plan(paths))!.volumes).toEqual([root, ...nested, join(root, 'home')]);
      const snapshot = await take(mine('at'), ...paths);
      for (const name of ['@', '@home', '@/nested', '@/nested/deeper']) writeFileSync(at(name, 'file'), 'changed');
      const read = (...parts: string[]) => readFileSync(placing(snapshot.places)(join(root, ...parts, 'file')), 'utf8');
      expect([read(), read('home'), read('nested'), read('nested/deeper')]).toEqual(['@', '@home', '@/nested', '@/nested/deeper']);
      await snapshot.intact();
      await snapshot.remove();
    } finally {
      execFileSync('umount', [join(root, 'home')]);
    }
  });

  it('S1 a path given twice, by a link, and through another mount of its subvolume is imaged once, at one instant', async () => {
    btrfs('subvolume', 'create', at('@data'));
    writeFileSync(at('@data/file'), 'then');
    const mounted = await disk().mountAgain('subvol=@data');
    mkdirSync(at('ways'));
    symlinkSync(at('@data'), at('ways/link'));
    const paths = [mounted, mounted, at('@data'), at('ways/link/file'), join(mounted, 'file')];
    const plan = (await provider.plan(paths))!;
    expect(plan).not.toHaveProperty('apart');
    const snapshot = await take(mine('once'), ...paths);
    writeFileSync(at('@data/file'), 'now');
    const places = [join(mounted, 'file'), at('@data/file'), at('ways/link/file')].map((path) => placing(snapshot.places)(path));
    expect(new Set(places).size).toBe(1);
    expect(readFileSync(places[0]!, 'utf8')).toBe('then');
  });

  it('S1 a link that was asked for is imaged where it lies, not where it leads', async () => {
    const other = await snapshotDisk('btrfs');
    try {
      symlinkSync(other.path, at('link'));
      expect((await provider.plan([at('link')]))!.volumes).toEqual([at()]);
      const snapshot = await take(mine('link'), at('link'));
      expect(readlinkSync(placing(snapshot.places)(at('link')))).toBe(other.path);
      writeFileSync(join(other.path, 'file'), '');
      expect((await provider.plan([at('link/file')]))!.volumes).toEqual([other.path]);
      await snapshot.remove();
    } finally {
      await other.remove();
    }
  });

  it('S1 what one mount shows read-only is imaged through another; where none can be written to, that is the reason', async () => {
    btrfs('subvolume', 'create', at('@data'));
    writeFileSync(at('@data/file'), 'then');
    const readOnly = await disk().bind(at('@data'));
    execFileSync('mount', ['-o', 'remount,bind,ro', readOnly]);
    const snapshot = await take(mine('shown'), readOnly);
    writeFileSync(at('@data/file'), 'now');
    expect(readFileSync(placing(snapshot.places)(join(readOnly, 'file')), 'utf8')).toBe('then');
    await snapshot.remove();
    execFileSync('mount', ['-o', 'remount,ro', at()]);
    await expect(provider.plan([readOnly])).rejects.toMatchObject({
      code: 'SNAPSHOT_NO_PROVIDER',
      message: expect.stringMatching(new RegExp(`${readOnly}.*mounted read-only`)),
    });
    expect(await provider.sweep(ofOthersAnd())).toEqual([]);
  });
});
