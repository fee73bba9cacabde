// What a backup of files reads from an image instead of the live file system: tree, patterns and messages, and a second backup. Needs root.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { placing } from '../../src/model/place.ts';
import { imageDirectory } from '../../src/model/snapshot.ts';
import type { Snapshot } from '../../src/ports/snapshot.ts';
import type { Entry } from '../../src/ports/source.ts';
import { btrfsProvider } from '../../src/snapshots/btrfs.ts';
import { filesSource } from '../../src/sources/files/source.ts';
import { btrfsBed } from '../beds/btrfs-bed.ts';
import { buildNastyTree, rsyncDifferences } from '../beds/nasty-tree.ts';
import { mine } from '../beds/own-images.ts';
import { saveFrom } from '../beds/save-from.ts';
import { seen } from '../beds/seen-files.ts';
import { snapshotDisk } from '../beds/snapshot-disk.ts';
import { filesOf, intoFolder, testVault } from '../beds/vault.ts';

const provider = btrfsProvider();
const { at, btrfs, take, hold } = btrfsBed();

describe('files from an image', () => {
  it('S3 the tree, the patterns and the messages go by live paths, all that is read comes from the image', async () => {
    buildNastyTree(at('nasty'));
    mkdirSync(at('cache'));
    writeFileSync(at('cache/x'), '');
    const live = await seen([at()], at(), { excludes: [at('cache'), '*.txt'] });
    const snapshot = await take(mine('nasty'), at());
    rmSync(at('nasty'), { recursive: true });
    const image = await seen([at()], at(), { excludes: [at('cache'), '*.txt'] }, placing(snapshot.places));
    expect(image.found).toEqual(live.found);
    expect(image.found.length).toBeGreaterThan(80);
    expect(image.warnings).toEqual([]);
  });

  it('S3 images are no part of a backup, neither of the live file system nor of an image', async () => {
    writeFileSync(at('file'), '');
    await take(mine('first'), at());
    const second = await take(mine('second'), at());
    expect((await seen([at()], at())).found).toEqual(['file']);
    expect((await seen([at()], at(), {}, placing(second.places))).found).toEqual(['file']);
    expect(existsSync(at(imageDirectory, `${mine('first')}.0/file`))).toBe(true);
  });

  it('S3 what is mounted below is read as it is, unless one file system was asked for', async () => {
    mkdirSync(at('dir/point'), { recursive: true });
    symlinkSync(at('dir'), at('way'));
    execFileSync('mount', ['-t', 'tmpfs', 'none', at('dir/point')]);
    try {
      writeFileSync(at('dir/point/x'), '');
      const snapshot = await take(mine('mounts'), at('dir'), at('way/point/..'));
      const { found, warnings } = await seen([at('dir')], at('dir'), {}, placing(snapshot.places));
      expect({ found, warnings }).toEqual({ found: ['point', 'point/x'], warnings: [] });
      expect((await seen([at('dir')], at('dir'), { oneFileSystem: true }, placing(snapshot.places))).found).toEqual(['point']);
      // Read where it lies, all of it is there.
      expect(await seen([at('dir')], at('dir'), {}, (path) => path)).toEqual({ found: ['point', 'point/x'], warnings: [] });
    } finally {
      execFileSync('umount', [at('dir/point')]);
    }
  });

  it('S3 what a mount hides is never stored as what is seen there: a file, or with one file system a directory', async () => {
    mkdirSync(at('dir/point'), { recursive: true });
    for (const name of ['dir/file', 'dir/point/hidden']) writeFileSync(at(name), 'hidden');
    writeFileSync(at('other'), 'seen');
    execFileSync('mount', ['--bind', at('other'), at('dir/file')]);
    execFileSync('mount', ['-t', 'tmpfs', 'none', at('dir/point')]);
    try {
      const snapshot = await take(mine('hidden'), at('dir'));
      const source = await filesSource(filesOf(at('dir')), { warn: () => undefined, placeOf: placing(snapshot.places) });
      const sizes = new Map<string, number>();
      const visit = async (entries: AsyncIterable<Entry>) => {
        for await (const entry of entries) {
          if (entry.kind === 'file') sizes.set(entry.meta.name.toString(), entry.meta.size);
          if (entry.kind === 'dir') await visit(entry.list());
        }
      };
      await visit(source.list());
      await source.close();
      expect([...sizes]).toEqual([['file', 'seen'.length]]);
      expect((await seen([at('dir')], at('dir'), { oneFileSystem: true }, placing(snapshot.places))).found).toEqual(['point']);
    } finally {
      for (const name of ['dir/file', 'dir/point']) execFileSync('umount', [at(name)]);
    }
  });

  it('S3 a subvolume made between plan and image is read as it is, and that is told', async () => {
    mkdirSync(at('dir'));
    const plan = (await provider.plan([at('dir')]))!;
    btrfs('subvolume', 'create', at('dir/new'));
    writeFileSync(at('dir/new/file'), '');
    const snapshot = hold(await plan.take(mine('new')));
    expect(await snapshot.open(() => undefined)).toContain(at('dir/new'));
    const { found, warnings } = await seen([at('dir')], at('dir'), {}, placing(snapshot.places));
    expect(found).toEqual(['new', 'new/file']);
    expect(warnings).toEqual([{ item: at('dir/new'), detail: expect.stringContaining('subvolume') }]);
  });

  it('S3 what is mounted below and has an image of its own is read from that', async () => {
    const other = await snapshotDisk('btrfs');
    mkdirSync(at('dir/point'), { recursive: true });
    writeFileSync(join(other.path, 'file'), 'then');
    execFileSync('mount', ['--bind', other.path, at('dir/point')]);
    try {
      const snapshot = await take(mine('two'), at('dir'), at('dir/point'));
      writeFileSync(join(other.path, 'later'), '');
      const { found, warnings } = await seen([at('dir')], at('dir'), {}, placing(snapshot.places));
      expect(found).toEqual(['point', 'point/file']);
      expect(warnings).toEqual([]);
      await snapshot.remove();
    } finally {
      execFileSync('umount', [at('dir/point')]);
      await other.remove();
    }
  });

  it('S6 a second backup from a second image reads nothing again, a changed file is read, and all comes back', async () => {
    const pool = mkdtempSync(join(tmpdir(), 'snapshot-pool-'));
    try {
      const vault = testVault(pool, 'v/a', 'password');
      await vault.create('recovery');
      buildNastyTree(at('nasty'));
      const devices: number[] = [];
      const taken: Snapshot[] = [];
      const image = async (name: string, parentTree?: string) => {
        const snapshot = await take(name, at());
        taken.push(snapshot);
        devices.push(statSync(placing(snapshot.places)(at())).dev);
        const saved = await saveFrom(at(), snapshot, vault.access, { ...(parentTree !== undefined && { parentTree }) });
        await snapshot.intact();
        return saved;
      };
      const first = await image(mine('night-1'));
      const second = await image(mine('night-2'), first.tree);
      const files = first.summary.filesNew;
      expect(files).toBeGreaterThan(10);
      expect(second.summary).toMatchObject({ filesNew: 0, filesChanged: 0, filesUnmodified: files, dataBlobs: 0 });
      // Nor are directories stored again (but the root's, if anything happens in the directories that lead here).
      expect(second.summary).toMatchObject({ dirsUnmodified: first.summary.dirsNew, dirsChanged: 0 });
      expect(second.summary.treeBlobs).toBeLessThanOrEqual(1);
      expect(new Set(devices).size).toBe(2);

      // One by its size; one by nothing but its inode and ctime.
      writeFileSync(at('nasty/small'), 'more bytes\n\n');
      writeFileSync(at('new'), Buffer.alloc(3_000_001, 'otherwise'));
      execFileSync('touch', ['-r', at('nasty/large'), at('new')]);
      renameSync(at('new'), at('nasty/large'));
      const third = await image(mine('night-3'), second.tree);
      expect(third.summary).toMatchObject({ filesNew: 0, filesChanged: 2, filesUnmodified: files - 2 });
      for (const snapshot of taken) await snapshot.remove();

      const copy = join(pool, 'copy');
      await vault.restore(third.record, intoFolder(copy));
      expect(await rsyncDifferences(at('nasty'), join(copy, at('nasty')))).toBe('');
      expect(readdirSync(at(imageDirectory))).toEqual([]);
    } finally {
      rmSync(pool, { recursive: true });
    }
  });
});
