// What we wrote, read by stock restic: every command that looks must say what we say, and what it restores must be what was backed up.
import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RecordInfo } from '../../src/model/task.ts';
import { allocated, overwrite, text, writeDiskImage } from '../beds/disk-image.ts';
import { attributesOf, buildNastyTree, rsyncDifferences } from '../beds/nasty-tree.ts';
import { bothRestics } from '../beds/newer-restic.ts';
import { run } from '../beds/programs.ts';
import { type ResticNode, restic } from '../beds/restic.ts';
import { filesOf, type Listed, testHost, testVault } from '../beds/vault.ts';

const beds = mkdtempSync(join(tmpdir(), 'ours-read-'));
const tree = join(beds, 'tree');
const disks = [join(beds, 'system.img'), join(beds, 'data.img')];
const dump = { kind: 'command', shell: 'seq 1 900000 | tr 5 five', fileName: 'orders.sql', minBytes: 1000 } as const;
const recoveryKey = 'the recovery key, ünïcode too';
const vault = testVault(join(beds, 'pool'), 'shop/agent-1', 'the password of the agent');
const restics = await bothRestics();
const stock = (program: string) => restic(program, vault.location, recoveryKey, beds);
const made = { files: [] as RecordInfo[], disks: [] as RecordInfo[], dumps: [] as RecordInfo[] };
const beginning = Date.now();

beforeAll(async () => {
  buildNastyTree(tree);
  for (const [number, path] of disks.entries()) writeDiskImage(path, `disk ${number}`);
  await vault.create(recoveryKey);
  const tags = { name: 'before, the change', plan: 'p-1', description: '100 % "quoted"\nand more', kind: 'manual' } as const;
  made.files.push(await vault.backup(filesOf(tree), { tags }), await vault.backup(filesOf(tree)));
  made.disks.push(await vault.backup({ kind: 'disk', paths: disks }));
  made.dumps.push(await vault.backup(dump));
  // Restored trees are compared with the source as it is now: the last of each.
  appendFileSync(join(tree, 'small'), 'and some more\n');
  writeFileSync(join(tree, 'added'), 'new');
  rmSync(join(tree, 'A.txt'));
  chmodSync(join(tree, 'large'), 0o600);
  overwrite(disks[1]!, 20 << 20, text('changed', 4096));
  made.files.push(await vault.backup(filesOf(tree), { tags: { name: 'after' } }));
  made.disks.push(await vault.backup({ kind: 'disk', paths: disks }));
});

afterAll(() => rmSync(beds, { recursive: true, force: true }));

test.for(restics)('P7 restic $version checks all that we wrote and finds no error', async ({ path, reason }, { skip }) => {
  skip(!path, reason);
  const said = await stock(path).check();
  expect(said).toContain('6 / 6 snapshots');
  expect(said).not.toMatch(/not referenced|additional files|mixed pack|superfluous/);
});

test.for(restics)(
  'P7 restic $version lists our backups with host, paths, time, tags and summary',
  async ({ path, reason, version }, { skip }) => {
    skip(!path, reason);
    const ours = await vault.records();
    const theirs = await stock(path).snapshots();
    expect(theirs.map(({ id }) => id)).toEqual(ours.map(({ id }) => id));
    for (const [number, record] of ours.entries()) {
      const seen = theirs[number]!;
      expect(seen).toMatchObject({ hostname: testHost, tree: record.tree, tags: record.rawTags });
      expect(seen.paths.toSorted()).toEqual(record.paths.toSorted());
      expect(seen.parent).toBe(record.parent);
      expect(Date.parse(seen.time)).toBe(record.time);
      expect(record.time).toBeGreaterThanOrEqual(beginning);
      if (version !== '0.19') continue;
      expect(seen.program_version).toMatch(/^stillpoint \d/);
      const { totalBytes, dataAdded, filesNew, filesUnmodified } = record.summary!;
      expect(seen.summary).toMatchObject({
        total_bytes_processed: totalBytes,
        data_added: dataAdded,
        files_new: filesNew,
        files_unmodified: filesUnmodified,
      });
    }
    expect(made.files[1]!.parent).toBe(made.files[0]!.id);
    expect(made.files[0]!.tags).toMatchObject({ name: 'before, the change', description: '100 % "quoted"\nand more' });
    expect(
      (await stock(path).json<unknown[]>('snapshots', '--tag', made.files[0]!.rawTags.find((tag) => tag.startsWith('name='))!)).length,
    ).toBe(1);
  },
);

