// Stock restic backs up a nasty directory; its trees, decoded and encoded by us, must be the same bytes. Debian 12's restic 0.14 is built
// with Go 1.19, which knows Unicode 13 and writes \b and \f in JSON strings long; names and targets with those are looked at apart.
import { createHash } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Node } from '../../src/model/node.ts';
import { isPrintable } from '../../src/repository/go-printable.ts';
import { jsonValue, quote } from '../../src/repository/go-text.ts';
import { decodeRecord, encodeRecord } from '../../src/repository/record.ts';
import { decodeTree, decodeTreeSync, treeEncoder } from '../../src/repository/tree.ts';
import { needPrograms, run } from '../beds/programs.ts';

const beds = mkdtempSync(join(tmpdir(), 'tree-bytes-'));
const source = join(beds, 'src');
const restic = (zone: string, ...args: readonly string[]): Promise<string> =>
  run('restic', args, {
    cwd: beds,
    timeout: 100_000,
    env: { RESTIC_REPOSITORY: join(beds, 'repo'), RESTIC_PASSWORD: 'test', RESTIC_CACHE_DIR: join(beds, 'cache'), TZ: zone },
  });
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function encodeTree(nodes: readonly Node[]): Buffer {
  const encoder = treeEncoder();
  return Buffer.concat([...nodes.map((node) => encoder.add(node)), encoder.end()]);
}

const put = (folder: string, name: Buffer): void => writeFileSync(Buffer.concat([Buffer.from(`${join(source, folder)}/`), name]), '');

const nastyNames: readonly Buffer[] = [
  ...['quote"', "apostrophe'", 'back\\slash', '\\x41', '\\ufffd', 'tab\t', 'line\nend', 'bell\x07\b\v\f\r\x1b', 'delete\x7f'].map((name) =>
    Buffer.from(name),
  ),
  ...['nbsp\u00a0', 'bom\ufeff', 'soft\u00ad', 'html<&>', 'sep\u2028\u2029', 'ideographic\u3000', 'zero\u200b', '\ufffd'].map((name) =>
    Buffer.from(name),
  ),
  ...['größe', '名前', 'emoji 😀👩‍🚀', 'e\u0301', 'private\ue000', 'tag\u{e0001}', 'last\u{10ffff}', ' ', '-', '~'].map((name) =>
    Buffer.from(name),
  ),
  ...['\xff\xfe', 'cut\xe2\x82', 'overlong\xc0\xaf', 'surrogate\xed\xa0\x80', 'beyond\xf4\x90\x80\x80', 'mixed\xc3\xa9\xc3'].map((name) =>
    Buffer.from(name, 'latin1'),
  ),
];

beforeAll(async () => {
  needPrograms(['restic', 'setfattr', 'touch', 'mkfifo'], 'restic attr coreutils');
  for (const folder of ['names', 'kinds', 'times', 'lossy', 'points', 'empty']) mkdirSync(join(source, folder), { recursive: true });
  for (const name of nastyNames) put('names', name);
  await makeKinds(join(source, 'kinds'));
  await makeTimes(join(source, 'times'));
  symlinkSync(Buffer.from('raw\xff\xe9', 'latin1'), join(source, 'lossy', 'link'));
  symlinkSync('feed\f\b', join(source, 'lossy', 'link2'));
  for (const [number, points] of pointGroups().entries())
    put('points', Buffer.from(`${String(number).padStart(5, '0')}-${String.fromCodePoint(...points)}`));
  await restic('UTC', 'init');
});

afterAll(() => rmSync(beds, { recursive: true, force: true }));

