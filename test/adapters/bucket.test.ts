import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import type { BucketSource } from '../../src/model/service.ts';
import type { Warning } from '../../src/model/warning.ts';
import type { Entry } from '../../src/ports/source.ts';
import { openBucket } from '../../src/sources/bucket/door.ts';
import { objectLister } from '../../src/sources/bucket/listing.ts';
import { objectNames } from '../../src/sources/bucket/names.ts';
import { objectReader } from '../../src/sources/bucket/object.ts';
import { bucketSource } from '../../src/sources/bucket/source.ts';
import { bucketTree, type TreeRules } from '../../src/sources/bucket/tree.ts';
import { type BadProxy, inTurn, type Mischief, startBadProxy } from '../beds/bad-proxy.ts';
import { type Bucket, inGroups, makeBucket, type Put } from '../beds/bucket.ts';
import { type Radosgw, startRadosgw } from '../beds/radosgw.ts';
import { full } from '../beds/task-runner.ts';
import { backupTask, intoFolder, testVault, type Vault } from '../beds/vault.ts';
import { contents, noise } from '../beds/vaults.ts';
import { sourceContract } from '../contract/source.ts';

let store: Radosgw;
let root: string;
let vault: Vault;
let buckets: Bucket[];

beforeAll(async () => {
  process.env['CEPH_ARGS'] = '--osd_max_object_name_len=2048'; // the bed's own 256 is less than a key may have
  store = await startRadosgw();
});
afterAll(async () => {
  await store?.stop();
});
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'bucket-'));
  vault = testVault(join(root, 'pool'), 'v/a', 'password');
  buckets = [];
  await vault.create('recovery');
});
afterEach(() => {
  for (const bucket of buckets) bucket.close();
  rmSync(root, { recursive: true, force: true });
});

const bucket = async (): Promise<Bucket> => {
  const made = await makeBucket(store);
  buckets.push(made);
  return made;
};

/** Keys that stand in each other's way as files, in odd orders, or in no file system at all. */
const nastyKeys = [
  'a',
  'a-b',
  'a/b',
  'a/',
  'a//b',
  'a//',
  'a b+c',
  'a.txt',
  'a/b/c',
  '%',
  '%25',
  'a%2Fb',
  'per%cent/x%',
  'per%',
  '..',
  '../up',
  '.',
  './here',
  'x/../y',
  'x/./y',
  '/leading',
  '//two',
  'trailing/',
  'line\nbreak',
  'tab\tand\u0001control',
  'quote"and\'back\\slash',
  '<xml>&amp;',
  'ünï/cödé/日本語/😀',
  '\u{10000}astral',
  '\uffee-before-astral',
  `${'long'.repeat(80)}`,
  `${'long'.repeat(80)}/${'é'.repeat(180)}`,
  `${'long'.repeat(80)}x`,
  `${'%'.repeat(100)}`,
  'dir/file#1?x=y&z',
  'space /and  more ',
];

type FileEntry = Extract<Entry, { kind: 'file' }>;

async function filesIn(entries: AsyncIterable<Entry>): Promise<FileEntry[]> {
  const found: FileEntry[] = [];
  for await (const entry of entries) {
    if (entry.kind === 'file') found.push(entry);
    if (entry.kind === 'dir') found.push(...(await filesIn(entry.list())));
  }
  return found;
}

