import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Node } from '../../../src/model/node.ts';
import { decodeTree, decodeTreeSync, encodeNode, treeEncoder } from '../../../src/repository/tree.ts';

const id = (digit: string): string => digit.repeat(64);
const at = (seconds: number, nanos = 0) => ({ seconds, nanos });

const file: Node = {
  name: Buffer.from('a'),
  type: 'file',
  mode: 0o644,
  mtime: at(1_700_000_000, 120_000_000),
  atime: at(1_700_000_000, 120_000_000),
  ctime: at(0),
  uid: 0,
  gid: 0,
  user: '',
  group: '',
  inode: 0n,
  deviceId: 0n,
  links: 0n,
  size: 0,
  xattrs: [],
  content: [],
};
const { content: _none, ...meta } = file;

function encodeTree(nodes: readonly Node[]): Buffer {
  const encoder = treeEncoder();
  return Buffer.concat([...nodes.map((node) => encoder.add(node)), encoder.end()]);
}

/** A tree with this JSON as its one node. */
const wrap = (...nodes: readonly string[]): Buffer => Buffer.from(`{"nodes":[${nodes.join(',')}]}\n`);
const times = '"mtime":"2023-11-14T22:13:20Z","atime":"2023-11-14T22:13:20Z","ctime":"2023-11-14T22:13:20Z"';

test('P7 a node with everything has the keys of restic in their order', () => {
  const node: Node = {
    ...file,
    name: Buffer.from('ü"\xff', 'latin1'),
    mode: 0o6755,
    uid: 1000,
    gid: 100,
    user: 'a&b',
    group: 'users',
    inode: 2n ** 63n + 1n,
    deviceId: 65024n,
    size: 4097,
    links: 2n,
    xattrs: [
      { name: 'user.<x>', value: Buffer.of(0xff, 0) },
      { name: 'user.empty', value: Buffer.alloc(0) },
    ],
    genericAttributes: '{"windows.creation_time":"AAE="}',
    content: [id('a'), id('b')],
    error: 'old',
  };
  const json =
    '{"name":"\\\\xfc\\\\\\"\\\\xff","type":"file","mode":12583405,"mtime":"2023-11-14T22:13:20.12Z","atime":"2023-11-14T22:13:20.12Z",' +
    '"ctime":"1970-01-01T00:00:00Z","uid":1000,"gid":100,"user":"a\\u0026b","group":"users","inode":9223372036854775809,"device_id":65024,' +
    '"size":4097,"links":2,"extended_attributes":[{"name":"user.\\u003cx\\u003e","value":"/wA="},{"name":"user.empty","value":""}],' +
    `"generic_attributes":{"windows.creation_time":"AAE="},"content":["${id('a')}","${id('b')}"],"error":"old"}`;
  expect(encodeNode(node).toString()).toBe(json);
  expect(decodeTreeSync(wrap(json))).toEqual([node]);
});

test('P7 zeros are left out, content never is', () => {
  const empty = encodeNode({ ...file, mode: 0 }).toString();
  expect(empty).toBe(
    '{"name":"a","type":"file","mtime":"2023-11-14T22:13:20.12Z","atime":"2023-11-14T22:13:20.12Z","ctime":"1970-01-01T00:00:00Z","uid":0,"gid":0,"content":[]}',
  );
  const dir = encodeNode({ ...meta, type: 'dir', mode: 0o755, subtree: id('c') }).toString();
  expect(dir).toContain('"mode":2147484141,');
  expect(dir.endsWith(`"content":null,"subtree":"${id('c')}"}`)).toBe(true);
});

// Go's FileMode, from the bits in io/fs: setuid 1<<23, setgid 1<<22, sticky 1<<20.
test.each([
  ['symlink', 0o777, 134218239],
  ['dev', 0o660, 67109296],
  ['chardev', 0o660, 69206448],
  ['fifo', 0o644, 33554852],
  ['socket', 0o755, 16777709],
  ['dir', 0o1777, 2148532735],
  ['dir', 0o7777, 2161115647],
] as const)('P7 mode of a %s with %o is %d and back', (type, mode, goMode) => {
  const extra =
    type === 'dir'
      ? { subtree: id('1') }
      : type === 'symlink'
        ? { linkTarget: Buffer.from('t') }
        : type.endsWith('dev')
          ? { device: 259n }
          : {};
  const node: Node = { ...meta, type, mode, ...extra };
  const json = encodeNode(node).toString();
  expect(json).toContain(`"mode":${goMode},`);
  expect(decodeTreeSync(wrap(json))).toEqual([node]);
});

