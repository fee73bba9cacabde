import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RestorableBackup, RestoreRun } from '../../src/ports/restorer.ts';
import type { Warning } from '../../src/ports/source.ts';
import type { RestoreCounts, RestoreStep } from '../../src/ports/target.ts';
import type { FilesTarget } from '../../src/sources/files/request.ts';
import { filesRestorer } from '../../src/sources/files/restorer.ts';
import { filesSource } from '../../src/sources/files/source.ts';
import { type MemoryVault, memoryVault } from '../beds/memory-vault.ts';
import { attributesOf, buildNastyTree, isRoot, rsyncDifferences } from '../beds/nasty-tree.ts';

const top = mkdtempSync(join(tmpdir(), 'files-target-'));
const nasty = join(top, 'nasty');
const marker = '.stillpoint-restore-incomplete';
beforeAll(() => buildNastyTree(nasty));
afterAll(() => rmSync(top, { recursive: true, force: true }));

let count = 0;
/** A new name below `top`. */
const fresh = () => join(top, `target-${count++}`);

interface Saved {
  readonly backup: RestorableBackup;
  readonly vault: MemoryVault;
}

async function save(...paths: string[]): Promise<Saved> {
  const vault = memoryVault();
  const source = await filesSource(
    { kind: 'files', paths, excludes: [], excludeFiles: [], oneFileSystem: false, excludeCaches: false },
    { warn: (warning) => expect.fail(warning.detail) },
  );
  const root = await vault.save(source);
  return { backup: { root, paths: source.paths, record: 'a-record', totalFiles: 0, totalBytes: 0, tags: {} }, vault };
}

interface Outcome {
  readonly counts: RestoreCounts;
  readonly warnings: readonly Warning[];
}

const defaults: FilesTarget = { kind: 'files', path: '/', include: [], overwrite: 'always', delete: false, verify: false };

function runOf({ backup, vault }: Saved, warnings: Warning[]): RestoreRun {
  return {
    backup,
    other: () => expect.fail('no other backup is needed'),
    reader: vault.reader,
    warn: (warning) => warnings.push(warning),
    signal: new AbortController().signal,
    onFile: () => {},
  };
}

async function restoreTo(
  path: string,
  saved: Saved,
  settings: Partial<FilesTarget> = {},
  more: Partial<RestoreRun> & { readonly guard?: readonly string[] } = {},
): Promise<Outcome> {
  const warnings: Warning[] = [];
  const restorer = filesRestorer({ ...defaults, path, ...settings }, more.guard ?? []);
  return { counts: await restorer.run({ ...runOf(saved, warnings), ...more }), warnings };
}

async function planFor(
  path: string,
  saved: Saved,
  settings: Partial<FilesTarget> = {},
  guard: readonly string[] = [],
): Promise<RestoreStep[]> {
  const warnings: Warning[] = [];
  const steps = await Array.fromAsync(filesRestorer({ ...defaults, path, ...settings }, guard).plan(runOf(saved, warnings)));
  expect(warnings).toEqual([]);
  return steps;
}