describe('S9 a bucket as a source', () => {
  test('S9 nasty keys, headers, metadata and tags come back in another bucket as they were', async () => {
    const from = await bucket();
    const more: Put = {
      ContentType: 'text/x-nasty; charset=utf-8',
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment; filename="x y.txt"',
      ContentEncoding: 'identity',
      ContentLanguage: 'de-CH',
      Expires: new Date('2031-02-03T04:05:06Z'),
      Metadata: { owner: 'somebody', 'with-dash': '=?UTF-8?B?w6Q=?=', empty: '' },
      Tagging: 'team=red%20and%20blue&cost%2Bcentre=4%2F2',
    };
    await inGroups([...nastyKeys.entries()], ([i, key]) => from.put(key, noise(key, i * 997), i % 3 === 0 ? more : {}));
    await from.put('big', noise('big', 12 << 20));
    const before = await from.seen();
    expect(before.size).toBe(nastyKeys.length + 1);

    const record = await vault.backup(from.source());
    expect(vault.warnings).toEqual([]);
    const to = await bucket();
    const counts = await vault.restore(record.id, to.target());
    expect(vault.warnings).toEqual([]);
    expect(counts).toMatchObject({ files: before.size, skipped: 0 });
    expect(await to.seen()).toEqual(before);
  });

  test('S9 the tree restores as plain files', async () => {
    const from = await bucket();
    for (const key of ['a', 'a/b', 'a//b', '../up', 'trailing/', '100%', 'x/ü\n']) await from.put(`below/${key}`, `of ${key}`);
    await from.put('beside', 'not of the prefix');
    const record = await vault.backup(from.source({ prefix: 'below' }));
    const folder = join(root, 'files');
    await vault.restore(record.id, intoFolder(folder));
    const top = join(folder, 'bucket', 'objects');
    const found = [...contents(top)].map(([path, bytes]) => `${path}: ${bytes}`);
    expect(found.sort()).toEqual(
      [
        '100%25: of 100%',
        '%2E%2E/up: of ../up',
        'a%: of a',
        'a/%/b: of a//b',
        'a/b: of a/b',
        'trailing/%: of trailing/',
        'x/ü\n: of x/ü\n',
      ].sort(),
    );
    expect(JSON.parse(readFileSync(join(folder, 'bucket', 'backup.json'), 'utf8'))).toMatchObject({ format: 1, prefix: 'below' });
  });

  test('S9 a second run lists by the page and reads only what changed; what was not read keeps what it had', async () => {
    const size = full ? 20_000 : 200;
    const changed = size / 100;
    const from = await bucket();
    const fill = (numbers: readonly number[], what: string) =>
      inGroups(numbers, (i) =>
        from.put(`dir-${i % 40}/object-${i}`, `${what} ${i}`, { ContentType: 'text/x-mine', Tagging: `number=${i}` }),
      );
    const all = Array.from({ length: size }, (_, i) => i);
    await fill(all, 'first');
    const proxy = await startBadProxy(store.endpoint);
    const counted = async () => {
      const start = proxy.seen.length;
      const record = await vault.backup(from.source({ endpoint: proxy.endpoint }));
      const urls = proxy.seen.slice(start).map(({ url }) => url);
      const lists = urls.filter((url) => url.includes('list-type=2')).length;
      const tags = urls.filter((url) => url.includes('tagging')).length;
      return { record, lists, tags, reads: urls.length - lists - tags };
    };
    const pages = 2 + Math.floor(size / 1000); // the first look is one of a single object; radosgw may end with an empty page
    expect(await counted()).toMatchObject({ lists: pages, tags: size, reads: size });
    const unchanged = await counted();
    expect(unchanged).toMatchObject({ lists: pages, tags: 0, reads: 0 });
    await fill(all.slice(0, changed), 'second');
    const last = await counted();
    expect(last).toMatchObject({ lists: pages, tags: changed, reads: changed });
    expect(last.record.summary).toMatchObject({ filesChanged: changed, filesNew: 0 });
    // The metadata of what was not read comes from the backup before.
    const to = await bucket();
    await vault.restore(last.record.id, to.target({ include: ['dir-1/'] }));
    const seen = await to.seen();
    expect(seen.get('dir-1/object-41')).toMatchObject({ tags: ['number=41'], headers: { ContentType: 'text/x-mine' } });
    expect(seen.size).toBe(size / 40);
    expect(vault.warnings).toEqual([]);
    await proxy.stop();
  }, 1_800_000);

  test('S9 older versions and marks of deletion are kept, and read once', async () => {
    const from = await bucket();
    await from.versioned();
    for (const [i, text] of ['one', 'two', 'three'].entries()) await from.put('dir/kept', text.repeat(i + 1));
    await from.put('gone', 'was here');
    await from.remove('gone');
    const { id } = await vault.backup(from.source({}, { versions: true }));
    const paths = (await vault.ls(id)).filter(({ type }) => type === 'file').map(({ path }) => path);
    const versions = paths.filter((path) => path.startsWith('/bucket/versions/'));
    expect(versions.filter((path) => path.startsWith('/bucket/versions/dir/kept%/'))).toHaveLength(2);
    expect(versions.filter((path) => path.startsWith('/bucket/versions/gone%/'))).toHaveLength(2);
    expect(versions.filter((path) => path.endsWith('-deleted'))).toHaveLength(1);
    const texts = await Promise.all(versions.map(async (path) => `${await vault.cat(id, path)}`));
    expect(texts.sort()).toEqual(['', 'one', 'twotwo', 'was here']);
    expect(`${await vault.cat(id, '/bucket/objects/dir/kept')}`).toBe('threethreethree');
    const again = await vault.backup(from.source({}, { versions: true }));
    expect(again.summary).toMatchObject({ filesNew: 0, filesChanged: 0, dataBlobs: 0 });
    const to = await bucket();
    await vault.restore(again.id, to.target());
    expect(await to.keys()).toEqual(['dir/kept']);
    expect(vault.warnings).toEqual([]);
  });
});

