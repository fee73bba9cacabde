// Stock restic changes a vault of ours (tags, rewritten trees, forgotten backups, repacked packs, keys, a rebuilt index), and after each
// change we go on: list, back up with what it left as parent, check all data, restore.
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RecordInfo } from '../../src/model/task.ts';
import { writeDiskImage } from '../beds/disk-image.ts';
import { buildNastyTree, rsyncDifferences } from '../beds/nasty-tree.ts';
import { bothRestics } from '../beds/newer-restic.ts';
import { run } from '../beds/programs.ts';
import { restic } from '../beds/restic.ts';
import { filesOf, intoFolder, testVault } from '../beds/vault.ts';

const restics = await bothRestics();

describe.each(restics)('restic $version', ({ path, reason, version }) => {
  const beds = mkdtempSync(join(tmpdir(), 'changed-by-'));
  const tree = join(beds, 'tree');
  const disk = join(beds, 'disk.img');
  const vault = testVault(join(beds, 'pool'), 'shop/agent', 'agent password');
  const stock = restic(path, vault.location, 'recovery key', beds);
  let rounds = 0;

  beforeAll(async () => {
    buildNastyTree(tree);
    writeDiskImage(disk, 'one');
    await vault.create('recovery key');
    await vault.backup(filesOf(tree), { tags: { name: 'first' } });
    await vault.backup({ kind: 'disk', paths: [disk] }, { tags: { name: 'disk' } });
  });

  afterAll(() => rmSync(beds, { recursive: true, force: true }));

  const newest = async (): Promise<RecordInfo> => (await vault.records()).findLast(({ paths }) => paths[0] === tree)!;

  /** We list, back up, check and restore; returns the new backup. */
  async function goOn(expected: { readonly parent: string }): Promise<RecordInfo> {
    rounds++;
    appendFileSync(join(tree, 'small'), `round ${rounds}\n`);
    const before = await vault.records();
    const record = await vault.backup(filesOf(tree));
    expect(record.parent).toBe(expected.parent);
    expect((await vault.records()).map(({ id }) => id)).toEqual([...before.map(({ id }) => id), record.id]);
    expect((await vault.check(true)).errors).toEqual([]);
    await stock.check();
    const target = join(beds, `round-${rounds}`);
    await vault.restore(record.id, intoFolder(target));
    expect(await rsyncDifferences(tree, join(target, tree))).toBe('');
    rmSync(target, { recursive: true, force: true });
    return record;
  }

  test('P7 tags that it adds are kept, and the tagged backup is the parent of our next', async ({ skip }) => {
    skip(!path, reason);
    const first = await newest();
    await stock.run('tag', '--add', 'audited,keep me', first.id);
    const tagged = await newest();
    expect(tagged.id).not.toBe(first.id);
    expect(tagged.rawTags).toEqual([...first.rawTags, 'audited', 'keep me']);
    expect(tagged).toMatchObject({ tags: { name: 'first' }, tree: first.tree, time: first.time });
    expect((await stock.snapshots()).find(({ id }) => id === tagged.id)!.original).toBe(first.id);
    const { summary } = await goOn({ parent: tagged.id });
    // `small` alone: the agent's own configuration comes with every backup, but is as it was.
    expect(summary).toMatchObject({ filesNew: 0, filesChanged: 1 });
    expect(summary!.dataAdded).toBeLessThan(100_000);
  });

  test.runIf(version !== '0.14')('P7 it finds nothing in our trees that it would write otherwise, and rewrites them', async ({ skip }) => {
    skip(!path, reason);
    const dry = await stock.run('rewrite', '--dry-run', '--exclude', 'nothing has this name');
    expect(dry).not.toContain('cannot encode tree');
    expect(dry).toContain('no snapshots would be modified');
    const before = await newest();
    await stock.run('rewrite', '--exclude', '*/tree/large', '--exclude', 'level-3', '--forget', before.id);
    const rewritten = await newest();
    expect(rewritten.id).not.toBe(before.id);
    expect((await vault.ls(rewritten.id, tree, false)).some(({ path: of }) => of.endsWith('/large'))).toBe(false);
    const { summary } = await goOn({ parent: rewritten.id });
    // `large` and the deep file are new to it, all else was not read again.
    expect(summary).toMatchObject({ filesNew: 2, filesChanged: 1 });
  });

  test('B6 after it has forgotten backups and pruned, we go on', async ({ skip }) => {
    skip(!path, reason);
    const latest = await newest();
    const all = await vault.records();
    const [gone] = all.filter(({ paths, id }) => paths[0] === tree && id !== latest.id);
    await stock.run('forget', gone!.id);
    await stock.run('forget', '--keep-last', '1', '--prune', '--max-unused', '0');
    const kept = await vault.records();
    expect(kept.map(({ tags }) => tags.name ?? '').sort()).toEqual(['', 'disk']);
    expect(kept.find(({ paths }) => paths[0] === tree)!.id).toBe(latest.id);
    const record = await goOn({ parent: latest.id });
    expect(record.summary!.filesNew).toBe(0);

    // Ours goes, in turn: what only it needed is freed, and both programs say that the rest is whole.
    await vault.forget(record.id);
    await stock.run('prune', '--max-unused', '0');
    expect((await vault.check(true)).errors).toEqual([]);
    const image = kept.find(({ paths }) => paths[0] === disk)!;
    await vault.restore(image.id, { kind: 'disk', map: { [disk]: join(beds, 'restored.img') }, verify: true });
    await run('cmp', [disk, join(beds, 'restored.img')]);
  });

  test('P7 it rebuilds the index from our packs alone', async ({ skip }) => {
    skip(!path, reason);
    const blobs = (await vault.check(false)).blobs;
    for (const name of readdirSync(join(vault.location, 'index'))) rmSync(join(vault.location, 'index', name), { force: true });
    await stock.run(...(version === '0.14' ? ['rebuild-index'] : ['repair', 'index']));
    expect((await vault.check(true)).blobs).toBe(blobs);
    await goOn({ parent: (await newest()).id });
  });

  test.runIf(version === '0.14')('P7 it copies our backups into a repository of its own', async () => {
    const other = restic(path, join(beds, 'copy'), 'other', beds);
    await other.run('init');
    await other.with({ RESTIC_FROM_PASSWORD: 'recovery key' }, 'copy', '--from-repo', vault.location);
    await other.check();
    const target = join(beds, 'from-copy');
    const record = await newest();
    const copied = (await other.snapshots()).find(({ time }) => Date.parse(time) === record.time)!;
    expect(copied).toMatchObject({ tree: record.tree, tags: record.rawTags });
    await other.run('restore', copied.id, '--target', target, '--include', join(tree, 'other'));
    expect(readdirSync(join(target, tree, 'other')).sort()).toEqual(readdirSync(join(tree, 'other')).sort());
  });

  test.runIf(version === '0.14')('P7 keys that it adds, changes and removes count for us at once', async () => {
    const keys = async () => (await vault.run({ type: 'keys', action: 'list' })).keys!;
    const secret = (text: string) => run('bash', ['-c', 'umask 77; printf "%s\\n" "$1" > "$2"', 'bash', text, join(beds, 'new-key')]);
    await secret('added by restic');
    await stock.run('key', 'add', '--new-password-file', join(beds, 'new-key'));
    expect((await keys()).length).toBe(3);
    const second = testVault(join(beds, 'pool'), 'shop/agent', 'password of another agent');
    await second.attach('added by restic');
    expect((await second.records()).length).toBe((await vault.records()).length);

    await secret('changed by restic');
    await stock.run('key', 'passwd', '--new-password-file', join(beds, 'new-key'));
    expect((await stock.attempt('snapshots')).code).not.toBe(0);
    const third = testVault(join(beds, 'pool'), 'shop/agent', 'third');
    await expect(third.attach('recovery key')).rejects.toMatchObject({ code: 'REPO_WRONG_KEY' });
    await third.attach('changed by restic');
    const changed = restic(path, vault.location, 'changed by restic', beds);
    expect((await changed.json<unknown[]>('key', 'list')).length).toBe((await keys()).length);

    const own = (await second.run({ type: 'keys', action: 'list' })).keys!.find(({ current }) => current)!;
    await changed.run('key', 'remove', own.id);
    await expect(second.records()).rejects.toMatchObject({ code: 'REPO_WRONG_KEY' });
    expect((await vault.backup(filesOf(tree))).parent).toBe((await vault.records()).at(-2)!.id);
    await changed.check();
  });
});