test.each([
  [at(-1, 999_999_999), '1969-12-31T23:59:59.999999999Z'],
  [at(951_782_400, 1), '2000-02-29T00:00:00.000000001Z'],
  [at(15_032_385_535, 999_000_000), '2446-05-10T22:38:55.999Z'],
  [at(-62_135_596_800), '0001-01-01T00:00:00Z'],
  [at(253_402_300_799), '9999-12-31T23:59:59Z'],
  [{ seconds: 1_700_000_000, nanos: 5_000, offset: 330 }, '2023-11-15T03:43:20.000005+05:30'],
  [{ seconds: 1_700_000_000, nanos: 0, offset: -210 }, '2023-11-14T18:43:20-03:30'],
])('P7 the time %j is %s and back', (mtime, text) => {
  const json = encodeNode({ ...file, mtime }).toString();
  expect(json).toContain(`"mtime":"${text}"`);
  expect(decodeTreeSync(wrap(json))[0]?.mtime).toEqual(mtime);
});

test('P7 times beyond the years 0 to 9999 are held there, as restic does', () => {
  const years = (seconds: number): string => JSON.parse(encodeNode({ ...file, mtime: at(seconds) }).toString()).mtime;
  expect(years(253_402_300_800)).toBe('9999-01-01T00:00:00Z');
  expect(years(2 ** 53)).toMatch(/^9999-/);
  expect(years(-62_167_219_201)).toBe('0000-12-31T23:59:59Z');
  // 29 February of 10000; there is none in 9999.
  expect(years(253_407_484_800)).toBe('9999-03-01T00:00:00Z');
});

test('P7 the calendar agrees with that of JavaScript on every day of 1200 years', () => {
  for (let day = -300_000; day < 140_000; day++) {
    const text = new Date(day * 86_400_000).toISOString().replace('.000', '');
    if (!text.startsWith('-') && !encodeNode({ ...file, ctime: at(day * 86_400) }).includes(`"ctime":"${text}"`)) expect.fail(text);
  }
});

test('P7 a link target that is no UTF-8 is kept raw beside the readable form', () => {
  const node: Node = { ...meta, type: 'symlink', mode: 0o777, linkTarget: Buffer.from('t\xff\\ufffd', 'latin1') };
  const json = encodeNode(node).toString();
  expect(json).toContain('"linktarget":"t\\ufffd\\\\ufffd","linktarget_raw":"dP9cdWZmZmQ=",');
  expect(decodeTreeSync(wrap(json))).toEqual([node]);
  const valid: Node = { ...node, linkTarget: Buffer.from('\\ufffd\ufffd') };
  expect(encodeNode(valid).toString()).not.toContain('linktarget_raw');
  expect(decodeTreeSync(wrap(encodeNode(valid).toString()))).toEqual([valid]);
});

test('P7 nodes of other restics are read: missing members, offsets, milliseconds, octal names, unknown keys, white space', () => {
  const [node, big, links] = decodeTreeSync(
    Buffer.from(
      `\n{ "nodes" : [ {"name":"\\\\303\\\\251","type":"file","mtime":"2019-01-01T00:00:00.120+01:00","content":[],"x":{"name":"}"}} ,\r\n` +
        `{"name":"b","type":"chardev","device":18446744073709551615,"inode": 9007199254740993,${times},"extended_attributes":null,"content":null},` +
        `{"content":null,"linktarget":"é","type":"symlink","name":"c"}\n] }`,
    ),
  );
  expect(node).toMatchObject({
    name: Buffer.from('é'),
    mtime: { seconds: 1_546_297_200, nanos: 120_000_000, offset: 60 },
    uid: 0,
    user: '',
    links: 0n,
  });
  expect(node?.atime).toEqual(at(0));
  expect(big).toMatchObject({ device: 2n ** 64n - 1n, inode: 2n ** 53n + 1n, xattrs: [] });
  expect(links?.linkTarget).toEqual(Buffer.from('é'));
});

test('P7 generic attributes keep their very bytes', () => {
  const generic = '{"windows.creation_time":"\\u00e9{}","windows.file_attributes":32,"z":{"a":[1,{"generic_attributes":1e2}]}}';
  const json = `{"name":"a","type":"file",${times},"uid":0,"gid":0,"extended_attributes":[{"name":"generic_attributes","value":""}],"generic_attributes":${generic},"content":[]}`;
  const [node] = decodeTreeSync(wrap(json));
  expect(node?.genericAttributes).toBe(generic);
  expect(encodeNode(node!).toString()).toBe(json);
});

const names = [' ', '!', 'A', 'a', 'a b', 'a"},{"name":"x', 'a\\', 'b]}', 'c\n{', 'é', '名', '\u{1f600}'];
const tree = (): Buffer =>
  encodeTree(
    names.map((name, number) => ({
      ...file,
      name: Buffer.from(name),
      inode: BigInt(number) * 10n ** 15n,
      content: [id('e'), id('f')].slice(0, number % 3),
    })),
  );

test('P7 a tree read in pieces of any length gives the same nodes', async () => {
  const whole = tree();
  const nodes = decodeTreeSync(whole);
  expect(nodes.map((node) => node.name.toString())).toEqual(names);
  expect(encodeTree(nodes).equals(whole)).toBe(true);
  for (const size of [1, 2, 3, 7, 64, 1000]) {
    const reused = Buffer.alloc(size);
    const pieces = async function* () {
      for (let from = 0; from < whole.length; from += size) {
        const length = whole.copy(reused, 0, from, from + size);
        yield reused.subarray(0, length);
      }
    };
    const read: Node[] = [];
    for await (const node of decodeTree(pieces())) read.push(node);
    expect(read).toEqual(nodes);
  }
});

