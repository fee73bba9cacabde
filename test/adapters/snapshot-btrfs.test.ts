// btrfs snapshots on real file systems (needs root), and backups that are read from them.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { providers } from '../../src/agent/wiring.ts';
import { openBackend } from '../../src/backends/open.ts';
import { bandwidthLimit } from '../../src/base/limit.ts';
import { imageDirectory } from '../../src/model/snapshot.ts';
import type { VaultAccess } from '../../src/model/task.ts';
import type { Warning } from '../../src/model/warning.ts';
import type { Snapshot } from '../../src/ports/snapshot.ts';
import type { Entry } from '../../src/ports/source.ts';
import { formatMs, openRepository, type Saved } from '../../src/repository/repository.ts';
import { btrfsProvider } from '../../src/snapshots/btrfs.ts';
import { chooseSnapshot } from '../../src/snapshots/choose.ts';
import { reflinkProvider } from '../../src/snapshots/reflink.ts';
import { filesSource } from '../../src/sources/files/source.ts';
import { buildNastyTree, rsyncDifferences } from '../beds/nasty-tree.ts';
import { type SnapshotDisk, snapshotDisk } from '../beds/snapshot-disk.ts';
import { filesOf, intoFolder, testVault } from '../beds/vault.ts';
import { snapshotContract } from '../contract/snapshot.ts';

snapshotContract({ provider: btrfsProvider(), disk: 'btrfs', paths: (directory) => [directory] });

const provider = btrfsProvider();
let disk: SnapshotDisk;
let top: string;
const held: Snapshot[] = [];

beforeEach(async () => {
  disk = await snapshotDisk('btrfs');
  top = disk.path;
});
afterEach(async () => {
  for (const snapshot of held.splice(0)) await snapshot.remove();
  await disk.remove();
});

const at = (...parts: string[]) => join(top, ...parts);
const btrfs = (...args: string[]) => execFileSync('btrfs', ['-q', ...args]);
const take = async (name: string, ...paths: string[]): Promise<Snapshot> => {
  const snapshot = await (await provider.plan(paths))!.take(name);
  held.push(snapshot);
  return snapshot;
};

/** Paths below `from`, and the warnings. */
async function seen(
  paths: readonly string[],
  from: string,
  more: Partial<Parameters<typeof filesSource>[0]> = {},
  placeOf?: (path: string) => string,
) {
  const found: string[] = [];
  const warnings: Warning[] = [];
  const source = await filesSource(
    { ...filesOf(...paths), ...more },
    { warn: (warning) => warnings.push(warning), ...(placeOf ? { placeOf } : {}) },
  );
  const visit = async (entries: AsyncIterable<Entry>, path: string) => {
    for await (const entry of entries) {
      const below = `${path}/${entry.meta.name.toString('latin1')}`;
      if (below.startsWith(`${from}/`)) found.push(below.slice(from.length + 1));
      if (entry.kind === 'dir') await visit(entry.list(), below);
    }
  };
  await visit(source.list(), '');
  await source.close();
  return { found, warnings };
}