/** Go's FileMode as st_mode's lower twelve bits. */
const permissions = (mode = 0): number =>
  (mode & 0o777) | (mode & (1 << 23) ? 0o4000 : 0) | (mode & (1 << 22) ? 0o2000 : 0) | (mode & (1 << 20) ? 0o1000 : 0);
const ofTheirs = ({ path, type, uid, gid, size = 0, mode, mtime }: ResticNode) => ({
  path,
  type,
  uid,
  gid,
  size,
  mode: permissions(mode),
  mtime,
});
const ofOurs = ({ path, type, uid, gid, size, mode, mtime }: Listed) => ({ path, type, uid, gid, size, mode, mtime });

test.for(restics)('B19 ls of restic $version and ours tell the same of every entry', async ({ path, reason }, { skip }) => {
  skip(!path, reason);
  for (const record of [made.files[2]!, made.disks[1]!, made.dumps[0]!]) {
    const theirs = (await stock(path).ls(record.id)).map(ofTheirs);
    const ours = (await vault.ls(record.id)).map(ofOurs);
    expect(theirs.length).toBeGreaterThan(2);
    expect(ours).toEqual(theirs);
  }
  const below = join(tree, 'A');
  const theirs = (await stock(path).ls(made.files[2]!.id, below)).map((node) => node.path);
  expect(theirs).toEqual([below, join(below, 'x')]);
});

test.for(restics)('S3 restic $version restores our nasty tree as it was', async ({ path, reason, version }, { skip }) => {
  skip(!path, reason);
  const target = join(beds, `by-${version}`);
  await stock(path).run('restore', made.files[2]!.id, '--target', target, '--verify');
  const differences = await rsyncDifferences(tree, join(target, tree));
  if (version === '0.19') {
    expect(differences).toBe('');
    expect(await attributesOf(join(target, tree))).toBe(await attributesOf(tree));
  } else {
    // It sets the attributes of a symbolic link on what the link points to, and reads none of links itself.
    expect(differences).toBe('.L........x link -> small\n.f........x small\n');
  }
  expect(readFileSync(join(target, '.stillpoint/agent.json'), 'utf8')).toBe('{"agent":"test"}');
});

test('S3 we restore the nasty tree as it was', async () => {
  const target = join(beds, 'by-us');
  await vault.restore(made.files[2]!.id, { kind: 'files', path: target, include: [], overwrite: 'always', delete: false, verify: true });
  expect(await rsyncDifferences(tree, join(target, tree))).toBe('');
});

test.for(restics)('S1 restic $version restores our disks byte for byte', async ({ path, reason, version }, { skip }) => {
  skip(!path, reason);
  const target = join(beds, `disks-by-${version}`);
  const sparse = version === '0.19' ? ['--sparse'] : [];
  await stock(path).run('restore', made.disks[1]!.id, '--target', target, '--verify', ...sparse);
  for (const disk of disks) {
    await run('cmp', [disk, join(target, disk)]);
    // 0.14 knows no holes. A block is 1 MiB, so that a stretch of data takes up to two blocks more than itself.
    if (version === '0.19') expect(allocated(join(target, disk))).toBeLessThanOrEqual(13 << 20);
  }
});

test.for(restics)('S10 restic $version prints the dump that we stored, as we do', async ({ path, reason }, { skip }) => {
  skip(!path, reason);
  const expected = Buffer.from(await run('bash', ['-c', dump.shell]));
  expect(expected.length).toBeGreaterThan(5_000_000);
  expect((await stock(path).bytes('dump', made.dumps[0]!.id, '/orders.sql')).equals(expected)).toBe(true);
  expect((await vault.cat(made.dumps[0]!.id, '/orders.sql')).equals(expected)).toBe(true);
  const older = (await stock(path).bytes('dump', made.files[0]!.id, join(tree, 'small'))).toString();
  expect(older).toBe('a few bytes\n');
});

