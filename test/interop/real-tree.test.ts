// A part of /usr/share as it is on this machine: thousands of files that nobody made for a test.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RecordInfo } from '../../src/model/task.ts';
import { rsyncDifferences } from '../beds/nasty-tree.ts';
import { needPrograms } from '../beds/programs.ts';
import { restic } from '../beds/restic.ts';
import { filesOf, intoFolder, testVault } from '../beds/vault.ts';

/** At most so much (MiB) and so many entries, so that a machine with much installed does not take minutes. */
const bounds = { size: 150, entries: 10_000 };
const beds = mkdtempSync(join(tmpdir(), 'real-tree-'));
const vault = testVault(join(beds, 'pool'), 'shop/agent', 'agent password');
const paths = chooseFolders();
let record: RecordInfo;

function chooseFolders(): string[] {
  const names = ['zoneinfo', 'perl', 'perl5', 'mime', 'i18n', 'X11', 'terminfo', 'fonts', 'doc', 'icons', 'vim', 'locale', 'man'];
  const chosen: string[] = [];
  let [size, entries] = [0, 0];
  for (const path of names.map((name) => join('/usr/share', name)).filter(existsSync)) {
    const measure = (flag: string) => Number.parseInt(execFileSync('du', ['-sx', flag, path], { encoding: 'utf8' }), 10);
    const [mib, count] = [measure('--block-size=1M'), measure('--inodes')];
    if (size + mib > bounds.size || entries + count > bounds.entries) continue;
    chosen.push(path);
    [size, entries] = [size + mib, entries + count];
  }
  return chosen;
}

async function differences(restored: string): Promise<string> {
  let all = '';
  for (const path of paths) all += await rsyncDifferences(path, join(restored, path));
  return all;
}

beforeAll(async () => {
  needPrograms(['restic', 'rsync'], 'restic rsync');
  await vault.create('recovery key');
  record = await vault.backup(filesOf(...paths));
});

afterAll(() => rmSync(beds, { recursive: true, force: true }));

test('S3 a real tree comes back through stock restic as it was', async () => {
  expect(record.summary!.filesNew).toBeGreaterThan(1000);
  expect(vault.warnings).toEqual([]);
  const stock = restic('restic', vault.location, 'recovery key', beds);
  await stock.check();
  await stock.run('restore', record.id, '--target', join(beds, 'by-restic'));
  expect(await differences(join(beds, 'by-restic'))).toBe('');
  rmSync(join(beds, 'by-restic'), { recursive: true });
  const theirs = await stock.backup(beds, '--host', record.hostname, ...paths);
  // The agent's own configuration is ours alone.
  expect(theirs).toMatchObject({ files_new: 0, files_changed: 0, files_unmodified: record.summary!.totalFiles - 1 });
});

test('S3 a real tree comes back through us as it was, and is not read again', async () => {
  const counts = await vault.restore(record.id, intoFolder(join(beds, 'by-us')));
  expect(counts.files).toBe(record.summary!.totalFiles - 1);
  expect(await differences(join(beds, 'by-us'))).toBe('');
  const again = await vault.backup(filesOf(...paths));
  expect(again.summary!.filesUnmodified).toBe(record.summary!.totalFiles - 1);
  expect(again.summary!.dataAdded).toBeLessThan(200_000);
});