describe('S9 a bad line and a bucket that changes', () => {
  let proxy: BadProxy;
  beforeAll(async () => {
    proxy = await startBadProxy(store.endpoint);
  });
  afterAll(() => proxy?.stop());
  afterEach(() => proxy.behave(() => undefined));

  /** What befalls the reads of one key, in turn. */
  const reads = (key: string, ...mischief: readonly (Mischief | undefined)[]) => {
    const left = [...mischief];
    proxy.behave(({ method, url }) => (method === 'GET' && url.includes(`/${key}?x-id`) ? left.shift() : undefined));
  };
  const body = noise('body', 3 << 20);

  test('S9 a read that breaks off goes on where it was; a listing that fails is asked again', async () => {
    const from = await bucket();
    await from.put('big', body);
    await from.put('small', 'small');
    reads('big', { type: 'cut', after: 1_000_000 }, { type: 'status', status: 503, code: 'SlowDown' }, { type: 'cut', after: 500_000 });
    const { id } = await vault.backup(from.source({ endpoint: proxy.endpoint }));
    expect((await vault.cat(id, '/bucket/objects/big')).equals(body)).toBe(true);
    expect(proxy.seen.filter(({ url }) => url.includes('/big?x-id'))).toHaveLength(4);
    const lists = inTurn('GET', { type: 'status', status: 500, code: 'InternalError' }, { type: 'drop' });
    proxy.behave(lists);
    expect((await vault.backup(from.source({ endpoint: proxy.endpoint }))).summary).toMatchObject({ filesUnmodified: 2 + 2 });
    expect(vault.warnings).toEqual([]);
  });

  test('S9 an object that is deleted before it is read is told and left out; the backup before keeps it', async () => {
    const from = await bucket();
    for (const key of ['before', 'gone', 'later']) await from.put(key, `of ${key}`);
    const { id: first } = await vault.backup(from.source({ endpoint: proxy.endpoint }));
    await from.put('gone', 'anew');
    reads('gone', { type: 'status', status: 404, code: 'NoSuchKey' });
    const { id } = await vault.backup(from.source({ endpoint: proxy.endpoint }));
    expect(vault.warnings).toEqual([{ item: 'gone', detail: 'it was deleted before it was read: it is left out' }]);
    const names = async (record: string) => (await vault.ls(record, '/bucket/objects')).map(({ path }) => path.split('/').at(-1));
    expect(await names(id)).toEqual(['before', 'later']);
    expect(await names(first)).toEqual(['before', 'gone', 'later']);
  });

  test('S9 an object that changes while its line is broken is left out and told, never a mixture; broken before its first byte, it is read anew', async () => {
    const from = await bucket();
    for (const key of ['changing', 'early']) await from.put(key, body);
    const warnings: Warning[] = [];
    const context = { warn: (one: Warning) => void warnings.push(one), signal: new AbortController().signal, scratch: () => root };
    const source = await bucketSource(from.source({ endpoint: proxy.endpoint }), context, { idleTimeout: 300 });
    const [changing, early] = (await filesIn(source.list())).filter(({ meta }) => `${meta.name}` !== 'backup.json');
    const read = async (entry: FileEntry, onFirst: () => Promise<void>): Promise<Buffer> => {
      const pieces: Uint8Array[] = [];
      if (entry.content.kind !== 'stream') throw new Error('a stream is expected');
      for await (const piece of entry.content.open()) {
        if (pieces.length === 0) await onFirst();
        pieces.push(piece);
      }
      return Buffer.concat(pieces);
    };
    reads('changing', { type: 'stick', after: 1_000_000 });
    await read(changing!, () => from.put('changing', 'now another'));
    expect(warnings).toEqual([{ item: 'changing', detail: 'it changed while it was read: it is left out' }]);
    expect(changing!.content).toMatchObject({ leftOut: expect.any(Function) });
    expect((changing!.content as { leftOut?: () => boolean }).leftOut!()).toBe(true);

    await from.put('early', 'now another');
    reads('early', { type: 'stick', after: 0 });
    expect(`${await read(early!, async () => undefined)}`).toBe('now another');
    expect(warnings).toHaveLength(1);
    await source.close();
  });

  test('S9 a store that goes away for good in the middle leaves no backup', async () => {
    const from = await bucket();
    await from.put('big', body);
    const stop = new AbortController();
    reads('big', { type: 'stick', after: 1_000_000 });
    const spec = backupTask(from.source({ endpoint: proxy.endpoint }));
    const failed = expect(vault.run(spec, { signal: stop.signal })).rejects.toThrow('cancelled by the test');
    while (!proxy.seen.some(({ url }) => url.includes(`${from.name}/big?x-id`))) await new Promise((resolve) => setTimeout(resolve, 20));
    stop.abort(new Error('cancelled by the test'));
    await failed;
    expect(await vault.records()).toEqual([]);
  });
});