test.for(restics)('B19 diff of restic $version and ours name the same changes', async ({ path, reason }, { skip }) => {
  skip(!path, reason);
  const [before, same, after] = made.files.map(({ id }) => id) as [string, string, string];
  const changes = async (from: string, to: string) =>
    (await stock(path).lines<{ message_type: string; path: string; modifier: string }>('diff', '--metadata', from, to))
      .filter(({ message_type, path: of }) => message_type === 'change' && of.startsWith(tree))
      .map(({ path: of, modifier }) => `${modifier} ${of.replace(/\/$/, '')}`)
      .sort();
  const ours = async (from: string, to: string) => {
    const lines = await vault.diff(from, to);
    return lines.flatMap(({ path: of, change }) => (of?.startsWith(tree) ? [`${change} ${of}`] : [])).sort();
  };
  const expected = [`+ ${tree}/added`, `- ${tree}/A.txt`, `M ${tree}/small`, `U ${tree}/large`, `U ${tree}`];
  expect(await changes(before, after)).toEqual(expected.toSorted());
  expect(await ours(before, after)).toEqual(expected.toSorted());
  expect(await changes(before, same)).toEqual([]);
  expect(await ours(before, same)).toEqual([]);
});

test.for(restics)('B19 find of restic $version and ours find the same', async ({ path, reason }, { skip }) => {
  skip(!path, reason);
  for (const pattern of ['li?k*', '*.img', '*[.]sql', 'ünï*', join(tree, '*/linked-[1-9]')]) {
    const theirs = await stock(path).json<{ snapshot: string; matches: { path: string; size?: number }[] }[]>('find', pattern);
    const flat = theirs.flatMap(({ snapshot, matches }) => matches.map((match) => `${snapshot} ${match.path} ${match.size ?? 0}`));
    const ours = await vault.find(
      [...made.files, ...made.disks, ...made.dumps].map(({ id }) => id),
      pattern,
    );
    expect(flat.length).toBeGreaterThan(0);
    expect(ours.map(({ backup, path: of, size }) => `${backup} ${of} ${size}`).sort()).toEqual(flat.sort());
  }
});

test.for(restics)('P7 stats, cat and key list of restic $version agree with us', async ({ path, reason }, { skip }) => {
  skip(!path, reason);
  const sizes = (await vault.ls(made.files[2]!.id)).reduce((sum, { size }) => sum + size, 0);
  const linked = 2 * 'three names'.length; // restic counts the bytes of hard links once
  const total = await stock(path).json<{ total_size: number }>('stats', made.files[2]!.id);
  expect(total.total_size).toBe(sizes - linked);
  const raw = await stock(path).json<{ total_blob_count: number; total_size: number }>('stats', '--mode', 'raw-data');
  const report = await vault.check(false);
  expect(raw.total_blob_count).toBe(report.blobs);
  expect(raw.total_size).toBe((await vault.run({ type: 'vault-scan' })).storedBytes);
  const config = JSON.parse(await stock(path).run('cat', 'config')) as { version: number; id: string };
  expect(config).toMatchObject({ version: 2, id: (await vault.run({ type: 'vault-scan' })).repositoryId });
  const keys = await stock(path).json<{ id: string; current: boolean }[]>('key', 'list');
  const ours = (await vault.run({ type: 'keys', action: 'list' })).keys!;
  expect(keys.length).toBe(2);
  expect(ours.map(({ id }) => id.slice(0, keys[0]!.id.length)).sort()).toEqual(keys.map(({ id }) => id).sort());
  // Each of us opened with the other key.
  expect(ours.find(({ current }) => current)!.id.startsWith(keys.find(({ current }) => current)!.id)).toBe(false);
});