describe('btrfs snapshots', () => {
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
    const snapshot = await take('stillpoint-nested', at('a'));
    for (const name of ['with space', 'plain/deep']) writeFileSync(at('a', name, 'file'), 'changed');
    expect(readFileSync(snapshot.placeOf(at('a/with space/file')), 'utf8')).toBe('one');
    expect(readFileSync(snapshot.placeOf(at('a/plain/deep/file')), 'utf8')).toBe('two');
    const { found, warnings } = await seen([at('a')], at('a'), {}, snapshot.placeOf);
    expect(found).toEqual(['plain', 'plain/deep', 'plain/deep/file', 'with space', 'with space/file']);
    expect(warnings).toEqual([]);
    expect((await provider.plan([at('a/plain/deep')]))!).not.toHaveProperty('apart');
    expect((await provider.plan([at('a/with space/file')]))!.volumes).toEqual([at('a/with space')]);
  });

  it('S1 a nested subvolume that is read-only is read where it is', async () => {
    btrfs('subvolume', 'create', at('a'));
    writeFileSync(at('a/file'), 'then');
    btrfs('subvolume', 'snapshot', '-r', at('a'), at('a/yesterday'));
    const snapshot = await take('stillpoint-still', at('a'));
    expect((await provider.plan([at('a')]))!).toMatchObject({ volumes: [at('a')] });
    expect(snapshot.placeOf(at('a/yesterday/file'))).toBe(at('a/yesterday/file'));
    expect(snapshot.placeOf(at('a/file'))).not.toBe(at('a/file'));
  });

  it('S1 a path through links, a bound directory and a mounted subvolume lead to the same image', async () => {
    btrfs('subvolume', 'create', at('@data'));
    mkdirSync(at('@data/dir'));
    writeFileSync(at('@data/dir/file'), 'x');
    const mounted = await disk.mountAgain('subvol=@data');
    const bound = await disk.bind(join(mounted, 'dir'));
    symlinkSync(mounted, at('link'));
    for (const path of [join(mounted, 'dir'), bound, at('link/dir')]) {
      expect((await provider.plan([path]))!.volumes).toHaveLength(1);
      const snapshot = await take('stillpoint-ways', path);
      writeFileSync(at('@data/dir/file'), 'y');
      expect(readFileSync(snapshot.placeOf(join(path, 'file')), 'utf8')).toBe('x');
      writeFileSync(at('@data/dir/file'), 'x');
      await snapshot.remove();
    }
  });

  it('S1 a link or a directory of somebody else in the place of ours is not gone through', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'elsewhere-'));
    symlinkSync(elsewhere, at(imageDirectory));
    const plan = (await provider.plan([top]))!;
    await expect(plan.take('stillpoint-led')).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
    expect(readdirSync(elsewhere)).toEqual([]);
    rmSync(elsewhere, { recursive: true });
    rmSync(at(imageDirectory));
    mkdirSync(at(imageDirectory));
    chmodSync(at(imageDirectory), 0o777);
    await expect(plan.take('stillpoint-led')).rejects.toMatchObject({
      message: expect.stringContaining('does not belong to the agent alone'),
    });
    expect(await provider.sweep(new Set())).toEqual([]);
  });

  it('S1 a volume that cannot be imaged leaves no image of the others', async () => {
    btrfs('subvolume', 'create', at('a'));
    btrfs('subvolume', 'create', at('b'));
    const plan = (await provider.plan([at('a'), at('b')]))!;
    btrfs('subvolume', 'delete', at('b'));
    await expect(plan.take('stillpoint-half')).rejects.toMatchObject({
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
      const paths = [top, join(other.path, 'disk.img')];
      const choice = await chooseSnapshot([provider, reflinkProvider()], paths);
      if (!('plan' in choice)) throw choice.problem;
      expect(choice.plan).toMatchObject({
        provider: 'btrfs+reflink',
        volumes: paths,
        apart: expect.stringContaining('one after the other'),
      });
      const snapshot = await choice.plan.take('stillpoint-both');
      for (const path of [at('file'), paths[1]!]) writeFileSync(path, 'changed');
      expect(readFileSync(snapshot.placeOf(at('file')), 'utf8')).toBe('file');
      expect(readFileSync(snapshot.placeOf(paths[1]!), 'utf8')).toBe('image');
      await snapshot.remove();
      for (const where of [top, other.path]) expect(readdirSync(join(where, imageDirectory))).toEqual([]);
    } finally {
      await other.remove();
    }
  });
});