test('P7 a tree larger than a slice, with one node larger than a slice, survives', () => {
  const content = Array.from({ length: 10_000 }, (_, number) => createHash('sha256').update(String(number)).digest('hex'));
  const nodes = Array.from(
    { length: 3000 },
    (_, number): Node => ({ ...file, name: Buffer.from(`n${String(number).padStart(5, '0')}`), content: number === 1500 ? content : [] }),
  );
  const bytes = encodeTree(nodes);
  expect(decodeTreeSync(bytes)).toEqual(nodes);
});

test('P7 an empty tree is an empty list and a newline; null is read too', () => {
  expect(encodeTree([]).toString()).toBe('{"nodes":[]}\n');
  expect(decodeTreeSync(encodeTree([]))).toEqual([]);
  expect(decodeTreeSync(Buffer.from('{"nodes":null}'))).toEqual([]);
});

test('P7 the encoder refuses what is no tree', () => {
  const encoder = treeEncoder();
  encoder.add({ ...file, name: Buffer.from('b') });
  expect(() => encoder.add({ ...file, name: Buffer.from('b') })).toThrow('"b" was to follow "b"');
  expect(() => encoder.add({ ...file, name: Buffer.from('a') })).toThrow('"a" was to follow "b"');
  // By bytes, not by UTF-16: U+FF5E comes before U+1F600.
  encoder.add({ ...file, name: Buffer.from('\uff5e') });
  encoder.add({ ...file, name: Buffer.from('\u{1f600}') });
  for (const name of ['', '.', '..', 'a/b', 'a\0'])
    expect(() => encodeNode({ ...file, name: Buffer.from(name) })).toThrow('internal error');
  expect(() => encodeNode(meta)).toThrow('has not the content of one');
  expect(() => encodeNode({ ...meta, type: 'dir' })).toThrow('has not the content of one');
});

test('P7 any cut or broken tree is REPO_DAMAGED with its id', async () => {
  const whole = tree();
  for (let length = 0; length < whole.length - 2; length++) {
    expect(() => decodeTreeSync(whole.subarray(0, length), id('d'))).toThrow(expect.objectContaining({ code: 'REPO_DAMAGED' }));
  }
  await expect(Array.fromAsync(decodeTree([whole.subarray(0, 99)], id('d')))).rejects.toThrow(
    `tree ${id('d')} is damaged: it ends too early`,
  );
});

const sound = `"name":"a","type":"file",${times},"content":[]`;
test.each([
  ['it does not begin', '[]'],
  ['it ends too early', '{"nodes":{}}'],
  ['it does not begin', ' '.repeat(300)],
  ['it does not begin', '{"trees":[]}'],
  ['"{" stands where', `{"nodes":[{${sound}} {${sound}}]}`],
  ['"]" stands where', `{"nodes":[{${sound}},]}`],
  ['"1" stands where', '{"nodes":[1]}'],
  ['"x" stands behind its end', '{"nodes":[]}x'],
  ['no JSON', '{"nodes":[{"name"}]}'],
  ['without a name', '{"nodes":[{"type":"file"}]}'],
  ['wrong name', '{"nodes":[{"name":"a\\\\q","type":"file","content":[]}]}'],
  ['named ".."', '{"nodes":[{"name":"..","type":"file","content":[]}]}'],
  ['slash', '{"nodes":[{"name":"a/b","type":"file","content":[]}]}'],
  ['NUL', '{"nodes":[{"name":"a\\\\x00","type":"file","content":[]}]}'],
  ['wrong type: "toString"', '{"nodes":[{"name":"a","type":"toString","content":[]}]}'],
  ['wrong content: null', '{"nodes":[{"name":"a","type":"file","content":null}]}'],
  ['wrong content', '{"nodes":[{"name":"a","type":"file","content":["zz"]}]}'],
  ['wrong subtree: nothing', '{"nodes":[{"name":"a","type":"dir","content":null}]}'],
  ['wrong size: -1', `{"nodes":[{${sound},"size":-1}]}`],
  ['wrong size', `{"nodes":[{${sound},"size":1e300}]}`],
  ['wrong inode: 18446744073709551616', `{"nodes":[{${sound},"inode":18446744073709551616}]}`],
  ['wrong uid: "0"', `{"nodes":[{${sound},"uid":"0"}]}`],
  ['wrong mtime: "2023-13-14T22:13:20Z"', `{"nodes":[{${sound.replace('11-14', '13-14')}}]}`],
  ['wrong extended_attributes', `{"nodes":[{${sound},"extended_attributes":[{"value":""}]}]}`],
])('P7 a damaged tree is refused: %s', (detail, text) => {
  expect(() => decodeTreeSync(Buffer.from(text))).toThrow(
    expect.objectContaining({ code: 'REPO_DAMAGED', message: expect.stringContaining(detail) }),
  );
});
