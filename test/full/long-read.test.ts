// A disk as large as a big server's, all of it data, read through: memory does not grow with it.
import { createCipheriv, randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LoopDisk, loopDisk } from '../beds/loop-disk.ts';
import { needPrograms, run } from '../beds/programs.ts';
import { backupOf, blobCount, full, memoryBound, onlyFull, recordOf, reporter, runTaskProcess } from '../beds/task-runner.ts';
import { testVault } from '../beds/vault.ts';

const gib = 2 ** 30;
/** How many times the same GiB stands in the image. Fewer for whoever tries the test itself. */
const copies = Number(process.env['STILLPOINT_FULL_GIB'] ?? 300);
const password = 'password of the agent';

/** One GiB of noise, and further files of the file system share its blocks: each is read by itself, the disk holds it once. */
async function writeRepeated(path: string, seed: string): Promise<void> {
  needPrograms(['xfs_io'], 'xfsprogs');
  const cipher = createCipheriv('aes-256-ctr', randomBytes(32), Buffer.alloc(16));
  const zeros = Buffer.alloc(16 << 20);
  const fd = openSync(seed, 'wx');
  for (let at = 0; at < gib; at += zeros.length) writeSync(fd, cipher.update(zeros), 0, zeros.length, at);
  closeSync(fd);
  await run('xfs_io', ['-f', '-c', `truncate ${copies * gib}`, path]);
  for (let from = 0; from < copies; from += 50) {
    const commands = Array.from({ length: Math.min(50, copies - from) }, (_, i) => [
      '-c',
      `reflink -q ${seed} 0 ${(from + i) * gib} ${gib}`,
    ]);
    await run('xfs_io', [...commands.flat(), path], { timeout: 300_000 });
  }
}

describe('a disk of hundreds of GiB', () => {
  let home: string;
  let disk: LoopDisk | undefined;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'long-read-'));
  });
  afterEach(async () => {
    await disk?.remove();
    rmSync(home, { recursive: true, force: true });
  });

  it.skipIf(!full)(
    `S3 300 GiB without a hole are read through into a vault that has them once${onlyFull}`,
    async () => {
      disk = await loopDisk('xfs', 4 * gib);
      const image = join(disk.path, 'disk.img');
      await writeRepeated(image, join(disk.path, 'seed'));
      const { size, blocks } = statSync(image);
      expect(size).toBe(copies * gib);
      expect(blocks * 512).toBeGreaterThanOrEqual(size);

      mkdirSync(join(home, 'pool'));
      const vault = testVault(join(home, 'pool'), 'shop/agent', password);
      await vault.create('recovery key');
      const backup = backupOf(vault.access, { kind: 'disk', paths: [image] });
      const done = await runTaskProcess(backup, home);
      const record = recordOf(done);
      expect(record.summary!.totalBytes).toBeGreaterThanOrEqual(size);
      expect(record.summary!.dataAdded).toBeGreaterThanOrEqual(gib);
      expect(record.summary!.dataAdded).toBeLessThan(gib + copies * (1 << 20));

      const blobs = await blobCount(vault.access);
      const bound = memoryBound(blobs);
      const report = reporter('2-long-read', `${copies} GiB of data, read through`);
      report.say(
        `An image of ${copies} GiB without a hole on XFS, one GiB of noise that it holds ${copies} times by reflinks; the vault has ${blobs} blobs after it.`,
      );
      const speed = `${Math.round(size / done.seconds / 1e6)} MB/s`;
      report.row('backup', done.seconds, { peak: done.peak, bound, note: speed });
      report.write();
      expect(done.peak).toBeLessThanOrEqual(bound);

      const said = await run('restic', ['-r', vault.location, '--no-cache', 'check', '--read-data'], {
        env: { RESTIC_PASSWORD: password },
        timeout: 900_000,
      });
      expect(said).toContain('no errors were found');
    },
    60 * 60_000,
  );
});
