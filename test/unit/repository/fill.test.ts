// The worker's half of a restore, on a real file system.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { close } from '../../../src/base/libc.ts';
import { openDirectory } from '../../../src/base/libc-dir.ts';
import { listXattrs } from '../../../src/base/libc-xattr.ts';
import { blobIndex, createSharedIndex } from '../../../src/repository/blob-index.ts';
import { fillFiles } from '../../../src/repository/fill.ts';
import { type FileToFill, flatFiles } from '../../../src/repository/fill-files.ts';
import { loadPlan } from '../../../src/repository/load-plan.ts';

const time = { seconds: -5, nanos: 999_999_999 };
const meta = {
  uid: process.getuid!(),
  gid: process.getgid!(),
  mode: 0o640,
  atime: time,
  mtime: { seconds: 2 ** 33, nanos: 1 },
  xattrs: [],
};

describe('filling files', () => {
  let folder: string;
  let opened: number[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fill-'));
    opened = [];
  });
  afterEach(() => {
    opened.forEach(close);
    rmSync(folder, { recursive: true, force: true });
  });

  const directory = (name: string): number => {
    mkdirSync(join(folder, name));
    const fd = openDirectory(-100, join(folder, name));
    opened.push(fd);
    return fd;
  };

  /** One block for all: they get the same bytes, at their start. */
  const fill = (files: readonly FileToFill[], content: Buffer) =>
    fillFiles(
      flatFiles(files),
      {
        ids: new Uint8Array(32),
        offsets: Uint32Array.of(0),
        lengths: Uint32Array.of(content.length),
        plainLengths: Uint32Array.of(0),
        writeEnds: Uint32Array.of(files.length),
        files: Uint32Array.from(files, (_, i) => i),
        positions: new Float64Array(files.length),
      },
      () => content,
    );

  it('B8 a new file has what was backed up and nothing that its directory hands down', () => {
    const plain = directory('plain');
    const generous = directory('generous');
    execFileSync('setfacl', ['-m', 'd:u:1234:rwx', join(folder, 'generous')]);
    const create = (dirfd: number, name: string, more: Partial<FileToFill['meta'] & object> = {}): FileToFill => ({
      open: { kind: 'create', dirfd, name: Buffer.from(name) },
      size: 7,
      compare: false,
      meta: { ...meta, ...more },
    });
    const note = [{ name: 'user.note', value: Buffer.from('x') }];
    const files = [
      create(plain, 'ä'),
      create(generous, 'b'),
      create(plain, 'noted', { xattrs: note }),
      create(generous, 'noted', { xattrs: note }),
      create(plain, 'ä'),
    ];
    const { outcomes, bytes } = fill(files, Buffer.from('content'));
    expect(outcomes.warnings).toEqual([]);
    expect(outcomes.errors).toEqual([[4, { message: expect.stringContaining('EEXIST'), code: 'EEXIST' }]]);
    expect([...outcomes.written]).toEqual([7, 7, 7, 7, 0]);
    expect(bytes).toBe(28);
    for (const [path, attributes] of [
      ['plain/ä', []],
      ['generous/b', []],
      ['plain/noted', ['user.note']],
      ['generous/noted', ['user.note']],
    ] as const) {
      const at = join(folder, path);
      const stat = statSync(at, { bigint: true });
      expect(readFileSync(at, 'utf8'), path).toBe('content');
      expect(listXattrs(at), path).toEqual(attributes);
      expect([stat.mode & 0o7777n, stat.atimeNs, stat.mtimeNs]).toEqual([0o640n, -4_000_000_001n, 2n ** 33n * 1_000_000_000n + 1n]);
    }
  });

  it('B8 blocks that lie together are loaded once, in one range, for all files that want them', () => {
    const index = blobIndex(createSharedIndex(16));
    const add = (fill: number, pack: number, offset: number, length: number) =>
      index.add(Buffer.alloc(32, fill), false, { pack, offset, length, plainLength: 0 });
    const [a, b, far, other] = [add(1, 0, 0, 100), add(2, 0, 100, 50), add(3, 0, 1 << 20, 10), add(4, 1, 0, 10)];
    const ranges = loadPlan(index, ['first', 'second'], {
      entries: [b, other, a, b, far],
      targets: ['x', 'x', 'x', 'y', 'y'],
      positions: [100, 150, 0, 7, 57],
      bare: ['empty'],
    });
    expect(ranges.map(({ pack, offset, length, files }) => ({ pack, offset, length, files }))).toEqual([
      { pack: '', offset: 0, length: 0, files: ['empty'] },
      { pack: 'first', offset: 0, length: 150, files: ['x', 'y'] },
      { pack: 'first', offset: 1 << 20, length: 10, files: ['y'] },
      { pack: 'second', offset: 0, length: 10, files: ['x'] },
    ]);
    const { blobs } = ranges[1]!;
    expect([...blobs.ids]).toEqual([...Buffer.alloc(32, 1), ...Buffer.alloc(32, 2)]);
    expect([[...blobs.offsets], [...blobs.lengths], [...blobs.writeEnds]]).toEqual([
      [0, 100],
      [100, 50],
      [1, 3],
    ]);
    expect([[...blobs.files], [...blobs.positions]]).toEqual([
      [0, 0, 1],
      [0, 100, 7],
    ]);
  });
});