async function makeKinds(folder: string): Promise<void> {
  const path = (name: string): string => join(folder, name);
  symlinkSync('plain target', path('link'));
  symlinkSync('"\\<&>\n\u2028é\u00a0\ufffd\ufeff', path('link-odd'));
  writeFileSync(path('hard-1'), 'content');
  linkSync(path('hard-1'), path('hard-2'));
  await run('mkfifo', [path('fifo')]);
  writeFileSync(path('sparse'), '');
  truncateSync(path('sparse'), 3 * 1024 * 1024 + 5);
  for (const mode of [0, 0o644, 0o4755, 0o2711, 0o1600, 0o7777]) {
    writeFileSync(path(`mode-${mode.toString(8)}`), 'x');
    chmodSync(path(`mode-${mode.toString(8)}`), mode);
  }
  mkdirSync(path('sticky'));
  chmodSync(path('sticky'), 0o3777);
  writeFileSync(path('xattrs'), '');
  for (const [name, value] of [
    ['user.empty', '""'],
    ['user.<odd> "name"', '0xff00fe'],
    ['user.é', '"text"'],
  ] as const)
    await run('setfattr', ['-n', name, '-v', value, path('xattrs')]);
  await run('setfattr', ['-n', 'user.dir', '-v', '"1"', path('sticky')]);
  const server = createServer().listen(path('socket'));
  await new Promise((resolve) => server.once('listening', resolve));
  server.unref();
  if (process.getuid?.() !== 0) return;
  await run('mknod', [path('char'), 'c', '1', '3']);
  await run('mknod', [path('block'), 'b', '7', '300']);
  await run('chown', ['-h', '12345:54321', path('link')]);
}

async function makeTimes(folder: string): Promise<void> {
  const stamps = [
    '0',
    '0.000000001',
    '-1.5',
    '1700000000',
    '1700000000.1',
    '1700000000.120000',
    '1700000000.000001',
    '1721900000.5',
    '4102444800.999999999',
    '15032385535',
  ];
  for (const stamp of stamps) {
    writeFileSync(join(folder, `at ${stamp}`), '');
    await run('touch', ['-d', `@${stamp}`, join(folder, `at ${stamp}`)]);
  }
}

/** All code points of the planes where anything is assigned (but what no name can hold), sixty a name. */
function pointGroups(): number[][] {
  const groups: number[][] = [[]];
  for (let point = 1; point < 0xe1000; point++) {
    if (point === 0x2f || (point >= 0xd800 && point <= 0xdfff)) continue;
    if (point === 0x32800) point = 0xe0000;
    if (groups.at(-1)!.length === 60) groups.push([]);
    groups.at(-1)!.push(point);
  }
  return groups;
}

/** Backs `src` up in a time zone and gives the record's text and all trees by their paths. */
async function backup(
  zone: string,
  ...paths: readonly string[]
): Promise<{ record: string; id: string; trees: Map<string, { id: string; bytes: Buffer }> }> {
  const lines = await restic(zone, 'backup', '--json', '--force', '--tag', 'name=x', '--exclude', '*.<none>', ...paths);
  const { snapshot_id: id } = JSON.parse(lines.trim().split('\n').at(-1)!);
  const record = await restic(zone, 'cat', 'snapshot', id);
  const trees = new Map<string, { id: string; bytes: Buffer }>();
  const walk = async (tree: string, path: string): Promise<void> => {
    const bytes = Buffer.from(await restic(zone, 'cat', 'blob', tree));
    trees.set(path, { id: tree, bytes });
    for (const node of decodeTreeSync(bytes, tree)) if (node.subtree !== undefined) await walk(node.subtree, `${path}/${node.name}`);
  };
  await walk(JSON.parse(record).tree, '');
  return { record, id, trees };
}

test.each(['UTC', 'Asia/Kolkata', 'America/St_Johns'])(
  'P7 the trees of stock restic, read and written again, are the same bytes (%s)',
  async (zone) => {
    const { trees } = await backup(zone, 'src/names', 'src/kinds', 'src/times', 'src/empty');
    expect([...trees.keys()].sort()).toEqual(['', '/src', '/src/empty', '/src/kinds', '/src/kinds/sticky', '/src/names', '/src/times']);
    for (const [path, { id, bytes }] of trees) {
      const nodes = decodeTreeSync(bytes, id);
      const again = encodeTree(nodes);
      expect(again.toString(), path).toBe(bytes.toString());
      expect(sha256(again), path).toBe(id);
      expect(await Array.fromAsync(decodeTree([bytes], id))).toEqual(nodes);
    }
    const names = decodeTreeSync(trees.get('/src/names')!.bytes).map(({ name }) => name.toString('hex'));
    expect(names).toEqual(nastyNames.map((name) => name.toString('hex')).sort());
    expectKinds(decodeTreeSync(trees.get('/src/kinds')!.bytes));
    const times = new Map(decodeTreeSync(trees.get('/src/times')!.bytes).map(({ name, mtime }) => [name.toString(), mtime]));
    expect(times.get('at -1.5')).toMatchObject({ seconds: -2, nanos: 500_000_000 });
    expect(times.get('at 4102444800.999999999')).toMatchObject({ seconds: 4_102_444_800, nanos: 999_999_999 });
    expect(times.get('at 15032385535')).toMatchObject({ seconds: 15_032_385_535, nanos: 0 });
  },
);

