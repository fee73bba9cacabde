import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileToWrite, FileWritten } from '../../src/ports/target.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { needPrograms } from '../beds/programs.ts';
import {
  type Bed,
  backup,
  bed,
  check,
  contents,
  type Files,
  flattened,
  flipBit,
  makeVault,
  noise,
  openVault,
  prune,
  restic,
  rewrite,
} from '../beds/vaults.ts';

needPrograms(['restic'], 'restic');

describe('a full backup makes damage good', () => {
  let at: Bed;
  let vault: Repository;
  const files: Files = { a: noise('a', 300_000), b: noise('b', 200_000), sub: { c: noise('c', 40_000) } };
  const quiet = new AbortController().signal;

  beforeEach(async () => {
    at = bed();
    vault = await makeVault(at.backend);
    await backup(vault, files);
    await vault.loadIndex();
  });
  afterEach(() => at.remove());

  const placeOf = (id: Buffer, tree = false) => {
    const { index, packs } = vault.state;
    const { pack, offset } = index.location(index.find(id, tree));
    const name = packs.names[pack]!;
    return { name, offset, path: join(at.vault, 'data', name.slice(0, 2), name) };
  };
  const firstBlock = (content: Buffer) =>
    createHash('sha256')
      .update(content.subarray(0, 16 << 10))
      .digest();
  const forget = async () => {
    const lock = await vault.lock(true);
    await vault.forgetBroken(lock, quiet);
    await lock.release();
  };
  const expectSound = async (id: string) => {
    await restic(at.vault, ['check', '--read-data']);
    expect(await check(vault)).toMatchObject({ errors: [], notes: [], hurt: {} });
    const target = join(at.dir, 'restored');
    await restic(at.vault, ['restore', id, '--target', target]);
    expect(contents(target)).toEqual(flattened(files));
  };
  const resticFinds = () => expect(restic(at.vault, ['check', '--read-data'])).rejects.toThrow();

  it('B5 without heal an incremental backup would rely on the damaged block', async () => {
    const { path, offset } = placeOf(firstBlock(files['a'] as Buffer));
    flipBit(path, offset + 30);
    const id = await backup(vault, files);
    expect(Object.keys((await check(vault)).hurt)).toContain(id);
  });

  it('B5 a flipped bit in data: the block is stored again, the broken pack goes', async () => {
    const { path, offset, name } = placeOf(firstBlock(files['a'] as Buffer));
    flipBit(path, offset + 30);
    await resticFinds();
    const id = await backup(vault, files, { mark: true, heal: true });
    expect(vault.isBroken()).toBe(true);
    await forget();
    expect(vault.isBroken()).toBe(false);
    expect(at.stored('data').join()).not.toContain(name);
    await expectSound(id);
  });

  it('B5 a flipped bit in a tree', async () => {
    const [record] = await vault.records.list();
    const { path, offset } = placeOf(Buffer.from(record!.tree, 'hex'), true);
    flipBit(path, offset + 30);
    const id = await backup(vault, files, { mark: true, heal: true });
    await forget();
    await expectSound(id);
  });

  it('B5 a flipped bit in a pack header', async () => {
    const { path } = placeOf(firstBlock(files['b'] as Buffer));
    flipBit(path, -8);
    await resticFinds();
    const id = await backup(vault, files, { mark: true, heal: true });
    await forget();
    await expectSound(id);
  });

  it('B5 a missing pack and one that was cut', async () => {
    const [one, two] = at.stored('data').sort();
    rmSync(join(at.vault, 'data', one!));
    const path = join(at.vault, 'data', two!);
    rewrite(path, readFileSync(path).subarray(0, 5000));
    const id = await backup(vault, files, { mark: true, heal: true });
    await forget();
    await expectSound(id);
  });

  it('B5 a flipped bit in an index: what it listed is listed again, nothing is stored twice', async () => {
    flipBit(join(at.vault, 'index', at.stored('index')[0]!), 60);
    const packs = at.stored('data').sort();
    await check(vault);
    expect(vault.isBroken()).toBe(true);
    await forget();
    expect(at.stored('data').sort()).toEqual(packs);
    const id = await backup(vault, files);
    expect(at.stored('data').sort()).toEqual(packs);
    await expectSound(id);
  });

  it('B5 if the broken pack cannot go now, readers use the good copy and prune removes the bad one', async () => {
    const [record] = await vault.records.list();
    const blocks = [
      { id: firstBlock(files['a'] as Buffer), tree: false },
      { id: Buffer.from(record!.tree, 'hex'), tree: true },
    ];
    for (const { path, offset } of blocks.map(({ id, tree }) => placeOf(id, tree))) flipBit(path, offset + 30);
    const broken = blocks.map(({ id, tree }) => placeOf(id, tree).name);
    const id = await backup(vault, files, { mark: true, heal: true });
    // Both orders of the index files, so that each copy is once the first.
    for (let round = 0; round < 2; round++) {
      const again = await openVault(at.backend);
      await again.loadIndex();
      if (round === 1) for (const { id: blob, tree } of blocks) swapCopies(again, blob, tree);
      const reader = again.reader(quiet);
      const found: Buffer[] = [];
      for await (const node of reader.tree(record!.tree))
        if (node.name.toString() === 'a') for await (const bytes of reader.stream(node.content!)) found.push(bytes);
      expect(Buffer.concat(found).equals(files['a'] as Buffer)).toBe(true);
      expect(await written(again, record!.tree)).toEqual(flattened({ a: files['a']!, b: files['b']! }));
      await reader.close();
    }
    const report = await check(vault);
    expect(report.hurt).toEqual({});
    expect(report.errors.map((error) => error.name)).toEqual(expect.arrayContaining(broken));
    await prune(vault, { maxUnusedPercent: 100 });
    await expectSound(id);
  });

  it('B5 where another copy is sound it is relied upon, and nothing is stored again', async () => {
    const block = firstBlock(files['a'] as Buffer);
    const { path, offset } = placeOf(block);
    flipBit(path, offset + 30);
    await backup(vault, files, { mark: true, heal: true });
    const packs = at.stored('data').sort();
    for (let round = 0; round < 2; round++) {
      const again = await openVault(at.backend);
      await again.loadIndex();
      const { index } = again.state;
      if (round === 1) swapCopies(again, block, false);
      for (let entry = 0; entry < index.count(); entry++)
        if (index.find(index.idOf(entry), index.isTree(entry)) === entry) index.mark(entry);
      expect(await again.heal(quiet)).toBe(0);
      const found: Buffer[] = [];
      for await (const bytes of again.reader(quiet).stream([block.toString('hex')])) found.push(bytes);
      expect(found[0]!.equals((files['a'] as Buffer).subarray(0, 16 << 10))).toBe(true);
    }
    expect(at.stored('data').sort()).toEqual(packs);
  });

  it('B5 damage that the backup does not rely upon stays told, and is mended once its data is there again', async () => {
    const { path, offset } = placeOf(firstBlock(files['b'] as Buffer));
    flipBit(path, offset + 30);
    await backup(vault, { a: files['a']! }, { mark: true, heal: true });
    await forget();
    const report = await check(vault);
    expect(report.errors.length).toBeGreaterThan(0);
    expect(Object.keys(report.hurt)).toHaveLength(1);
    // As soon as the data is there again, so are the old backups.
    await backup(vault, files, { mark: true, heal: true });
    await forget();
    expect(await check(vault)).toMatchObject({ errors: [], hurt: {} });
  });

  /** Makes the other copy of a blob the one that the index gives. */
  function swapCopies({ state: { index } }: Repository, id: Buffer, tree: boolean): void {
    const first = index.find(id, tree);
    for (let entry = 0; entry < index.count(); entry++) {
      if (entry === first || index.isTree(entry) !== tree || !index.idOf(entry).equals(id)) continue;
      const [one, two] = [index.location(first), index.location(entry)];
      index.place(first, two);
      index.place(entry, one);
      return;
    }
    throw new Error('the blob has one copy only');
  }

  /** The files of a tree's top level, as a restore writes them. */
  async function written(from: Repository, tree: string): Promise<Map<string, Buffer>> {
    const target = join(at.dir, 'written');
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
    const dirfd = openSync(target, 'r');
    const reader = from.reader(quiet);
    const wants: FileToWrite[] = [];
    for await (const node of reader.tree(tree))
      if (node.content)
        wants.push({ tag: 0, content: node.content, size: node.size, open: { kind: 'create', dirfd, name: node.name }, mode: 'new' });
    const results: FileWritten[] = [];
    await reader.writeFiles(wants, (result) => results.push(result));
    await reader.close();
    closeSync(dirfd);
    expect(results.filter((result) => result.error)).toEqual([]);
    return contents(target);
  }
});
