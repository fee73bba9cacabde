// One directory with very many entries: neither its names nor its tree may cost memory that grows with what they hold.
import { createHash } from 'node:crypto';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localBackend } from '../../src/backends/local.ts';
import type { TaskSpec, VaultAccess } from '../../src/model/task.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { type LoopDisk, loopDisk } from '../beds/loop-disk.ts';
import { needPrograms, run } from '../beds/programs.ts';
import { backupOf, blobCount, full, memoryBound, onlyFull, recordOf, reporter, runTaskProcess } from '../beds/task-runner.ts';
import { filesOf, intoFolder, testVault } from '../beds/vault.ts';

const password = 'password of the agent';
/** Trees beyond this are written and read in pieces (bytes; see tree-store.ts). */
const onePiece = 8 << 20;

/** Every other file is empty, the others hold a few bytes of their own; every thousandth entry is a link. Made in no order. */
function writeEntries(dir: string, count: number, suffix: string): void {
  mkdirSync(dir);
  for (let i = 0; i < count; i++) {
    const number = (i * 7919) % count;
    const path = join(dir, `entry ${number}${suffix}`);
    if (number % 1000 === 7) symlinkSync(`entry ${number - 1}`, path);
    else {
      const fd = openSync(path, 'wx', number % 3 === 0 ? 0o600 : 0o644);
      if (number % 2 === 1) writeSync(fd, `what ${number} holds`);
      closeSync(fd);
    }
  }
}

function namesIn(dir: string): { readonly count: number; readonly hash: string } {
  const names = readdirSync(dir).sort();
  const digest = createHash('sha256');
  for (const name of names) digest.update(`${name}\n`);
  return { count: names.length, hash: digest.digest('hex') };
}

function factsOf(path: string) {
  const { mode, uid, gid, size, mtimeNs, nlink } = lstatSync(path, { bigint: true });
  const link = (Number(mode) & 0o170000) === 0o120000;
  return { mode, uid, gid, size, mtimeNs, nlink, content: link ? readlinkSync(path) : readFileSync(path, 'latin1') };
}

async function largestTree({ pool, path, password }: VaultAccess): Promise<number> {
  if (pool.place.type !== 'local') throw new Error('a local pool is expected');
  const { state, ...repository } = await openRepository(localBackend({ root: pool.place.path, path }), password);
  await repository.loadIndex();
  const { index } = state;
  return Array.from({ length: index.count() }, (_, entry) => (index.isTree(entry) ? index.location(entry).plainLength : 0)).reduce(
    (most, size) => Math.max(most, size),
    0,
  );
}

describe('a directory of very many entries', () => {
  let home: string;
  let disk: LoopDisk | undefined;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'entries-'));
  });
  afterEach(async () => {
    await disk?.remove();
    disk = undefined;
    rmSync(home, { recursive: true, force: true });
  });

  /** Backs `count` entries in `place` up twice, restores and compares them. */
  async function roundTrip(place: string, count: number, suffix: string) {
    needPrograms(['restic'], 'restic');
    const tree = join(place, 'entries');
    writeEntries(tree, count, suffix);
    mkdirSync(join(home, 'pool'));
    const vault = testVault(join(home, 'pool'), 'shop/agent', password);
    await vault.create('recovery key');

    const report = reporter('4-many-entries', `A directory of ${count.toLocaleString('en')} entries`);
    const peaks: { readonly what: string; readonly peak: number; readonly bound: number }[] = [];
    const step = async (what: string, spec: TaskSpec) => {
      const done = await runTaskProcess(spec, home);
      const bound = memoryBound(await blobCount(vault.access));
      peaks.push({ what, peak: done.peak, bound });
      report.row(what, done.seconds, { peak: done.peak, bound });
      expect(done.warnings).toEqual([]);
      return done;
    };
    const backup = backupOf(vault.access, filesOf(tree));
    const links = Math.ceil((count - 7) / 1000);
    const first = recordOf(await step('first backup', backup));
    expect(first.summary).toMatchObject({ filesNew: count - links + 1 });
    const size = await largestTree(vault.access);
    expect(size).toBeGreaterThan(onePiece);
    report.say(`Half of the files empty, the others a few bytes each; the tree of the directory has ${Math.round(size / 1e6)} MB.`);
    const second = recordOf(await step('second backup', backup));
    expect(second.summary).toMatchObject({ filesUnmodified: count - links + 1, filesChanged: 0, dataBlobs: 0 });

    const target = join(place, 'restored');
    const back = await step('restore', {
      type: 'restore',
      vault: vault.access,
      record: second.id,
      target: intoFolder(target, { include: [tree] }),
      dryRun: false,
    });
    expect(back.result.restore).toMatchObject({ files: count - links, others: links });
    const restored = join(target, tree);
    expect(namesIn(restored)).toEqual(namesIn(tree));
    for (let number = 0; number < count; number += Math.max(1, Math.floor(count / 3000))) {
      const name = `entry ${number}${suffix}`;
      expect(factsOf(join(restored, name)), name).toEqual(factsOf(join(tree, name)));
    }

    const check = await step('check', { type: 'check', vault: vault.access, readData: false });
    expect(check.result.check!.errors).toEqual([]);
    const began = performance.now();
    const said = await run('restic', ['-r', vault.location, '--no-cache', 'check'], {
      env: { RESTIC_PASSWORD: password },
      timeout: 1_200_000,
    });
    expect(said).toContain('no errors were found');
    report.row('stock restic check', (performance.now() - began) / 1000);
    return { report, peaks };
  }

  it('B8 of 18,000, whose tree is too large for one piece', async () => {
    const { peaks } = await roundTrip(home, 18_000, ` ${'with a long name '.repeat(13)}`);
    for (const { what, peak, bound } of peaks) expect(peak, what).toBeLessThanOrEqual(bound);
  });

  it.skipIf(!full)(
    `B8 S3 of a million stays within the memory of any task${onlyFull}`,
    async () => {
      const count = Number(process.env['STILLPOINT_FULL_ENTRIES'] ?? 1_000_000);
      disk = await loopDisk('ext4', 8 * 2 ** 30, 2 * count + 10_000);
      const { report, peaks } = await roundTrip(disk.path, count, '');
      report.write();
      for (const { what, peak, bound } of peaks) expect(peak, what).toBeLessThanOrEqual(bound);
    },
    60 * 60_000,
  );
});
