// A vault whose index lists millions of blobs: what every task holds in memory all the time is bounded by 64 bytes for each.
import { randomFillSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localBackend } from '../../src/backends/local.ts';
import type { TaskSpec, VaultAccess } from '../../src/model/task.ts';
import { blobIndex, createSharedIndex } from '../../src/repository/blob-index.ts';
import { addPack, emptyPackTable, saveIndexFile } from '../../src/repository/index-file.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { rsyncDifferences } from '../beds/nasty-tree.ts';
import { needPrograms, run } from '../beds/programs.ts';
import { backupOf, blobCount, full, megabytes, memoryBound, onlyFull, recordOf, reporter, runTaskProcess } from '../beds/task-runner.ts';
import { filesOf, intoFolder, testVault } from '../beds/vault.ts';

const blobs = Number(process.env['STILLPOINT_FULL_BLOBS'] ?? 5_000_000);
/** As restic and we cut them: a MiB a blob, 16 MiB a pack, 50,000 blobs an index file. */
const blobsAPack = 16;
const blobsAFile = 50_000;
const password = 'password of the agent';

/** Index files that list packs which are nowhere: nobody asks for them as long as no backup needs their blobs. */
async function writeIndexFiles({ pool, path, password }: VaultAccess): Promise<void> {
  if (pool.place.type !== 'local') throw new Error('a local pool is expected');
  const backend = localBackend({ root: pool.place.path, path });
  const { cipher, config } = (await openRepository(backend, password)).state;
  const names = Buffer.alloc(32);
  const ids = Buffer.alloc(32 * blobsAPack);
  for (let done = 0; done < blobs; done += blobsAFile) {
    const index = blobIndex(createSharedIndex(blobsAFile));
    const packs = emptyPackTable();
    for (let first = 0; first < Math.min(blobsAFile, blobs - done); first += blobsAPack) {
      const number = addPack(packs, randomFillSync(names).toString('hex'), { first, count: blobsAPack }, '');
      randomFillSync(ids);
      for (let i = 0, offset = 0; i < blobsAPack; i++) {
        const length = 900_000 + ids.readUInt16LE(i * 32);
        index.add(ids.subarray(i * 32, i * 32 + 32), false, { pack: number, offset, length, plainLength: length + 100_000 });
        offset += length;
      }
    }
    await saveIndexFile(backend, [...packs.numbers.values()], packs, index, cipher, config.version);
  }
}

describe('an index of millions of blobs', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'big-index-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  it.skipIf(!full)(
    `S1 S3 five millions are opened, written to and restored from${onlyFull}`,
    async () => {
      needPrograms(['restic', 'rsync', 'time'], 'restic rsync time');
      mkdirSync(join(home, 'pool'));
      const tree = join(home, 'tree');
      const write = (from: number, to: number, text: string) => {
        for (let number = from; number < to; number++) writeFileSync(join(tree, `file-${number}`), `${text} ${number}\n`.repeat(500));
      };
      mkdirSync(tree);
      write(0, 200, 'first');
      const vault = testVault(join(home, 'pool'), 'shop/agent', password);
      await vault.create('recovery key');
      await vault.backup(filesOf(tree));
      await writeIndexFiles(vault.access);
      const count = await blobCount(vault.access);
      expect(count).toBeGreaterThan(blobs);
      const bound = memoryBound(count);

      const report = reporter('3-big-index', `An index of ${blobs.toLocaleString('en')} blobs`);
      report.say(
        `Each blob in one of ${Math.ceil(blobs / blobsAPack).toLocaleString('en')} packs, listed by ${Math.ceil(blobs / blobsAFile)} index files.`,
      );
      const step = async (what: string, spec: TaskSpec) => {
        const done = await runTaskProcess(spec, home);
        report.row(what, done.seconds, { peak: done.peak, bound });
        report.write();
        return done;
      };
      const stock = async (what: string, ...args: readonly string[]) => {
        const file = join(home, 'measured');
        const argv = ['-o', file, '-f', '%e %M', 'restic', '-r', vault.location, '--no-cache', ...args];
        await run('time', argv, { env: { RESTIC_PASSWORD: password }, timeout: 900_000 });
        const [seconds, kilobytes] = (await run('cat', [file])).trim().split(' ').map(Number);
        report.row(what, seconds!, { peak: kilobytes! * 1024 });
      };

      write(100, 110, 'second');
      const backup = backupOf(vault.access, filesOf(tree));
      const second = await step('backup of 200 small files, 10 changed', backup);
      const record = recordOf(second);
      // With the agent's configuration, which is as it was.
      expect(record.summary).toMatchObject({ filesUnmodified: 191, filesChanged: 10 });
      const target = join(home, 'restored');
      const back = await step('restore of them', {
        type: 'restore',
        vault: vault.access,
        record: record.id,
        target: intoFolder(target),
        dryRun: false,
      });
      expect(await rsyncDifferences(tree, join(target, tree))).toBe('');
      const listed = await step('ls', { type: 'ls', vault: vault.access, record: record.id, path: '/', recursive: true });
      await stock('stock restic backup of them', 'backup', tree);
      report.say(`64 bytes for each blob are ${megabytes(64 * count)}.`);
      report.write();
      for (const { peak } of [second, back, listed]) expect(peak).toBeLessThanOrEqual(bound);
    },
    30 * 60_000,
  );
});
