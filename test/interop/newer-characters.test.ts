// File names with characters that are newer than the Unicode tables of the Go versions that restic is built with (13.0 in Debian 12's
// 0.14, 15.0 in 0.19), while Node knows them: what Go calls unprintable must be written as an escape, or restic cannot rewrite the tree.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RecordInfo } from '../../src/model/task.ts';
import { rsyncDifferences } from '../beds/nasty-tree.ts';
import { bothRestics, newerRestic } from '../beds/newer-restic.ts';
import { restic } from '../beds/restic.ts';
import { filesOf, intoFolder, testHost, testVault } from '../beds/vault.ts';

const characters = {
  unicode14: '\u{1fae0}',
  unicode15: '\u{1fae8}',
  unicode16: '\u{1fae9}',
  unicode16Letter: '\u{11bc0}',
  unicode17: '\u{1cef0}',
};

const restics = await bothRestics();
const newer = await newerRestic();
const beds = mkdtempSync(join(tmpdir(), 'newer-characters-'));
const tree = join(beds, 'tree');
const vault = testVault(join(beds, 'pool'), 'shop/agent', 'agent password');
const stock = (path: string) => restic(path, vault.location, 'recovery key', beds);
const file = join(tree, `dir ${characters.unicode16}`, `file ${characters.unicode16Letter}`);
let record: RecordInfo;

beforeAll(async () => {
  for (const [age, character] of Object.entries(characters)) {
    const folder = join(tree, `dir ${character}`);
    mkdirSync(folder, { recursive: true });
    for (const inner of Object.values(characters)) writeFileSync(join(folder, `file ${inner}`), `${age} ${inner}`);
    symlinkSync(`file ${character}`, join(folder, `link ${character} ${age}`));
  }
  await vault.create('recovery key');
  record = await vault.backup(filesOf(tree));
});

afterAll(() => rmSync(beds, { recursive: true, force: true }));

test('P7 Node knows characters that our table of Go calls unprintable', () => {
  for (const character of [characters.unicode16, characters.unicode16Letter]) expect(character).toMatch(/^[\p{L}\p{S}]$/u);
});

test.for(restics)(
  'P7 restic $version lists, finds, prints and restores them, and goes on with our backup',
  async ({ path, reason, version }, { skip }) => {
    skip(!path, reason);
    const program = stock(path);
    await program.check();
    expect((await program.ls(record.id)).map((node) => node.path)).toEqual((await vault.ls(record.id)).map((entry) => entry.path));
    expect((await program.ls(record.id, join(tree, `dir ${characters.unicode16}`))).length).toBe(7);
    const [found] = await program.json<{ matches: { path: string }[] }[]>('find', `file ${characters.unicode16Letter}`);
    expect(found!.matches.length).toBe(5);
    expect((await program.bytes('dump', record.id, file)).toString()).toBe(readFileSync(file, 'utf8'));
    const target = join(beds, `by-${version}`);
    await program.run('restore', record.id, '--target', target, '--verify');
    expect(await rsyncDifferences(tree, join(target, tree))).toBe('');

    const theirs = await program.backup(beds, '--host', testHost, tree);
    expect(theirs).toMatchObject({ files_new: 0, files_changed: 0, files_unmodified: 25 });
  },
);

test('P7 restic 0.19 rewrites the trees without loss', async ({ skip }) => {
  skip(!newer.path, newer.reason);
  const program = stock(newer.path);
  const said = await program.attempt('rewrite', '--dry-run', '--exclude', 'nothing', record.id);
  expect(said).toMatchObject({ code: 0, out: expect.stringContaining('no snapshots would be modified') });
  await program.run('rewrite', '--exclude', `file ${characters.unicode16}`, record.id);
  await program.check();
  const rewritten = (await vault.records()).find(({ rawTags }) => rawTags.includes('rewrite'))!;
  const names = (await vault.ls(rewritten.id)).map((entry) => entry.path);
  expect(names.length).toBe((await vault.ls(record.id)).length - 5);
  expect(names).toContain(file);
});

test('P7 what restic wrote with an older table is a tree that 0.19 cannot rewrite, and we read it all the same', async ({ skip }) => {
  skip(!newer.path, newer.reason);
  // The proof that the test before this one can fail: 0.14 writes escapes for what 0.19 calls printable.
  const older = restic('restic', join(beds, 'older', 'repository'), 'older', beds);
  await older.run('init');
  await older.backup(beds, tree);
  const said = await restic(newer.path, join(beds, 'older', 'repository'), 'older', beds).attempt(
    'rewrite',
    '--dry-run',
    '--exclude',
    'nothing',
  );
  expect(`${said.out}${said.err}`).toContain('cannot encode tree');
});

test.for(restics)('B8 we restore what restic $version wrote of them', async ({ path, reason, version }, { skip }) => {
  skip(!path, reason);
  const pool = join(beds, `pool-${version}`);
  const theirs = testVault(pool, 'repository', 'agent password');
  mkdirSync(pool);
  const program = restic(path, theirs.location, 'theirs', beds);
  await program.run('init');
  await program.backup(beds, '--host', testHost, tree);
  await theirs.attach('theirs');
  const [first] = await theirs.records();
  const target = join(beds, `of-${version}`);
  await theirs.restore(first!.id, intoFolder(target));
  expect(await rsyncDifferences(tree, join(target, tree))).toBe('');
  const next = await theirs.backup(filesOf(tree));
  expect(next.summary).toMatchObject({ filesNew: 1, filesChanged: 0, filesUnmodified: 25 });
  expect((await theirs.cat(next.id, file)).toString()).toBe(readFileSync(file, 'utf8'));
  await program.check();
});