describe('files from an image', () => {
  it('S3 the tree, the patterns and the messages go by live paths, all that is read comes from the image', async () => {
    buildNastyTree(at('nasty'));
    mkdirSync(at('cache'));
    writeFileSync(at('cache/x'), '');
    const live = await seen([top], top, { excludes: [`${top}/cache`, '*.txt'] });
    const snapshot = await take('stillpoint-nasty', top);
    rmSync(at('nasty'), { recursive: true });
    const image = await seen([top], top, { excludes: [`${top}/cache`, '*.txt'] }, snapshot.placeOf);
    expect(image.found).toEqual(live.found);
    expect(image.found.length).toBeGreaterThan(80);
    expect(image.warnings).toEqual([]);
  });

  it('S3 images are no part of a backup, neither of the live file system nor of an image', async () => {
    writeFileSync(at('file'), '');
    await take('stillpoint-first', top);
    const second = await take('stillpoint-second', top);
    expect((await seen([top], top)).found).toEqual(['file']);
    expect((await seen([top], top, {}, second.placeOf)).found).toEqual(['file']);
    expect(existsSync(at(imageDirectory, 'stillpoint-first.0/file'))).toBe(true);
  });

  it('S3 what is mounted below is read as it is, unless one file system was asked for', async () => {
    mkdirSync(at('dir/point'), { recursive: true });
    symlinkSync(at('dir'), at('way'));
    execFileSync('mount', ['-t', 'tmpfs', 'none', at('dir/point')]);
    try {
      writeFileSync(at('dir/point/x'), '');
      const snapshot = await take('stillpoint-mounts', at('dir'), at('way/point/..'));
      const { found, warnings } = await seen([at('dir')], at('dir'), {}, snapshot.placeOf);
      expect({ found, warnings }).toEqual({ found: ['point', 'point/x'], warnings: [] });
      expect((await seen([at('dir')], at('dir'), { oneFileSystem: true }, snapshot.placeOf)).found).toEqual(['point']);
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
      const snapshot = await take('stillpoint-hidden', at('dir'));
      const source = await filesSource(filesOf(at('dir')), { warn: () => undefined, placeOf: snapshot.placeOf });
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
      expect((await seen([at('dir')], at('dir'), { oneFileSystem: true }, snapshot.placeOf)).found).toEqual(['point']);
    } finally {
      for (const name of ['dir/file', 'dir/point']) execFileSync('umount', [at(name)]);
    }
  });

  it('S3 a subvolume made between plan and image is read as it is, and that is told', async () => {
    mkdirSync(at('dir'));
    const plan = (await provider.plan([at('dir')]))!;
    btrfs('subvolume', 'create', at('dir/new'));
    writeFileSync(at('dir/new/file'), '');
    held.push(await plan.take('stillpoint-new'));
    const { found, warnings } = await seen([at('dir')], at('dir'), {}, held[0]!.placeOf);
    expect(found).toEqual(['new', 'new/file']);
    expect(warnings).toEqual([{ item: at('dir/new'), detail: expect.stringContaining('subvolume') }]);
  });

  it('S3 what is mounted below and has an image of its own is read from that', async () => {
    const other = await snapshotDisk('btrfs');
    mkdirSync(at('dir/point'), { recursive: true });
    writeFileSync(join(other.path, 'file'), 'then');
    execFileSync('mount', ['--bind', other.path, at('dir/point')]);
    try {
      const snapshot = await take('stillpoint-two', at('dir'), at('dir/point'));
      writeFileSync(join(other.path, 'later'), '');
      const { found, warnings } = await seen([at('dir')], at('dir'), {}, snapshot.placeOf);
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
      const image = async (name: string, parentTree?: string) => {
        const snapshot = await take(name, top);
        devices.push(statSync(snapshot.placeOf(top)).dev);
        const saved = await saveFrom(snapshot, vault.access, parentTree);
        await snapshot.intact();
        return saved;
      };
      const first = await image('stillpoint-night-1');
      const second = await image('stillpoint-night-2', first.tree);
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
      const third = await image('stillpoint-night-3', second.tree);
      expect(third.summary).toMatchObject({ filesNew: 0, filesChanged: 2, filesUnmodified: files - 2 });
      for (const snapshot of held) await snapshot.remove();

      const copy = join(pool, 'copy');
      await vault.restore(third.record, intoFolder(copy));
      expect(await rsyncDifferences(at('nasty'), join(copy, at('nasty')))).toBe('');
      expect(readdirSync(at(imageDirectory))).toEqual([]);
    } finally {
      rmSync(pool, { recursive: true });
    }
  });
});

/** Saves all that `top` is in the image, and writes a record of it. */
async function saveFrom(
  snapshot: Snapshot,
  access: VaultAccess,
  parentTree: string | undefined,
): Promise<Saved & { readonly record: string }> {
  const backend = await openBackend(providers, access, { limit: bandwidthLimit(0) });
  const keeper = { willWrite: async () => undefined, removed: async () => undefined };
  const vault = await openRepository(backend, access.password, { keeper });
  const warn = ({ item, detail }: Warning) => expect.fail(`${item}: ${detail}`);
  try {
    const lock = await vault.lock(false);
    await vault.loadIndex(false);
    const source = await filesSource(filesOf(top), { warn, placeOf: snapshot.placeOf });
    const saved = await vault.save(lock, source, {
      mark: false,
      warn,
      signal: new AbortController().signal,
      onProgress: () => undefined,
      ...(parentTree ? { parentTree } : {}),
    });
    const { paths } = source;
    const who = { hostname: 'host', username: 'root', uid: 0, gid: 0, programVersion: 'test' };
    const record = await vault.records.save({ time: formatMs(Date.now()), tree: saved.tree, paths, excludes: [], tags: [], ...who }, lock);
    await lock.release();
    return { ...saved, record };
  } finally {
    await vault.close();
  }
}
