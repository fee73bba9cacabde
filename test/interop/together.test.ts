// Both programs on one vault at the same time: whoever only adds or reads goes ahead, whoever removes waits or is refused.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { noise } from '../beds/disk-image.ts';
import { rsyncDifferences } from '../beds/nasty-tree.ts';
import { bothRestics } from '../beds/newer-restic.ts';
import { restic } from '../beds/restic.ts';
import { filesOf, intoFolder, testVault } from '../beds/vault.ts';

const restics = await bothRestics();

describe.each(restics)('with restic $version', ({ path, reason, version }) => {
  const beds = mkdtempSync(join(tmpdir(), 'together-'));
  const [tree, other, gate] = [join(beds, 'tree'), join(beds, 'other'), join(beds, 'gate')] as const;
  const vault = testVault(join(beds, 'pool'), 'shop/agent', 'agent password');
  const stock = restic(path, vault.location, 'recovery key', beds);
  /** Whole files of a kind, by their names; directories come with the first file. */
  const stored = (kind: string) => {
    const folder = join(vault.location, kind);
    const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
    return names.filter((name) => /(^|\/)[0-9a-f]{64}$/.test(name));
  };
  const locks = () => stored('locks');
  /** A backup that has written some of its data and waits for `gate`. */
  const slowly = {
    kind: 'command',
    shell: `cat '${tree}'/*; until [ -e '${gate}' ]; do sleep 0.02; done; echo end`,
    fileName: 'slow',
    minBytes: 1,
  } as const;
  const open = () => writeFileSync(gate, '');

  async function until(what: string, holds: () => boolean): Promise<void> {
    for (const deadline = Date.now() + 20_000; !holds(); await sleep(3)) if (Date.now() > deadline) throw new Error(`${what} did not come`);
  }

  beforeAll(async () => {
    for (const folder of [tree, other]) mkdirSync(folder);
    for (let n = 0; n < 40; n++) writeFileSync(join(tree, `of ours ${n}`), noise(`ours ${n}`, 1_200_000));
    for (let n = 0; n < 40; n++) writeFileSync(join(other, `of theirs ${n}`), noise(`theirs ${n}`, 700_000));
    await vault.create('recovery key');
  });

  let waiting: Promise<unknown> | undefined;
  afterEach(async () => {
    open(); // a test that failed must not leave its backup behind
    await waiting?.catch(() => undefined);
  });

  afterAll(() => rmSync(beds, { recursive: true, force: true }));

  test('P7 restic backs up while we do, is refused to prune, and all is whole afterwards', async ({ skip }) => {
    skip(!path, reason);
    rmSync(gate, { force: true });
    const ours = vault.backup(slowly);
    waiting = ours;
    await until('our lock', () => locks().length === 1);
    await until('our first pack', () => stored('data').length > 0);

    const refused = await stock.attempt('prune');
    expect(refused.code).toBe(version === '0.14' ? 1 : 11);
    expect(refused.err).toMatch(/unable to create lock in backend: repository is already locked by PID \d+ on .+ by /);
    expect(refused.err).toContain(`PID ${process.pid}`);
    expect((await stock.attempt('check')).code).not.toBe(0);
    const theirs = await stock.backup(beds, other);
    expect(theirs.files_new).toBe(40);
    // It asks whether our lock is alive by a SIGHUP to this very process.
    const held = locks();
    await stock.run('unlock');
    expect(locks()).toEqual(held);

    open();
    const record = await ours;
    expect(locks()).toEqual([]);
    await stock.check();
    expect((await vault.check(true)).errors).toEqual([]);
    expect((await vault.records()).map(({ paths }) => paths[0]).sort()).toEqual([other, '/slow'].sort());
    expect((await vault.cat(record.id, '/slow')).length).toBe(40 * 1_200_000 + 4);
    await stock.run('prune', '--max-unused', '0');
    const [seen] = (await vault.records()).filter(({ paths }) => paths[0] === other);
    await vault.restore(seen!.id, intoFolder(join(beds, 'restored')));
    expect(await rsyncDifferences(other, join(beds, 'restored', other))).toBe('');
  });

  test('P7 while restic holds the vault alone we are refused and change nothing', async ({ skip }) => {
    skip(!path, reason);
    const child = stock.start(['check', '--read-data']);
    const done = stock.outcome(child);
    await until('the lock of restic', () => locks().length > 0);
    child.kill('SIGSTOP');
    expect(locks().length).toBe(1);
    const files = () => ['data', 'index', 'keys', 'locks', 'snapshots'].map((kind) => stored(kind).toSorted());
    const before = files();
    const [any] = stored('snapshots');
    const holder = { code: 'REPO_LOCKED', message: expect.stringContaining(`pid ${child.pid}`) };
    await expect(vault.backup(filesOf(tree))).rejects.toMatchObject(holder);
    await expect(vault.forget(any!)).rejects.toMatchObject(holder);
    await expect(vault.check(false)).rejects.toMatchObject(holder);
    await expect(vault.restore(any!, intoFolder(join(beds, 'refused')))).rejects.toMatchObject(holder);
    expect((await vault.run({ type: 'vault-unlock', ownLocks: [], all: false })).locks).toEqual([]); // its lock is alive
    expect(files()).toEqual(before);
    expect(existsSync(join(beds, 'refused'))).toBe(false);

    child.kill('SIGCONT');
    expect((await done).code).toBe(0);
    expect(locks()).toEqual([]);
    const record = await vault.backup(filesOf(tree));
    expect(record.summary!.filesNew).toBe(41);
  });

  test('P7 both back up at once, again and again, and nothing is lost', async ({ skip }) => {
    skip(!path, reason);
    const earlier = (await vault.records()).length;
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 8; n++) {
        const bytes = noise(`round ${round}, file ${n}`, 900_000); // the same bytes to both
        writeFileSync(join(tree, `round ${round} ${n}`), bytes);
        writeFileSync(join(other, `round ${round} ${n}`), bytes);
      }
      await Promise.all([vault.backup(filesOf(tree)), stock.backup(beds, other), vault.backup(filesOf(other), { hostname: 'third' })]);
    }
    expect(locks()).toEqual([]);
    const records = await vault.records();
    expect(records.length).toBe(earlier + 6);
    await stock.check();
    expect((await vault.check(true)).errors).toEqual([]);
    await vault.forget(...records.slice(0, -3).map(({ id }) => id));
    await stock.run('prune', '--max-unused', '0');
    for (const [number, { id, paths }] of (await vault.records()).entries()) {
      const target = join(beds, `round-${number}`);
      await (number % 2 === 0 ? vault.restore(id, intoFolder(target)) : stock.run('restore', id, '--target', target));
      expect(await rsyncDifferences(paths[0]!, join(target, paths[0]!))).toBe('');
    }
  });
});