function expectKinds(nodes: readonly Node[]): void {
  const kinds = new Map(nodes.map((node) => [node.name.toString(), node]));
  expect(kinds.get('link-odd')?.linkTarget?.toString()).toBe('"\\<&>\n\u2028é\u00a0\ufffd\ufeff');
  expect(kinds.get('hard-1')).toMatchObject({ links: 2n, size: 7, inode: kinds.get('hard-2')?.inode });
  expect(kinds.get('mode-7777')?.mode).toBe(0o7777);
  expect(kinds.get('mode-0')?.mode).toBe(0);
  expect(kinds.get('sticky')).toMatchObject({ type: 'dir', mode: 0o3777, xattrs: [{ name: 'user.dir', value: Buffer.from('1') }] });
  expect(kinds.get('fifo')?.type).toBe('fifo');
  expect(kinds.get('sparse')?.size).toBe(3 * 1024 * 1024 + 5);
  const attributes = kinds.get('xattrs')?.xattrs ?? [];
  expect(Object.fromEntries(attributes.map(({ name, value }) => [name, value.toString('latin1')]))).toEqual({
    'user.empty': '',
    'user.<odd> "name"': '\xff\0\xfe',
    'user.é': 'text',
  });
  if (process.getuid?.() !== 0) return;
  expect(kinds.get('char')).toMatchObject({ type: 'chardev', device: 259n });
  expect(kinds.get('block')?.type).toBe('dev');
  expect(kinds.get('link')).toMatchObject({ uid: 12345, gid: 54321, user: '', group: '' });
}

test('P7 a link target that restic 0.14 could not write comes back as it wrote it', async () => {
  const { trees } = await backup('UTC', 'src/lossy');
  const [raw, feed] = decodeTreeSync(trees.get('/src/lossy')!.bytes);
  expect(raw?.linkTarget).toEqual(Buffer.from('raw\ufffd\ufffd'));
  expect(feed?.linkTarget).toEqual(Buffer.from('feed\f\b'));
});

test('P7 our table of printable characters is that of the Go that built restic, and 5,318 newer characters', async () => {
  const { trees } = await backup('UTC', 'src/points');
  const { bytes } = trees.get('/src/points')!;
  const { nodes }: { nodes: { name: string }[] } = JSON.parse(bytes.toString());
  expect(nodes.length).toBe(pointGroups().length);
  let newer = 0;
  for (const [number, points] of pointGroups().entries()) {
    const theirs = nodes[number]!.name.slice('00000-'.length);
    const tokens = theirs.match(/\\(?:U[0-9a-f]{8}|u[0-9a-f]{4}|x[0-9a-f]{2}|.)|[^\\]/gu) ?? [];
    expect(tokens.length).toBe(points.length);
    for (const [place, point] of points.entries()) {
      const ours = quote(Buffer.from(String.fromCodePoint(point)));
      if (ours === tokens[place]) continue;
      expect(isPrintable(point) && /^\\[uU]/.test(tokens[place]!), `U+${point.toString(16)}: ${tokens[place]} but ${ours}`).toBe(true);
      newer++;
    }
  }
  // Graphic characters that Unicode 14.0 and 15.0 brought (DerivedAge.txt), format characters not counted.
  expect(newer).toBe(5318);
  const read = decodeTreeSync(bytes);
  const first = read.find(({ name }) => name.includes('\u{1fae8}'));
  expect(first?.name.subarray(6).toString()).toBe(String.fromCodePoint(...pointGroups()[read.indexOf(first!)]!));
});

test('P7 the record of stock restic, read and written again, is the same', async () => {
  const { record, id } = await backup('Asia/Kolkata', 'src/empty');
  const compact = jsonValue(JSON.parse(record));
  const read = decodeRecord(Buffer.from(compact), id);
  expect(encodeRecord(read).toString()).toBe(compact);
  expect(read).toMatchObject({ tags: ['name=x'], excludes: ['*.<none>'], paths: [join(beds, 'src/empty')] });
  expect(Math.abs(read.timeMs - Date.now())).toBeLessThan(60_000);
  expect(read.time).toMatch(/\+05:30$/);
});
