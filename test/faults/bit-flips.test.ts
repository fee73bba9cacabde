// One bit turned anywhere in any kind of file: our check and restic's both fail and both name the file.
import { chmodSync, copyFileSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Damage } from '../../src/model/task.ts';
import { backupSpec, type FaultHome, faultHome, full, tiny, writeFiles } from '../beds/fault-home.ts';
import { restic } from '../beds/restic.ts';

const tries = full ? 12 : 2;

describe('a flipped bit', { timeout: full ? 1_200_000 : 240_000 }, () => {
  let bed: FaultHome;
  let otherKey: string;

  beforeAll(async () => {
    bed = faultHome();
    writeFiles(join(bed.home, 'tree'), 0, 30, 30_000);
    await bed.vault.create('recovery key');
    const own = readdirSync(join(bed.vault.location, 'keys'));
    await bed.vault.run(backupSpec(bed.access, join(bed.home, 'tree')), { repository: tiny });
    const { keys } = await bed.vault.run({ type: 'keys', action: 'add', newPassword: 'third' });
    otherKey = keys!.find(({ id }) => !own.includes(id))!.id;
  });
  afterAll(() => bed?.remove());

  const namesOf = (kind: string) =>
    readdirSync(join(bed.vault.location, kind), { recursive: true, encoding: 'utf8' }).filter((name) => /(^|\/)[0-9a-f]{64}$/.test(name));

  /** Runs `work` while one bit of a file is another; the place is 0 ≤ place < 1. */
  async function flipped<T>(path: string, place: number, work: () => Promise<T>): Promise<T> {
    copyFileSync(path, `${bed.home}/kept`);
    const bytes = readFileSync(path);
    const bit = Math.floor(place * bytes.length * 8);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    rmSync(path);
    writeFileSync(path, bytes);
    try {
      return await work();
    } finally {
      renameSync(`${bed.home}/kept`, path);
      chmodSync(path, 0o400);
    }
  }

  async function expectBothNameIt(kind: 'index' | 'snapshots' | 'data', relative: string, place: number): Promise<void> {
    const path = join(bed.vault.location, kind, relative);
    const name = relative.slice(-64);
    const where = `${kind}/${name.slice(0, 8)} at ${Math.floor(place * statSync(path).size)}`;
    const { errors } = await flipped(path, place, async () => {
      const theirs = await bed.stock.attempt('check', '--read-data');
      expect([where, theirs.code]).not.toEqual([where, 0]);
      expect(`${where}: ${theirs.out}${theirs.err}`.slice(where.length)).toContain(name.slice(0, 8));
      return await bed.vault.check(true);
    });
    expect(errors.filter((error: Damage) => error.kind === kind).map((error) => error.name)).toEqual([name]);
  }

  it.each(['index', 'snapshots', 'data'] as const)('B9 P7 anywhere in a file of %s', async (kind) => {
    const names = namesOf(kind);
    for (let n = 0; n < tries; n++) await expectBothNameIt(kind, names[Math.floor(Math.random() * names.length)]!, Math.random());
    // Its very ends: the nonce and what comes last, in a pack the length of its header.
    await expectBothNameIt(kind, names[0]!, 0);
    await expectBothNameIt(kind, names[0]!, 1 - 1e-9);
    expect((await bed.vault.check(true)).errors).toEqual([]);
  });

  it('B9 P6 in a key: the vault opens with the others, and the key is named', async () => {
    const path = join(bed.vault.location, 'keys', otherKey);
    const text = readFileSync(path, 'utf8');
    // One that still is a letter or a digit: restic opens nothing where a key that it meets first is no base64.
    const from = text.indexOf('"data"') + 20;
    const place = from + text.slice(from).search(/[B-Yb-y0-9]/);
    await flipped(path, (place + 0.01) / text.length, async () => {
      const { errors } = await bed.vault.check(false);
      expect(errors).toMatchObject([{ kind: 'keys', name: otherKey }]);
      const third = restic('restic', bed.vault.location, 'third', bed.home);
      expect((await third.attempt('snapshots')).code).not.toBe(0);
      expect((await bed.stock.snapshots()).length).toBe(1);
    });
    expect((await bed.vault.check(false)).errors).toEqual([]);
  });

  it('B9 P7 anywhere in the config: neither program opens the vault, and both say why', async () => {
    for (const place of [0, Math.random(), 1 - 1e-9])
      await flipped(join(bed.vault.location, 'config'), place, async () => {
        const theirs = await bed.stock.attempt('check');
        expect(theirs.code).not.toBe(0);
        expect(theirs.err).toContain('config');
        await expect(bed.vault.records()).rejects.toMatchObject({ code: 'REPO_CONFIG', message: expect.stringContaining('config') });
        await expect(bed.vault.backup(backupSpec(bed.access, bed.home).source)).rejects.toMatchObject({ code: 'REPO_CONFIG' });
      });
    await bed.stock.check();
  });
});
