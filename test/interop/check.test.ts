import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CheckReport } from '../../src/model/task.ts';
import type { Repository } from '../../src/repository/repository.ts';
import { needPrograms } from '../beds/programs.ts';
import { type Bed, backup, bed, check, flipBit, makeVault, noise, openVault, prune, restic, rewrite } from '../beds/vaults.ts';

needPrograms(['restic'], 'restic');

describe('check of a vault', () => {
  let at: Bed;
  let vault: Repository;
  let first: string;
  let second: string;
  const shared = noise('shared', 300_000);

  beforeEach(async () => {
    at = bed();
    vault = await makeVault(at.backend);
    first = await backup(vault, { shared, one: noise('one', 200_000), sub: { deep: noise('deep', 50_000) } });
    second = await backup(vault, { shared, two: noise('two', 200_000) });
  });
  afterEach(() => at.remove());

  const files = (kind: string) =>
    readdirSync(join(at.vault, kind), { recursive: true, encoding: 'utf8' }).filter((name) => /[0-9a-f]{64}$/.test(name));
  const nameOf = (path: string) => path.slice(-64);
  const named = (report: CheckReport, kind: string) => report.errors.filter((error) => error.kind === kind).map((error) => error.name);
  /** Without --read-data where a file is gone: restic would try it for most of a minute. */
  const resticFails = (args = ['check', '--read-data']) => expect(restic(at.vault, args)).rejects.toThrow();
  /** Where the first block of a file lies. */
  const blockOf = (content: Buffer) => {
    const { index, packs } = vault.state;
    const hash = createHash('sha256')
      .update(content.subarray(0, 16 << 10))
      .digest();
    const { pack, offset } = index.location(index.find(hash, false));
    const name = packs.names[pack]!;
    return { name, offset, id: hash.toString('hex'), path: join(at.vault, 'data', name.slice(0, 2), name) };
  };

  it('P7 finds nothing wrong where restic finds nothing wrong', async () => {
    await restic(at.vault, ['check', '--read-data']);
    const report = await check(vault);
    expect(report).toMatchObject({ errors: [], notes: [], hurt: {} });
    expect(report.packs).toBe(files('data').length);
    expect(report.bytesRead).toBeGreaterThan(700_000);
  });

  it('P7 finds nothing wrong in a vault that restic wrote', async () => {
    await restic(at.vault, ['backup', 'src'], process.cwd());
    expect(await check(vault)).toMatchObject({ errors: [], hurt: {} });
  });

  it('B5 a flipped bit in data is named, with the block and every record it hurts', async () => {
    await vault.loadIndex();
    const { path, name, id, offset } = blockOf(shared);
    flipBit(path, offset + 20);
    const report = await check(vault);
    expect(named(report, 'data')).toEqual([name]);
    expect(named(report, 'block')).toEqual([id]);
    expect(report.hurt[first]).toEqual([id]);
    expect(report.hurt[second]).toEqual([id]);
    await resticFails();
    expect(await check(vault, false)).toMatchObject({ errors: [] });
  });

  it('B5 a flipped bit in a tree is named and hurts only the records that need it', async () => {
    const [record] = (await vault.records.list()).filter(({ id }) => id === second);
    await vault.loadIndex();
    const { index, packs } = vault.state;
    const entry = index.find(Buffer.from(record!.tree, 'hex'), true);
    const { pack, offset } = index.location(entry);
    const name = packs.names[pack]!;
    flipBit(join(at.vault, 'data', name.slice(0, 2), name), offset + 17);
    const report = await check(vault, false);
    expect(named(report, 'tree')).toEqual([record!.tree]);
    expect(report.hurt).toEqual({ [second]: [record!.tree] });
    await resticFails();
  });

  it('B5 a flipped bit in a pack header is named and hurts no record', async () => {
    await vault.loadIndex();
    const { path, name } = blockOf(shared);
    flipBit(path, -10);
    const report = await check(vault);
    expect(report.errors).toHaveLength(1);
    expect(report.errors[0]).toMatchObject({ kind: 'data', name });
    expect(report.errors[0]!.detail).toContain('header');
    expect(report.hurt).toEqual({});
    await resticFails();
  });

  it('B5 a flipped bit in an index is named', async () => {
    const [path] = files('index');
    flipBit(join(at.vault, 'index', path!), 40);
    const report = await check(vault);
    expect(named(report, 'index')).toEqual([nameOf(path!)]);
    expect(Object.keys(report.hurt).length).toBeGreaterThan(0);
    await resticFails();
  });

  it('B5 a flipped bit in a record is named', async () => {
    flipBit(join(at.vault, 'snapshots', first), 40);
    const report = await check(vault, false);
    expect(named(report, 'snapshots')).toEqual([first]);
    await resticFails();
    await expect(prune(vault)).rejects.toMatchObject({ code: 'REPO_DAMAGED' });
  });

  it('B5 a flipped bit in a key is named, and the vault still opens with another', async () => {
    const other = await vault.keys.add('another password', 'random');
    flipBit(join(at.vault, 'keys', other), 30);
    const report = await check(await openVault(at.backend), false);
    expect(named(report, 'keys')).toEqual([other]);
  });

  it('B5 a flipped bit in the config keeps the vault from opening, as with restic', async () => {
    flipBit(join(at.vault, 'config'), 30);
    await expect(openVault(at.backend)).rejects.toMatchObject({ code: 'REPO_CONFIG' });
    await resticFails();
  });

  it('B5 a lock that cannot be read is told', async () => {
    const lock = await vault.lock(false);
    flipBit(join(at.vault, 'locks', lock.name), 30);
    const report = await check(vault, false);
    expect(report.notes.join()).toContain(lock.name);
    await lock.release();
  });

  it('B5 a missing pack is named with each record it hurts', async () => {
    await vault.loadIndex();
    const { name, id, path } = blockOf(noise('two', 200_000));
    rmSync(path);
    const report = await check(vault, false);
    expect(named(report, 'data')).toEqual([name]);
    expect(Object.keys(report.hurt)).toEqual([second]);
    expect(report.hurt[second]).toContain(id);
    await resticFails(['check']);
    await expect(prune(vault)).rejects.toMatchObject({ code: 'REPO_INCOMPLETE' });
  });

  it('B5 a pack that is too short is named, and only blocks behind its end are lost', async () => {
    await vault.loadIndex();
    const { path, name } = blockOf(shared);
    const bytes = readFileSync(path);
    rewrite(path, bytes.subarray(0, bytes.length - 2000));
    const report = await check(vault, false);
    expect(named(report, 'data')).toEqual([name]);
    expect(Object.keys(report.hurt).length).toBeGreaterThan(0);
    for (const lost of Object.values(report.hurt)) expect(lost).toHaveLength(1);
    await resticFails(['check']);
  });

  it('B5 reads only the share of the packs that was asked for', async () => {
    await vault.loadIndex();
    const packs = vault.state.packs.names.length;
    const whole = (await check(vault)).bytesRead;
    const groups = await Promise.all(
      ['1/3', '2/3', '3/3'].map(async (group) => (await check(await openVault(at.backend), group)).bytesRead),
    );
    expect(groups.reduce((sum, bytes) => sum + bytes)).toBe(whole);
    const one = (await check(vault, '1%')).bytesRead;
    expect(one).toBeGreaterThan(0);
    expect(one).toBeLessThan(whole / 2);
    expect(packs).toBeGreaterThan(4);
    await expect(check(vault, '4/3')).rejects.toMatchObject({ code: 'USAGE' });
    await expect(check(vault, '0%')).rejects.toMatchObject({ code: 'USAGE' });
  });
});
