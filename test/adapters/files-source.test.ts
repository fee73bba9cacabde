import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FilesSource } from '../../src/model/plan.ts';
import type { Entry, Warning } from '../../src/ports/source.ts';
import { filesSource } from '../../src/sources/files/source.ts';
import { buildNastyTree, isRoot } from '../beds/nasty-tree.ts';
import { sourceContract } from '../contract/source.ts';

const top = mkdtempSync(join(tmpdir(), 'files-source-'));
const nasty = join(top, 'nasty');
beforeAll(() => buildNastyTree(nasty));
afterAll(() => rmSync(top, { recursive: true, force: true }));

const settings = (paths: readonly string[], more: Partial<FilesSource> = {}): FilesSource => ({
  kind: 'files',
  paths,
  excludes: [],
  excludeFiles: [],
  oneFileSystem: false,
  excludeCaches: false,
  ...more,
});

interface Seen {
  readonly entries: Map<string, Entry>;
  readonly warnings: Warning[];
}

async function look(wanted: FilesSource, selfExclude: readonly string[] = [], before?: (path: string) => void): Promise<Seen> {
  const seen: Seen = { entries: new Map(), warnings: [] };
  const source = await filesSource(wanted, { warn: (warning) => seen.warnings.push(warning), selfExclude });
  const visit = async (entries: AsyncIterable<Entry>, path: string) => {
    for await (const entry of entries) {
      const below = `${path}/${entry.meta.name.toString('latin1')}`;
      seen.entries.set(below, entry);
      before?.(below);
      if (entry.kind === 'dir') await visit(entry.list(), below);
    }
  };
  await visit(source.list(), '');
  await source.close();
  return seen;
}

/** Paths below `top`, shortened. */
const below = (seen: Seen, directory = top) =>
  [...seen.entries.keys()].filter((path) => path.startsWith(`${directory}/`)).map((path) => path.slice(directory.length + 1));

sourceContract('files', () => ({ open: () => filesSource(settings([nasty]), { warn: () => {} }), atLeast: 80 }));

