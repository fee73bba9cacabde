import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { faulty } from '../../src/backends/faulty.ts';
import { localBackend } from '../../src/backends/local.ts';
import { failure } from '../../src/base/errors.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { needPrograms, run } from '../beds/programs.ts';
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
  smallPacks,
} from '../beds/vaults.ts';

needPrograms(['restic'], 'restic');

describe('prune of a vault', () => {
  let at: Bed;
  beforeEach(() => {
    at = bed();
  });
  afterEach(() => at.remove());

  const bytesStored = () => [...contents(join(at.vault, 'data')).values()].reduce((sum, bytes) => sum + bytes.length, 0);
  const text = (name: string, lines: number) => Buffer.from(Array.from({ length: lines }, (_, i) => `${name} line ${i}\n`).join(''));
  const kept: Files = {
    shared: noise('shared', 300_000),
    text: text('kept', 20_000),
    // Small files of which every other one is forgotten later: they share packs with those that stay.
    mixed: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`kept-${i}`, noise(`kept ${i}`, 5000)])),
    sub: { deep: noise('deep', 50_000), empty: Buffer.alloc(0) },
  };

  const restored = async (id: string) => {
    const target = join(at.dir, `restored-${id.slice(0, 8)}`);
    await restic(at.vault, ['restore', id, '--target', target]);
    const found = contents(target);
    rmSync(target, { recursive: true });
    return found;
  };
  const expectSound = async (id: string, files: Files) => {
    await restic(at.vault, ['check', '--read-data']);
    expect(await restored(id)).toEqual(flattened(files));
  };
  /** A vault with what is kept and, between it, what is forgotten. */
  const withWaste = async (options = smallPacks): Promise<{ vault: Repository; id: string }> => {
    const vault = await makeVault(at.backend, options);
    const { shared, mixed } = kept;
    const among = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`kept-${i}-not`, noise(`not kept ${i}`, 5000)]));
    const waste = { waste: noise('waste', 400_000), mixed: { ...(mixed as Files), ...among }, sub: { more: text('waste', 9000) } };
    const old = [await backup(vault, { shared: shared!, ...waste })];
    const id = await backup(vault, kept);
    old.push(await backup(vault, { shared: shared!, other: noise('other', 200_000) }));
    for (const name of old) await vault.records.remove(name);
    return { vault, id };
  };

  it('P7 frees what forgotten backups took; restic finds the rest whole', async () => {
    const { vault, id } = await withWaste();
    const before = bytesStored();
    const report = await prune(vault);
    expect(report).toMatchObject({ bytesBefore: before, dryRun: false });
    expect(report.bytesFreed).toBeGreaterThan(600_000);
    expect(before - bytesStored()).toBe(report.bytesFreed);
    await expectSound(id, kept);
    const after = await check(vault);
    expect(after).toMatchObject({ errors: [], notes: [] });
    // Nothing is left to do.
    expect(await prune(vault)).toMatchObject({ packsRemoved: 0, packsRepacked: 0, bytesFreed: 0, blobsUnused: 0 });
    expect(await restic(at.vault, ['prune', '--max-unused', '0'])).toMatch(/total prune: +0 blobs/);
  });

  it('P7 after a prune the same vault can be read and written on', async () => {
    const { vault } = await withWaste();
    await prune(vault);
    const files = { ...kept, more: noise('more', 100_000) };
    const id = await backup(vault, files);
    await expectSound(id, files);
  });

  it('P7 leaves some waste where asked to, and touches less', async () => {
    const { vault, id } = await withWaste();
    const report = await prune(vault, { maxUnusedPercent: 100 });
    expect(report.packsRemoved).toBeGreaterThan(0);
    const data = await prune(vault, { maxUnusedPercent: 0 });
    expect(data.packsRepacked).toBeGreaterThan(0);
    await expectSound(id, kept);
  });

  it('P7 a dry run tells the same and changes no byte', async () => {
    const { vault } = await withWaste();
    const before = contents(at.vault);
    const told = await prune(vault, { dryRun: true });
    expect(contents(at.vault)).toEqual(before);
    const real = await prune(vault);
    expect(told).toEqual({ ...real, dryRun: true, bytesFreed: told.bytesFreed });
    // But for the headers of new packs.
    expect(Math.abs(told.bytesFreed - real.bytesFreed)).toBeLessThan(10_000);
  });

  it('P7 everything forgotten: nothing is left but the vault itself', async () => {
    const { vault, id } = await withWaste();
    await vault.records.remove(id);
    await prune(vault);
    expect(at.stored('data')).toEqual([]);
    await restic(at.vault, ['check', '--read-data']);
    const again = await backup(vault, kept);
    await expectSound(again, kept);
  });

  it('P7 removes packs that no index lists, and blocks stored twice', async () => {
    const { vault, id } = await withWaste();
    const [index] = at.stored('index');
    rmSync(join(at.vault, 'index', index!)); // what it listed is stored once more, then rebuilt lists both
    await backup(vault, kept);
    await restic(at.vault, ['rebuild-index']);
    const report = await prune(vault);
    expect(report.bytesFreed).toBeGreaterThan(0);
    expect(await check(vault)).toMatchObject({ errors: [], notes: [] });
    await expectSound(id, kept);
  });

  it('P7 prunes a vault that restic filled', async () => {
    const vault = await makeVault(at.backend);
    await restic(at.vault, ['backup', 'src/base', 'src/model'], process.cwd());
    await restic(at.vault, ['backup', 'src/repository'], process.cwd());
    await restic(at.vault, ['backup', 'src/ports'], process.cwd());
    await restic(at.vault, ['forget', '--keep-last', '1', '--group-by', 'host']);
    const report = await prune(vault);
    expect(report.bytesFreed).toBeGreaterThan(10_000);
    await restic(at.vault, ['check', '--read-data']);
    const found = await restored('latest');
    expect(found.get('src/ports/backend.ts')).toEqual(readFileSync('src/ports/backend.ts'));
  });

  it('P7 a vault of format 1 stays one: nothing in it is compressed', async () => {
    await restic(at.vault, ['init', '--repository-version', '1']);
    const vault = await openVault(at.backend);
    expect(vault.version).toBe(1);
    const old = await backup(vault, { waste: noise('waste', 200_000), shared: kept['shared']! });
    const id = await backup(vault, kept);
    await vault.records.remove(old);
    const report = await prune(vault);
    expect(report.bytesFreed).toBeGreaterThan(150_000);
    for (let entry = 0; entry < vault.state.index.count(); entry++) expect(vault.state.index.location(entry).plainLength).toBe(0);
    expect(await prune(vault)).toMatchObject({ packsRemoved: 0, packsRepacked: 0 });
    await expectSound(id, kept);
  });

  it('P7 what restic prunes stays whole for us', async () => {
    const { vault, id } = await withWaste();
    await restic(at.vault, ['prune', '--max-unused', '0']);
    const report = await check(vault);
    expect(report).toMatchObject({ errors: [], hurt: {} });
    await prune(vault);
    await expectSound(id, kept);
  });

  it('P7 merges small packs and small index files', async () => {
    const vault = await makeVault(at.backend);
    let id = '';
    let files: Files = {};
    for (let i = 0; i < 12; i++) {
      files = { ...files, [`f${i}`]: noise(`f${i}`, 3000) };
      id = await backup(vault, files);
    }
    expect(at.stored('index').length).toBeGreaterThanOrEqual(12);
    const report = await prune(vault);
    expect(report.packsRepacked).toBeGreaterThanOrEqual(20);
    expect(at.stored('data').length).toBeLessThan(6);
    expect(at.stored('index').length).toBeLessThan(4);
    await expectSound(id, files);
  });

  it('P7 refuses while a damaged index hides packs', async () => {
    const { vault } = await withWaste();
    flipBit(join(at.vault, 'index', at.stored('index')[0]!), 50);
    const before = contents(at.vault);
    await expect(prune(vault)).rejects.toMatchObject({ code: 'REPO_DAMAGED' });
    const lock = await vault.lock(true);
    await vault.loadIndex(true);
    await expect(vault.prune(lock, { dryRun: false, maxUnusedPercent: 0, signal: new AbortController().signal })).rejects.toMatchObject({
      code: 'REPO_DAMAGED',
    });
    await lock.release();
    expect(contents(at.vault)).toEqual(before);
  });

  it('P7 a damaged block that must move stops the prune before anything is removed', async () => {
    const { vault } = await withWaste();
    await vault.loadIndex();
    for (const path of at.stored('data')) flipBit(join(at.vault, 'data', path), 20);
    const before = at.stored('data');
    await expect(prune(vault)).rejects.toMatchObject({ code: 'REPO_DAMAGED' });
    expect(at.stored('data')).toEqual(expect.arrayContaining(before));
  });

  it('P7 killed after any operation, a prune leaves a whole vault', async () => {
    const options = { ...smallPacks, packSize: 256 << 10 };
    const { id } = await withWaste(options);
    const start = join(at.dir, 'start');
    await run('cp', ['-a', at.vault, start]);
    await prune(await openVault(at.backend));
    const pruned = bytesStored();
    let n = 1;
    for (let died = true; died; n++) {
      rmSync(at.vault, { recursive: true });
      await run('cp', ['-a', start, at.vault]);
      let count = 0;
      died = false;
      // Reads leave nothing behind, so only writing operations count; from the n-th on nothing gets through.
      const dying = faulty(localBackend({ root: at.dir, path: 'vault' }), ({ operation, kind }) => {
        if (kind === 'locks' || (operation !== 'save' && operation !== 'remove' && !died)) return undefined;
        died ||= ++count >= n;
        return died ? { type: 'fail', error: failure('POOL_OFFLINE', { location: 'test', detail: 'killed' }) } : undefined;
      });
      const victim = await openVault(dying, options);
      const outcome = await prune(victim).then(
        () => 'done',
        (error: { code?: string }) => error.code,
      );
      expect(outcome).toBe(died ? 'POOL_OFFLINE' : 'done');
      await restic(at.vault, ['check', '--read-data', '--no-lock']);
      const vault = await openVault(at.backend);
      await prune(vault);
      expect(await check(vault, false)).toMatchObject({ errors: [], notes: [] });
      expect(Math.abs(bytesStored() - pruned)).toBeLessThan(20_000); // but for headers and index files
    }
    expect(n).toBeGreaterThan(8); // new packs, a new index, old indexes, old packs: each was a place to die
    await expectSound(id, kept);
  }, 300_000);
});
