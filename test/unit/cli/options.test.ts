import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fail } from '../../../src/base/errors.ts';
import { matching } from '../../../src/cli/commands/recover.ts';
import { readKeyFile, readTextFile, reserveKeyFile } from '../../../src/cli/files.ts';
import { wantsJson } from '../../../src/cli/main.ts';
import { destroys, targetFrom } from '../../../src/cli/restore-options.ts';
import { type SourceOptions, sourceFrom } from '../../../src/cli/source-options.ts';
import type { Asking } from '../../../src/cli/sources/kind.ts';

const folder = mkdtempSync(join(tmpdir(), 'stillpoint-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));
const usage = { code: 'USAGE_ARGUMENT', exit: 2 };
const thrown = async (run: () => unknown): Promise<unknown> => {
  try {
    await run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};
const asking: Asking = {
  wrong: (detail) => fail('USAGE_ARGUMENT', { detail, help: 'help' }),
  password: async ({ passwordFile }) => passwordFile && 'from a file',
  credentials: async () => ({ accessKey: 'a', secretKey: 's' }),
};

describe('B8 sources on the command line', () => {
  const source = (options: SourceOptions, words: string[] = [], before?: Parameters<typeof sourceFrom>[3]) =>
    sourceFrom(options, words, asking, before);

  it('B8 makes files, disk and command sources', async () => {
    expect(await source({ source: 'files', path: ['/etc'], exclude: ['*.tmp'], oneFileSystem: true })).toEqual({
      kind: 'files',
      paths: ['/etc'],
      excludes: ['*.tmp'],
      oneFileSystem: true,
    });
    expect(await source({ source: 'disk', path: ['/dev/vdb', '/dev/vdc'] })).toEqual({ kind: 'disk', paths: ['/dev/vdb', '/dev/vdc'] });
    expect(await source({ argv: true, fileName: 'a.sql', minBytes: 10 }, ['pg_dump', '--format', 'x y'])).toEqual({
      kind: 'command',
      argv: ['pg_dump', '--format', 'x y'],
      fileName: 'a.sql',
      minBytes: 10,
    });
    expect(await source({ shell: 'a | b', expectTail: 'done$' })).toEqual({ kind: 'command', shell: 'a | b', expectTail: 'done$' });
  });

  it('B8 refuses what does not belong together', async () => {
    const wrong = [
      () => source({}),
      () => source({ source: 'files' }),
      () => source({ source: 'files', path: ['/etc'], minBytes: 1 }),
      () => source({ source: 'files', path: ['/etc'] }, ['stray']),
      () => source({ source: 'disk', path: ['/dev/vdb'], exclude: ['x'] }),
      () => source({ source: 'command' }),
      () => source({ source: 'command', argv: true }),
      () => source({ source: 'command', shell: 'x' }, ['y']),
      () => source({ source: 'command', path: ['/x'], shell: 'x' }),
      () => source({ shell: 'x', expectTail: '(' }),
      () => source({ shell: 'x', fileName: '../x' }),
    ];
    for (const run of wrong) expect(await thrown(run), String(run)).toMatchObject(usage);
  });

  it('B8 keeps on update what is not named', async () => {
    const files = { kind: 'files' as const, paths: ['/a'], excludes: ['x'], excludeFiles: [], oneFileSystem: true, excludeCaches: false };
    expect(await source({ path: ['/b'] }, [], files)).toEqual({ ...files, paths: ['/b'] });
    expect(await source({ minBytes: 5 }, [], { kind: 'command', argv: ['a'], fileName: 'f', minBytes: 0 })).toEqual({
      kind: 'command',
      argv: ['a'],
      fileName: 'f',
      minBytes: 5,
    });
    expect(await source({}, ['b'], { kind: 'command', shell: 'old', fileName: 'f', minBytes: 0 })).toEqual({
      kind: 'command',
      argv: ['b'],
      fileName: 'f',
      minBytes: 0,
    });
  });
});

describe('B8 targets on the command line', () => {
  const files = { source: 'files', paths: ['/etc'] };
  const disks = { source: 'disk', paths: ['/dev/vdb', '/dev/vdc'] };
  const disk = { source: 'disk', paths: ['/dev/vdb'] };
  const output = { source: 'command', paths: [] };
  const target = (options: Parameters<typeof targetFrom>[0], backup: Parameters<typeof targetFrom>[2], words: string[] = []) =>
    targetFrom(options, words, backup, asking);

  it('B8 makes a target for each kind of backup', async () => {
    expect(await target({ target: '/t', include: ['/etc/x'], overwrite: 'never', delete: true }, files)).toEqual({
      kind: 'files',
      path: '/t',
      include: ['/etc/x'],
      overwrite: 'never',
      delete: true,
    });
    expect(await target({ inPlace: true }, files)).toEqual({ kind: 'files', path: '/' });
    expect(await target({ target: '/dev/vdd', verify: true }, disk)).toEqual({
      kind: 'disk',
      map: { '/dev/vdb': '/dev/vdd' },
      verify: true,
    });
    expect(await target({ inPlace: true }, disks)).toEqual({ kind: 'disk', map: { '/dev/vdb': '/dev/vdb', '/dev/vdc': '/dev/vdc' } });
    expect(await target({ map: { '/dev/vdc': '/x' } }, disks)).toEqual({ kind: 'disk', map: { '/dev/vdc': '/x' } });
    expect(await target({ loadArgv: true }, output, ['mysql', 'app'])).toEqual({ kind: 'command', argv: ['mysql', 'app'] });
    expect(await target({ loadShell: 'cat > x' }, output)).toEqual({ kind: 'command', shell: 'cat > x' });
    expect(await target({ target: '/t' }, output)).toEqual({ kind: 'files', path: '/t' });
  });

  it('B8 refuses a target that does not fit the backup', async () => {
    const wrong = [
      () => target({}, files),
      () => target({ target: '/t', inPlace: true }, files),
      () => target({ target: '/t' }, files, ['stray']),
      () => target({ map: { '/etc': '/x' } }, files),
      () => target({ loadShell: 'x' }, files),
      () => target({ target: '/x' }, disks),
      () => target({ target: '/x', include: ['/y'] }, disk),
      () => target({ map: { '/dev/vdz': '/x' } }, disks),
      () => target({ inPlace: true }, output),
      () => target({ loadArgv: true }, output),
      () => target({ loadArgv: true, loadShell: 'x' }, output, ['y']),
    ];
    for (const run of wrong) expect(await thrown(run), String(run)).toMatchObject(usage);
  });

  it('B8 knows what would be destroyed', async () => {
    const full = join(folder, 'full');
    const empty = join(folder, 'empty');
    mkdirSync(full);
    mkdirSync(empty);
    writeFileSync(join(full, 'x'), '');
    expect(destroys({ kind: 'files', path: join(folder, 'new') })).toBeUndefined();
    expect(destroys({ kind: 'files', path: empty })).toBeUndefined();
    expect(destroys({ kind: 'files', path: full, overwrite: 'never' })).toBeUndefined();
    expect(destroys({ kind: 'files', path: full })).toContain('overwritten');
    expect(destroys({ kind: 'files', path: full, overwrite: 'never', delete: true })).toContain('deleted');
    expect(destroys({ kind: 'files', path: '/' })).toContain('old place');
    expect(destroys({ kind: 'disk', map: { '/dev/vdb': join(folder, 'new.img') } })).toBeUndefined();
    expect(destroys({ kind: 'disk', map: { '/dev/vdb': join(full, 'x') } })).toContain(join(full, 'x'));
    expect(destroys({ kind: 'command', argv: ['mysql', 'app'] })).toContain('mysql app');
  });
});

describe('S10 recovery key files', () => {
  it('S10 writes a new key only into a new file that nobody else may read', async () => {
    const path = join(folder, 'a.key');
    const before = process.umask(0);
    const file = reserveKeyFile(path);
    process.umask(before);
    file.keep('KEY-1');
    expect(readFileSync(path, 'utf8')).toBe('KEY-1\n');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await thrown(() => reserveKeyFile(path))).toMatchObject({ code: 'FILE_EXISTS' });
    expect(readFileSync(path, 'utf8')).toBe('KEY-1\n');
    expect(await thrown(() => reserveKeyFile(join(folder, 'no/such/x')))).toMatchObject({ code: 'FILE_UNWRITABLE' });
  });

  it('S10 takes the file away again if there is no key after all', async () => {
    const path = join(folder, 'b.key');
    reserveKeyFile(path).drop();
    expect(existsSync(path)).toBe(false);
  });

  it('S10 reads the first line, and says what is wrong with a file', async () => {
    const path = join(folder, 'c.key');
    writeFileSync(path, '  KEY-2 \r\nrest');
    expect(readKeyFile(path)).toBe('KEY-2');
    writeFileSync(path, '\n');
    expect(await thrown(() => readKeyFile(path))).toMatchObject({ code: 'KEY_FILE_EMPTY' });
    expect(await thrown(() => readKeyFile(join(folder, 'none')))).toMatchObject({ code: 'FILE_MISSING', exit: 4 });
    expect(await thrown(() => readTextFile(folder))).toMatchObject({ code: 'FILE_UNREADABLE' });
    writeFileSync(path, Buffer.from([0xff, 0xfe]));
    expect(await thrown(() => readTextFile(path))).toMatchObject({ code: 'FILE_UNREADABLE' });
  });
});

describe('S10 recover', () => {
  const record = (id: string, time: number, name?: string) => ({
    id,
    time,
    hostname: 'h',
    username: 'u',
    paths: [],
    tree: '',
    rawTags: [],
    tags: name ? { name } : {},
  });
  const all = [record('abcd2', 2), record('abcd1', 1, 'first')];

  it('S10 finds a backup by latest, beginning or name', async () => {
    expect(matching(all, 'latest').id).toBe('abcd2');
    expect(matching(all, 'abcd1').id).toBe('abcd1');
    expect(matching(all, 'first').id).toBe('abcd1');
    expect(await thrown(() => matching(all, 'abcd'))).toMatchObject({ code: 'AMBIGUOUS_ID' });
    expect(await thrown(() => matching(all, 'x'))).toMatchObject({ code: 'NOT_FOUND' });
    expect(await thrown(() => matching([], 'latest'))).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('M8 takes --json for itself only before --', async () => {
    expect(wantsJson(['plan', 'create', '--json'])).toBe(true);
    expect(wantsJson(['plan', 'create', 'x', '--argv', '--', 'tool', '--json'])).toBe(false);
  });
});