describe('S9 what a bucket refuses', () => {
  const impatient = { patience: { maxElapsed: 0 } };
  const context = { warn: () => undefined, signal: new AbortController().signal, scratch: () => root };
  const told = async (source: BucketSource, code = 'BUCKET_REFUSED'): Promise<string> => {
    const error = await bucketSource(source, context, impatient).then(
      () => undefined,
      (thrown: StillpointError) => thrown,
    );
    expect(error?.code).toBe(code);
    const text = inspect(error, { depth: 10 });
    expect(text).not.toContain(source.credentials?.secretKey);
    return error!.message;
  };

  test('S9 a missing bucket, wrong keys and a store that is down are told as what they are, without the secret', async () => {
    const from = await bucket();
    const { accessKey, secretKey } = store;
    expect(await told(from.source({ bucket: 'no-such-bucket' }))).toMatch(/no-such-bucket at http.*there is no such bucket/);
    const wrong = { accessKey, secretKey: 'another-secret-that-is-wrong' };
    expect(await told(from.source({}, { credentials: wrong }))).toMatch(/refuses the credentials.*SignatureDoesNotMatch/);
    expect(await told(from.source({}, { credentials: { accessKey: 'NOBODY', secretKey } }))).toContain('InvalidAccessKeyId');
    expect(await told(from.source({ endpoint: 'http://127.0.0.1:1' }), 'BUCKET_FAILED')).toMatch(/cannot be reached: .*ECONNREFUSED/);
    await vault.backup(from.source({ prefix: 'mistyped' }));
    expect(vault.warnings.map(({ detail }) => detail)).toEqual(['there are no objects']);
  });

  test('S9 a missing right is named: to list, to read; without the one for tags the backup goes on and says so once', async () => {
    const second = await store.addUser(`second-${Date.now()}`.toLowerCase());
    const from = await bucket();
    await from.put('a', 'of a', { Tagging: 'x=y' });
    await from.put('b', 'of b');
    const source = from.source({}, { credentials: { accessKey: second.accessKey, secretKey: second.secretKey } });
    const uid = JSON.parse(await store.admin('user', 'info', `--access-key=${second.accessKey}`)).user_id as string;
    const allow = (...actions: readonly string[]) => {
      const statement = {
        Effect: 'Allow',
        Principal: { AWS: [`arn:aws:iam:::user/${uid}`] },
        Action: actions.map((one) => `s3:${one}`),
        Resource: [`arn:aws:s3:::${from.name}`, `arn:aws:s3:::${from.name}/*`],
      };
      const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
      return from.client.send(new PutBucketPolicyCommand({ Bucket: from.name, Policy }));
    };
    expect(await told(source)).toContain('cannot list: the credentials lack the right s3:ListBucket');
    await allow('ListBucket');
    await expect(vault.backup(source)).rejects.toThrow(/cannot read [ab]: the credentials lack the right s3:GetObject/);
    expect(await vault.records()).toEqual([]);
    await allow('ListBucket', 'GetObject');
    vault.warnings.length = 0;
    const { id } = await vault.backup(source);
    expect(`${await vault.cat(id, '/bucket/objects/b')}`).toBe('of b');
    expect(vault.warnings).toHaveLength(1);
    expect(vault.warnings[0]!.detail).toMatch(/^tags are left out: .*s3:GetObjectTagging/);
  });
});

