// A source whose files come in an order of their own, several side by side: what an archive or a dump is.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Gathered, gathered } from '../../src/ports/gathered.ts';
import type { Source, Store } from '../../src/ports/source.ts';
import { type Restic, restic } from '../beds/restic.ts';
import { saveSource } from '../beds/save-from.ts';
import { testVault, type Vault } from '../beds/vault.ts';

const key = 'recovery key of a gathered source';
const time = { seconds: 1_700_000_000, nanos: 0 };
let top: string;
let vault: Vault;
let stock: Restic;

beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), 'gathered-'));
  vault = testVault(join(top, 'pool'), 'v/a', 'own password');
  await vault.create(key);
  stock = restic('restic', vault.location, key, top);
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

/** One after the other goes on by a piece: what waits for one of them holds up all. */
async function inTurns(...files: readonly (readonly [PassThrough, Buffer])[]): Promise<void> {
  const size = 64 << 10;
  for (let at = 0; files.some(([, bytes]) => at < bytes.length); at += size)
    for (const [stream, bytes] of files) if (at < bytes.length && !stream.write(bytes.subarray(at, at + size))) await once(stream, 'drain');
  for (const [stream] of files) stream.end();
}

function sourceOf(gather: (store: Store, tree: Gathered) => Promise<void>): Source {
  const tree = gathered(time);
  return {
    paths: ['/archive'],
    excludes: [],
    estimate: { bytes: 0, files: 0 },
    gather: (store) => gather(store, tree),
    list: () => tree.list(),
    finish: async () => undefined,
    close: async () => undefined,
  };
}

const sum = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

it('S5 files that come interleaved and in any order become a tree that stock restic reads', async () => {
  const big = randomBytes(9 << 20);
  const other = randomBytes(3 << 20);
  const source = sourceOf(async (store, tree) => {
    const [one, two] = [new PassThrough(), new PassThrough()];
    const first = store(one, { kind: 'fixed', size: 64 << 10 });
    const second = store(two, { kind: 'content' });
    await inTurns([one, big], [two, other]);
    tree.file(['archive', 'z', 'big'], await first);
    tree.file(['archive', 'a'], await second, { mode: 0o640 });
    tree.file(['archive', 'empty'], await store((async function* () {})(), { kind: 'content' }));
    tree.link(['archive', 'm'], 'z/big');
    tree.dir(['archive', 'hollow']);
  });
  const { record, summary } = await saveSource(source, vault.access);
  expect(summary.totalFiles).toBe(3);
  expect(summary.totalBytes).toBe(big.length + other.length);
  expect((await vault.ls(record)).map(({ path }) => path)).toEqual([
    '/archive',
    '/archive/a',
    '/archive/empty',
    '/archive/hollow',
    '/archive/m',
    '/archive/z',
    '/archive/z/big',
  ]);
  expect(sum(await vault.cat(record, '/archive/z/big'))).toBe(sum(big));
  expect(sum(Buffer.from(await stock.bytes('dump', record, '/archive/a')))).toBe(sum(other));
  await stock.check();
});

it('S9 bytes that the parent has are taken over unread, and read where they are not the same', async () => {
  let opened = 0;
  const content = randomBytes(1 << 20);
  const open = async function* () {
    opened++;
    yield content;
  };
  const again = (same: boolean): Source =>
    sourceOf(async (_store, tree) =>
      tree.file(['archive', 'object'], { kind: 'stream', chunking: { kind: 'content' }, open, same: () => same }),
    );
  const first = await saveSource(again(true), vault.access);
  expect(opened).toBe(1);
  const second = await saveSource(again(true), vault.access, { parentTree: first.tree });
  expect(opened).toBe(1);
  expect(second.tree).toBe(first.tree);
  expect(second.summary).toMatchObject({ filesUnmodified: 1, totalBytes: content.length });
  await saveSource(again(false), vault.access, { parentTree: first.tree });
  expect(opened).toBe(2);
});

it('S5 what breaks while it is gathered is no backup', async () => {
  const before = await vault.records();
  const broken = sourceOf(async (store, tree) => {
    const cut = async function* () {
      yield randomBytes(1 << 20);
      throw new Error('the line was cut');
    };
    tree.file(['archive', 'cut'], await store(cut(), { kind: 'content' }));
  });
  await expect(saveSource(broken, vault.access)).rejects.toThrow('the line was cut');
  expect(await vault.records()).toEqual(before);
  await stock.check();
});

it('S5 a name that comes twice is refused, not lost', () => {
  const tree = gathered(time);
  const stored = { kind: 'stored', content: [], size: 0 } as const;
  tree.file(['a', 'b'], stored);
  expect(() => tree.file(['a', 'b'], stored)).toThrow('came twice');
  expect(() => tree.file(['a'], stored)).toThrow('came twice');
});