/** A small tree of files, each with its own name as content; names ending in "/" are directories. */
function tree(...names: string[]): string {
  const directory = fresh();
  mkdirSync(directory);
  for (const name of names) {
    mkdirSync(join(directory, name.endsWith('/') ? name : dirname(name)), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(join(directory, name), name);
  }
  return directory;
}

const text = (...path: string[]) => readFileSync(join(...path), 'utf8');

async function same(from: string, to: string): Promise<void> {
  expect(await rsyncDifferences(from, to)).toBe('');
  expect(await attributesOf(to)).toBe(await attributesOf(from));
}

describe('B8 files as a target', () => {
  it('B8 everything a file system holds comes back as it was', async () => {
    const target = fresh();
    const backup = await save(nasty);
    const above = statSync(top).mtimeMs;
    const { counts, warnings } = await restoreTo(target, backup, { verify: true });
    expect(warnings).toEqual([]);
    await same(nasty, join(target, nasty));
    expect(counts).toMatchObject({ skipped: 0, deleted: 0 });
    expect(lstatSync(join(target, nasty, 'hole-only')).blocks).toBe(0);
    expect(existsSync(join(target, marker))).toBe(false);
    expect(statSync(join(target, top)).mtimeMs).toBe(above);
  });

  it('B8 a target that differs in every way becomes equal, whatever was there', async () => {
    const target = fresh();
    const backup = await save(nasty);
    await restoreTo(target, backup);
    const at = (...parts: string[]) => join(target, nasty, ...parts);
    writeFileSync(at('small'), 'other');
    writeFileSync(at('large'), Buffer.alloc(4_000_000, 'x'));
    chmodSync(at('empty'), 0o777);
    rmSync(at('link'));
    mkdirSync(at('link'));
    rmSync(at('A.txt'));
    symlinkSync('/etc/passwd', at('A.txt'));
    execFileSync('setfattr', ['-n', 'user.foreign', '-v', 'x', at('A', 'x')]);
    execFileSync('setfacl', ['-m', 'u:999:r', at('ünï ☃')]);
    rmSync(at('other', 'linked-3'));
    writeFileSync(at('other', 'linked-3'), 'not linked');
    rmSync(at('fifo'));
    writeFileSync(at('extra'), 'kept without delete');
    writeFileSync(at('sparse'), Buffer.alloc(21 << 20, 'y'));
    const before = readFileSync('/etc/passwd');
    const { warnings } = await restoreTo(target, backup, { verify: true });
    expect(warnings).toEqual([]);
    expect(text(at('extra'))).toBe('kept without delete');
    rmSync(at('extra'));
    utimesSync(at(), 0, 0);
    await restoreTo(target, backup, { overwrite: 'if-changed' });
    await same(nasty, at());
    expect(readFileSync('/etc/passwd').equals(before)).toBe(true);
  });

  it('B8 if-changed writes nothing where size and time agree, and mends metadata', async () => {
    const target = fresh();
    const backup = await save(nasty);
    await restoreTo(target, backup);
    chmodSync(join(target, nasty, 'small'), 0o777);
    execFileSync('setfattr', ['-x', 'user.note', join(target, nasty, 'read-only')]);
    const inode = statSync(join(target, nasty, 'large')).ino;
    const { counts } = await restoreTo(target, backup, { overwrite: 'if-changed' });
    expect(counts).toMatchObject({ files: 0, others: 0, bytesWritten: 0 });
    expect(statSync(join(target, nasty, 'large')).ino).toBe(inode);
    await same(nasty, join(target, nasty));
  });

  it('B8 always writes only what differs into a large file', async () => {
    const source = tree();
    writeFileSync(join(source, 'big'), Buffer.alloc(3 << 20, 'a'));
    const target = fresh();
    const backup = await save(source);
    await restoreTo(target, backup);
    const copy = join(target, source, 'big');
    const inode = statSync(copy).ino;
    appendFileSync(copy, 'too long');
    execFileSync('dd', ['if=/dev/zero', `of=${copy}`, 'bs=1', 'count=1', 'seek=100000', 'conv=notrunc', 'status=none']);
    const { counts } = await restoreTo(target, backup);
    expect(counts.bytesWritten).toBe(64 * 1024);
    expect(statSync(copy).ino).toBe(inode);
    await same(source, join(target, source));
  });

  it('B8 never leaves what exists alone and adds what is missing', async () => {
    const source = tree('a', 'b', 'dir/c');
    const target = fresh();
    mkdirSync(join(target, source, 'dir'), { recursive: true });
    writeFileSync(join(target, source, 'a'), 'mine');
    symlinkSync('/nowhere', join(target, source, 'b'));
    const { counts, warnings } = await restoreTo(target, await save(source), { overwrite: 'never', verify: true });
    expect(warnings).toEqual([]);
    expect(counts).toMatchObject({ files: 1, skipped: 2 });
    expect(text(target, source, 'a')).toBe('mine');
    expect(readlinkSync(join(target, source, 'b'))).toBe('/nowhere');
    expect(text(target, source, 'dir/c')).toBe('dir/c');
  });

  it('B8 a symbolic link planted in the target leads nowhere', async () => {
    const source = tree('dir/file', 'dir/sub/deep', 'plain');
    const backup = await save(source);
    const outside = tree('dir/precious', 'dir/file', 'plain');
    for (const overwrite of ['always', 'if-changed', 'never'] as const) {
      const target = fresh();
      mkdirSync(join(target, source), { recursive: true });
      symlinkSync(join(outside, 'dir'), join(target, source, 'dir'));
      symlinkSync(join(outside, 'plain'), join(target, source, 'plain'));
      const { warnings } = await restoreTo(target, backup, { overwrite, delete: true });
      expect(readdirSync(join(outside, 'dir')).sort()).toEqual(['file', 'precious']);
      expect(text(outside, 'dir/file')).toBe('dir/file');
      expect(lstatSync(join(outside, 'plain')).size).toBe('plain'.length);
      if (overwrite === 'never') {
        expect(readlinkSync(join(target, source, 'dir'))).toBe(join(outside, 'dir'));
        expect(warnings).toHaveLength(1);
      } else await same(source, join(target, source));
    }
  });

  it('B8 a symbolic link above what is restored is not followed either', async () => {
    const source = tree('dir/file');
    const target = fresh();
    const outside = tree('x');
    mkdirSync(target);
    symlinkSync(outside, join(target, source.split('/')[1]!));
    const { warnings } = await restoreTo(target, await save(source), { include: [join(source, 'dir')] });
    expect(warnings).toHaveLength(1);
    expect(readdirSync(outside)).toEqual(['x']);
  });

  it('B8 delete removes what the backup does not know, only where the backup is complete', async () => {
    const source = tree('keep', 'dir/keep', 'dir/sub/keep');
    const backup = await save(source);
    const target = fresh();
    await restoreTo(target, backup);
    const at = (...parts: string[]) => join(target, source, ...parts);
    mkdirSync(at('dir/extra/deep'), { recursive: true });
    writeFileSync(at('dir/extra/deep/x'), '');
    symlinkSync('/etc', at('dir/link'));
    writeFileSync(at('.stillpoint-part.keep'), 'left by a killed run');
    writeFileSync(join(target, dirname(source), 'neighbour'), 'not part of the backup');
    const steps = await planFor(target, backup, { delete: true, overwrite: 'if-changed' });
    expect(
      steps
        .filter(({ action }) => action === 'delete')
        .map(({ path }) => path)
        .sort(),
    ).toEqual([at('.stillpoint-part.keep'), at('dir/extra'), at('dir/link')]);
    const { counts } = await restoreTo(target, backup, { delete: true, overwrite: 'if-changed' });
    expect(counts.deleted).toBe(5);
    expect(text(target, dirname(source), 'neighbour')).toBe('not part of the backup');
    await same(source, at());
    expect(existsSync('/etc/passwd')).toBe(true);
  });

  it('B8 delete spares guarded paths', async () => {
    const source = tree('keep');
    const backup = await save(source);
    for (const name of ['vault/data', 'home/agent/x', 'other/x']) {
      mkdirSync(join(source, dirname(name)), { recursive: true });
      writeFileSync(join(source, name), '');
    }
    const guard = [join(source, 'vault'), join(source, 'home/agent')];
    const steps = await planFor('/', backup, { include: [source], delete: true }, guard);
    expect(steps.filter(({ action }) => action === 'delete').map(({ path }) => path)).toEqual([join(source, 'other')]);
    await restoreTo('/', backup, { include: [source], delete: true }, { guard });
    expect(readdirSync(source).sort()).toEqual(['home', 'keep', 'vault']);
  });

  it.runIf(isRoot)('B8 delete touches no file system that is mounted in the target', async () => {
    const source = tree('keep', 'point/');
    const backup = await save(source);
    execFileSync('mount', ['-t', 'tmpfs', 'none', join(source, 'point')]);
    mkdirSync(join(source, 'new/point'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'none', join(source, 'new/point')]);
    try {
      writeFileSync(join(source, 'point/data'), 'precious');
      writeFileSync(join(source, 'new/point/data'), 'precious');
      const steps = await planFor('/', backup, { include: [source], delete: true });
      expect(steps.filter(({ action, path }) => action === 'delete' && path.includes('point/data'))).toEqual([]);
      const { warnings } = await restoreTo('/', backup, { include: [source], delete: true });
      expect(text(source, 'point/data')).toBe('precious');
      expect(text(source, 'new/point/data')).toBe('precious');
      expect(warnings.map(({ item }) => item)).toEqual([join(source, 'new')]);
    } finally {
      execFileSync('umount', [join(source, 'point')]);
      execFileSync('umount', [join(source, 'new/point')]);
    }
  });

  it('B8 in place: chosen paths come back, the directories above keep what they are', async () => {
    const source = tree('a/file', 'b/file', 'a/other');
    const backup = await save(source);
    rmSync(join(source, 'a'), { recursive: true });
    writeFileSync(join(source, 'b/file'), 'changed meanwhile');
    utimesSync(source, 5, 5);
    const { counts, warnings } = await restoreTo('/', backup, { include: [join(source, 'a/file')] });
    expect(warnings).toEqual([]);
    expect(counts).toMatchObject({ files: 1 });
    expect(text(source, 'a/file')).toBe('a/file');
    expect(existsSync(join(source, 'a/other'))).toBe(false);
    expect(text(source, 'b/file')).toBe('changed meanwhile');
    await restoreTo('/', backup);
    expect(text(source, 'b/file')).toBe('b/file');
    expect(readdirSync(join(source, 'a')).sort()).toEqual(['file', 'other']);
    const elsewhere = fresh();
    await restoreTo(elsewhere, backup);
    await same(join(elsewhere, source), source);
  });

  it.runIf(isRoot)('B8 in place: a link of the system on the way is followed, one that others could plant is not', async () => {
    const place = fresh();
    mkdirSync(join(place, 'real/inside'), { recursive: true });
    symlinkSync('real', join(place, 'way'));
    writeFileSync(join(place, 'way/inside/file'), 'through');
    const backup = await save(join(place, 'way/inside'));
    rmSync(join(place, 'real/inside/file'));
    expect((await restoreTo('/', backup)).warnings).toEqual([]);
    expect(text(place, 'real/inside/file')).toBe('through');
    rmSync(join(place, 'real/inside/file'));
    chmodSync(place, 0o777);
    expect((await restoreTo('/', backup)).warnings).toHaveLength(1);
    expect(existsSync(join(place, 'real/inside/file'))).toBe(false);
    expect(readlinkSync(join(place, 'way'))).toBe('real');
  });

  it('B8 an included path that the backup does not hold is refused before anything is written', async () => {
    const target = fresh();
    const backup = await save(nasty);
    for (const include of ['/absent', join(nasty, 'small/below'), join(nasty, 'smal')]) {
      await expect(restoreTo(target, backup, { include: [include] })).rejects.toMatchObject({ code: 'TARGET_PATH_UNKNOWN' });
    }
    expect(existsSync(target)).toBe(false);
  });

  it('B8 a run that was cancelled leaves a marker and goes on where it stopped', async () => {
    const source = tree(...Array.from({ length: 300 }, (_, i) => `d${i % 7}/file-${i}`));
    const backup = await save(source);
    const target = fresh();
    const controller = new AbortController();
    const onFile = (files: number) => files >= 100 && controller.abort();
    await expect(restoreTo(target, backup, {}, { onFile, signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect(JSON.parse(text(target, marker))).toMatchObject({ record: 'a-record', started: expect.stringMatching(/^\d{4}-/) });
    const first = backup.vault.created.length;
    expect(first).toBeGreaterThanOrEqual(100);
    expect(first).toBeLessThan(300);
    const { counts } = await restoreTo(target, backup, { overwrite: 'if-changed', verify: true });
    expect(counts.skipped).toBe(first);
    expect(backup.vault.created.length).toBe(300);
    expect(existsSync(join(target, marker))).toBe(false);
    await same(source, join(target, source));
  });

  it('B8 killed at any file: what was there is whole or replaced, a marker tells, and the next run ends well', async () => {
    const names = ['a', 'd/b', 'd/e/c', 'd/e/linked', 'f', 'g'];
    const source = tree(...names);
    linkSync(join(source, 'd/e/linked'), join(source, 'd/other-name'));
    const program = join(import.meta.dirname, '../beds/restore-and-die.ts');
    const restoreAndDie = (target: string, dieAt: number, overwrite: string) =>
      spawnSync(process.execPath, [program, source, target, String(dieAt), overwrite], { encoding: 'utf8' });
    for (let dieAt = 1; dieAt <= names.length; dieAt++) {
      const target = fresh();
      for (const name of names.slice(1)) {
        mkdirSync(join(target, source, dirname(name)), { recursive: true });
        writeFileSync(join(target, source, name), `old ${name}`);
      }
      expect(restoreAndDie(target, dieAt, 'always').signal).toBe('SIGKILL');
      expect(JSON.parse(text(target, marker)).record).toBe('a-record');
      for (const name of names.slice(1)) expect([name, `old ${name}`]).toContain(text(target, source, name));
      expect(restoreAndDie(target, 0, 'if-changed')).toMatchObject({ status: 0, stdout: '', stderr: '' });
      expect(existsSync(join(target, marker))).toBe(false);
      await same(source, join(target, source));
    }
  });

  it('B8 a file that fails is told and the others are restored; the old one stays', async () => {
    const source = tree('a', 'b', 'c');
    const backup = await save(source);
    const target = fresh();
    await restoreTo(target, backup);
    writeFileSync(join(target, source, 'b'), 'older');
    backup.vault.beforeWrite = ({ open }) => {
      if (open.kind === 'create' && open.name.toString().endsWith('b')) throw Object.assign(new Error('EIO: broken disk'), { code: 'EIO' });
    };
    const { counts, warnings } = await restoreTo(target, backup);
    expect(counts.files).toBe(2);
    expect(warnings).toEqual([{ item: join(target, source, 'b'), detail: 'EIO: broken disk' }]);
    expect(text(target, source, 'b')).toBe('older');
    expect(readdirSync(join(target, source)).sort()).toEqual(['a', 'b', 'c']);
    expect(existsSync(join(target, marker))).toBe(true);
  });

  it('B8 a full file system ends the restore with TARGET_FULL', async () => {
    const backup = await save(tree('a', 'b'));
    backup.vault.beforeWrite = () => {
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    };
    await expect(restoreTo(fresh(), backup)).rejects.toMatchObject({ code: 'TARGET_FULL', exit: 7 });
  });

  it('B8 verify finds a file that is not what the backup holds', async () => {
    const source = tree('a', 'dir/b', 'dir/c');
    const backup = await save(source);
    const target = fresh();
    await restoreTo(target, backup);
    const { atime, mtime } = statSync(join(target, source, 'dir/b'));
    writeFileSync(join(target, source, 'dir/b'), 'DIR/B');
    utimesSync(join(target, source, 'dir/b'), atime, mtime);
    execFileSync('touch', ['-r', join(source, 'dir/b'), join(target, source, 'dir/b')]);
    const warnings: Warning[] = [];
    await expect(
      restoreTo(target, backup, { overwrite: 'if-changed', verify: true }, { warn: (warning) => warnings.push(warning) }),
    ).rejects.toMatchObject({ code: 'TARGET_VERIFY', message: '1 restored files differ from the backup' });
    expect(warnings.map(({ item }) => item)).toEqual([join(target, source, 'dir/b')]);
  });

  it('B8 damaged parts of a backup cost only themselves', async () => {
    const source = tree('a', 'bad/x', 'good/y', 'z');
    const backup = await save(source);
    for (const nodes of backup.vault.trees.values())
      for (const node of nodes) {
        if (node.name.toString() === 'bad') backup.vault.trees.delete(node.subtree!);
        if (node.name.toString() === 'z') backup.vault.blobs.delete(node.content![0]!);
      }
    const target = fresh();
    const { warnings } = await restoreTo(target, backup, { delete: true, verify: true });
    expect(warnings).toHaveLength(2);
    expect(text(target, source, 'good/y')).toBe('good/y');
    expect(text(target, source, 'a')).toBe('a');
  });

  it('B8 names that could lead out of the target are refused', async () => {
    const source = tree('dir/file');
    const backup = await save(source);
    for (const nodes of backup.vault.trees.values())
      for (const [at, node] of nodes.entries())
        if (node.name.toString() === 'file') {
          const evil = (name: string) => ({ ...node, name: Buffer.from(name) });
          nodes.splice(at, 1, evil('..'), evil('.'), evil('../../escaped'), evil('a\0b'), evil(''), node);
          break;
        }
    const target = fresh();
    const { warnings, counts } = await restoreTo(target, backup, { verify: true });
    expect(warnings).toHaveLength(5);
    expect(counts.files).toBe(1);
    expect(readdirSync(join(target, source, 'dir'))).toEqual(['file']);
  });

  it('B8 a dry run tells each step and writes nothing', async () => {
    const source = tree('new', 'changed', 'equal', 'typed/', 'multi');
    linkSync(join(source, 'multi'), join(source, 'multi-2'));
    const backup = await save(source);
    const target = fresh();
    expect((await planFor(target, backup)).every(({ action }) => action === 'create')).toBe(true);
    expect(existsSync(target)).toBe(false);
    await restoreTo(target, backup);
    const at = (...parts: string[]) => join(target, source, ...parts);
    rmSync(at('new'));
    appendFileSync(at('changed'), '!');
    renameSync(at('typed'), at('moved'));
    writeFileSync(at('typed'), '');
    const before = execFileSync('find', [target, '-printf', '%p %T@ %C@ %i\n'], { encoding: 'utf8' });
    const steps = await planFor(target, backup, { overwrite: 'if-changed', delete: true });
    expect(execFileSync('find', [target, '-printf', '%p %T@ %C@ %i\n'], { encoding: 'utf8' })).toBe(before);
    const action = (name: string) => steps.find(({ path }) => path === at(name))?.action;
    expect(['new', 'changed', 'equal', 'typed', 'multi', 'moved'].map(action)).toEqual([
      'create',
      'update',
      'keep',
      'replace',
      'keep',
      'delete',
    ]);
    expect(steps.find(({ path }) => path === at('new'))?.bytes).toBe(3);
  });

  it('B8 more directories than may be open at a time', async () => {
    const source = tree(...Array.from({ length: 2500 }, (_, i) => `d${i}/file`));
    const target = fresh();
    const { counts, warnings } = await restoreTo(target, await save(source));
    expect(warnings).toEqual([]);
    expect(counts.files).toBe(2500);
    expect(readdirSync('/proc/self/fd').length).toBeLessThan(200);
    expect(await rsyncDifferences(source, join(target, source))).toBe('');
  });
});