describe('S9 a directory that is too large for memory', () => {
  test('S9 it is streamed between its subdirectories, over several pages of a real store: the same tree', async () => {
    const from = await bucket();
    const keys = [...nastyKeys, ...Array.from({ length: 1100 }, (_, i) => `m-${i}`)];
    await inGroups(keys, (key) => from.put(key, key));
    const source = from.source();
    const pathsOf = async (entries: AsyncIterable<Entry>, path = ''): Promise<string[]> => {
      const found: string[] = [];
      for await (const entry of entries) {
        const here = `${path}/${entry.meta.name}`;
        found.push(...(entry.kind === 'dir' ? await pathsOf(entry.list(), here) : [here]));
      }
      return found;
    };
    const treeWith = async (most: number): Promise<string[]> => {
      const door = await openBucket(source.place, source.credentials, new AbortController().signal);
      const reader = objectReader(door, () => undefined);
      const leaf: TreeRules['leaf'] = (part, [object], taken) => ({
        names: objectNames(part, taken),
        entry: (name) => reader.entry(name, object!),
      });
      const paths = await pathsOf(bucketTree({ list: objectLister(door, () => undefined), leaf, plain: true, most })());
      door.close();
      return paths;
    };
    const whole = await treeWith(10_000);
    expect(whole).toHaveLength(keys.length);
    expect(await treeWith(3)).toEqual(whole);
  });
});

describe('S9 the law of sources', () => {
  let made: Bucket;
  beforeEach(async () => {
    made = await bucket();
    await inGroups(nastyKeys, (key) => made.put(key, key));
  });
  sourceContract('bucket', () => ({
    open: () => bucketSource(made.source(), { warn: () => undefined, signal: new AbortController().signal, scratch: () => root }),
    atLeast: nastyKeys.length,
  }));
});