describe('S3 files as a source', () => {
  it('S3 metadata of every kind of entry is what the file system says, to the nanosecond', async () => {
    const { entries, warnings } = await look(settings([nasty]));
    expect(warnings).toEqual([]);
    const small = entries.get(`${nasty}/small`)!.meta;
    const stat = statSync(join(nasty, 'small'), { bigint: true });
    expect(small).toMatchObject({ type: 'file', size: 12, inode: stat.ino, deviceId: stat.dev, links: 1n });
    expect(small.mtime).toEqual({ seconds: -2, nanos: 123_456_789 });
    expect(small.atime).toEqual(small.mtime);
    expect(BigInt(small.ctime.seconds) * 1_000_000_000n + BigInt(small.ctime.nanos)).toBe(stat.ctimeNs);
    expect(new Map(small.xattrs.map(({ name, value }) => [name, value.toString('hex')]))).toEqual(
      new Map([
        ['user.binary', '00ff00ff'],
        ['user.empty', ''],
      ]),
    );
    expect(entries.get(`${nasty}/linked-1`)!.meta.links).toBe(3n);
    expect(entries.get(`${nasty}/link-broken`)!.meta.linkTarget?.toString()).toBe('/nowhere/at/all');
    expect(entries.get(`${nasty}/fifo`)!.meta.type).toBe('fifo');
    expect(entries.get(`${nasty}/A`)!.meta.xattrs.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['system.posix_acl_access', 'system.posix_acl_default']),
    );
    expect(entries.has(`${nasty}/\xff\xfeA`)).toBe(true);
    expect(entries.get(`${nasty}/other`)!.meta.mode).toBe(0o1777);
  });

  it.runIf(isRoot)('S3 device nodes, owners and setuid bits', async () => {
    const { entries } = await look(settings([nasty]));
    const disk = statSync(join(nasty, 'disk'), { bigint: true });
    expect(entries.get(`${nasty}/disk`)!.meta).toMatchObject({ type: 'dev', device: disk.rdev, size: 0 });
    expect(entries.get(`${nasty}/null`)!.meta).toMatchObject({ type: 'chardev', device: statSync('/dev/null', { bigint: true }).rdev });
    expect(entries.get(`${nasty}/setuid`)!.meta).toMatchObject({ mode: 0o6755, uid: 1234, gid: 4321, user: '', group: '' });
    expect(entries.get(`${nasty}/small`)!.meta).toMatchObject({ uid: 0, user: 'root', group: 'root' });
  });

  it('S3 content names the file by its raw absolute path', async () => {
    const { entries } = await look(settings([nasty]));
    const odd = entries.get(`${nasty}/\xff\xfeA`)!;
    if (odd.kind !== 'file' || odd.content.kind !== 'path') throw new Error('not a file');
    expect(odd.content).toMatchObject({ offset: 0, regular: true, chunking: { kind: 'content' } });
    expect(odd.content.path.equals(Buffer.concat([Buffer.from(`${nasty}/`), Buffer.from([0xff, 0xfe, 0x41])]))).toBe(true);
    expect(odd.meta.name.equals(Buffer.from([0xff, 0xfe, 0x41]))).toBe(true);
  });

  it('S3 sockets are kept as entries', async () => {
    const server = createServer().listen(join(top, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    const { entries, warnings } = await look(settings([join(top, 'socket')]));
    server.close();
    expect(entries.get(join(top, 'socket'))!.meta.type).toBe('socket');
    expect(warnings).toEqual([]);
  });

  it('S3 several paths are one tree, one inside another is not read twice, the directories on the way are real', async () => {
    const seen = await look(settings([join(nasty, 'A'), join(nasty, 'other'), join(nasty, 'A', 'x'), `${nasty}/./A/`]));
    expect(below(seen, nasty)).toEqual(['A', 'A/x', 'other', 'other/link-up', 'other/linked-3']);
    expect(seen.entries.get(nasty)!.meta.mtime).toEqual({ seconds: 1_115_269_505, nanos: 50_505_050 });
  });

  it('S3 a link on the way to a path is followed, a link that was asked for is kept as a link', async () => {
    mkdirSync(join(top, 'real/inside'), { recursive: true });
    symlinkSync('real', join(top, 'way'));
    const through = await look(settings([join(top, 'way/inside')]));
    expect(through.entries.get(join(top, 'way'))).toMatchObject({ kind: 'dir', meta: { type: 'dir' } });
    const itself = await look(settings([join(top, 'way')]));
    expect(itself.entries.get(join(top, 'way'))!.meta.type).toBe('symlink');
  });

  it('S3 a missing path is an error that names it', async () => {
    await expect(look(settings([join(top, 'absent')]))).rejects.toMatchObject({
      code: 'SOURCE_MISSING',
      message: expect.stringContaining('absent'),
    });
    await expect(look(settings([join(nasty, 'small', 'absent')]))).rejects.toMatchObject({ code: 'SOURCE_MISSING' });
    await expect(look(settings([]))).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('S3 what vanishes while the walk goes on is told and left out', async () => {
    const directory = join(top, 'vanish');
    mkdirSync(join(directory, 'b'), { recursive: true });
    for (const name of ['a', 'b/x', 'c', 'd']) writeFileSync(join(directory, name), name);
    const seen = await look(settings([directory]), [], (path) => {
      if (path.endsWith('/vanish/a')) rmSync(join(directory, 'c'));
      if (path.endsWith('/vanish/b')) rmSync(join(directory, 'b'), { recursive: true });
    });
    expect(below(seen, directory)).toEqual(['a', 'b', 'd']);
    expect(seen.warnings.map(({ item }) => item)).toEqual([join(directory, 'b'), join(directory, 'c')]);
  });

  it('S3 excludes: patterns, pattern files, what is brought back, and the agent’s own paths', async () => {
    const directory = join(top, 'excludes');
    for (const name of ['keep/a.o', 'keep/b.c', 'cache/x', 'logs/one.log', 'logs/keep.log', 'vault/data', 'tmp/deep/er/file'])
      mkdirSync(join(directory, name, '..'), { recursive: true });
    for (const name of ['keep/a.o', 'keep/b.c', 'cache/x', 'logs/one.log', 'logs/keep.log', 'vault/data', 'tmp/deep/er/file'])
      writeFileSync(join(directory, name), name);
    writeFileSync(join(top, 'patterns'), '# objects\n*.o\n\n  cache/  \n');
    const seen = await look(
      settings([directory], { excludes: ['*.log', '!keep.log', 'deep/**/file'], excludeFiles: [join(top, 'patterns')] }),
      [join(directory, 'vault')],
    );
    expect(below(seen, directory)).toEqual(['keep', 'keep/b.c', 'logs', 'logs/keep.log', 'tmp', 'tmp/deep', 'tmp/deep/er']);
    const source = await filesSource(settings([directory], { excludes: ['a'], excludeFiles: [join(top, 'patterns')] }), { warn: () => {} });
    expect(source.excludes).toEqual(['a', '*.o', 'cache/']);
  });

  it('S3 a path that is the agent’s own is told and left out; a backup of nothing else is refused', async () => {
    const directory = join(top, 'with-vault');
    for (const name of ['data', 'pool/vault']) mkdirSync(join(directory, name), { recursive: true });
    writeFileSync(join(directory, 'data/file'), '');
    writeFileSync(join(directory, 'pool/vault/config'), '');
    const own = [join(directory, 'pool')];
    const seen = await look(settings([join(directory, 'data'), join(directory, 'pool/vault')]), own);
    expect(below(seen, directory)).toEqual(['data', 'data/file']);
    expect(seen.warnings).toMatchObject([{ item: join(directory, 'pool/vault') }]);
    await expect(look(settings(own), own)).rejects.toMatchObject({ code: 'USAGE' });
  });

  it('S3 caches keep only their tag, and only a true tag makes a cache', async () => {
    const directory = join(top, 'caches');
    for (const name of ['true', 'false']) mkdirSync(join(directory, name), { recursive: true });
    writeFileSync(join(directory, 'true/CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55\n# more');
    writeFileSync(join(directory, 'false/CACHEDIR.TAG'), 'Signature: none');
    for (const name of ['true/x', 'false/x']) writeFileSync(join(directory, name), '');
    expect(below(await look(settings([directory], { excludeCaches: true })), directory)).toEqual([
      'false',
      'false/CACHEDIR.TAG',
      'false/x',
      'true',
      'true/CACHEDIR.TAG',
    ]);
    expect(below(await look(settings([directory])), directory)).toHaveLength(6);
  });

  it.runIf(isRoot)('S3 one file system: a mount point stays as an empty directory, unless it was asked for', async () => {
    const directory = join(top, 'mounts');
    mkdirSync(join(directory, 'point'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'none', join(directory, 'point')]);
    try {
      writeFileSync(join(directory, 'point/x'), '');
      expect(below(await look(settings([directory], { oneFileSystem: true })), directory)).toEqual(['point']);
      expect(below(await look(settings([directory])), directory)).toEqual(['point', 'point/x']);
      const both = settings([directory, join(directory, 'point')], { oneFileSystem: true });
      expect(below(await look(both), directory)).toEqual(['point', 'point/x']);
    } finally {
      execFileSync('umount', [join(directory, 'point')]);
    }
  });

  it('S3 reading leaves access times alone', async () => {
    const directory = join(top, 'atime');
    mkdirSync(directory);
    writeFileSync(join(directory, 'x'), '');
    utimesSync(directory, 1000, 2000);
    await look(settings([directory]));
    expect(statSync(directory).atimeMs).toBe(1_000_000);
  });

  it('S3 fifty thousand entries in one directory', async () => {
    const directory = join(top, 'many');
    mkdirSync(directory);
    for (let i = 0; i < 50_000; i++) writeFileSync(join(directory, `file-${i}`), '');
    expect(below(await look(settings([directory])), directory)).toHaveLength(50_000);
  });
});
