// "Writes only blocks that differ", counted from outside: by strace on the restoring process and by the kernel's statistics of a device.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RecordInfo, RestoreTarget } from '../../src/model/task.ts';
import { allocated, noise, overwrite, text, writeDiskImage } from '../beds/disk-image.ts';
import { isRoot } from '../beds/nasty-tree.ts';
import { needPrograms, run } from '../beds/programs.ts';
import { testVault } from '../beds/vault.ts';

const mib = 1 << 20;
const beds = mkdtempSync(join(tmpdir(), 'differing-'));
const disk = join(beds, 'disk.img');
const vault = testVault(join(beds, 'pool'), 'shop/agent', 'agent password');
const node = join(import.meta.dirname, '../../scripts/dev/node');
const runner = join(import.meta.dirname, '../beds/restore-disk.ts');
let record: RecordInfo;

beforeAll(async () => {
  needPrograms(['strace', 'cmp'], 'strace diffutils');
  writeDiskImage(disk, 'original');
  await vault.create('recovery key');
  record = await vault.backup({ kind: 'disk', paths: [disk] });
});

afterAll(() => rmSync(beds, { recursive: true, force: true }));

/** A target that differs from the disk in five blocks of 1 MiB: three hold other data, two hold data where the disk has zeros. */
function almostEqual(path: string): void {
  copyFileSync(disk, path);
  overwrite(path, 0, noise('other boot', 512)); // the first block
  overwrite(path, 4 * mib + 17, Buffer.from('!')); // one byte
  overwrite(path, 30 * mib, Buffer.alloc(mib)); // data became zeros
  overwrite(path, 10 * mib + 5000, text('rubbish', 100)); // where zeros were written
  overwrite(path, 24 * mib, noise('more rubbish', 4096)); // where a hole was
}

interface Traced {
  /** Bytes that write calls put into the target. */
  readonly written: number;
  /** Bytes that were made holes. */
  readonly punched: number;
  readonly calls: readonly string[];
}

async function straced(target: string): Promise<Traced> {
  const logs = join(beds, 'strace');
  mkdirSync(logs);
  const calls = 'trace=write,writev,pwrite64,pwritev,pwritev2,sendfile,copy_file_range,fallocate';
  const args = ['-ff', '--seccomp-bpf', '-y', '-s', '0', '-e', calls, '-e', 'signal=none', '-o', join(logs, 'thread'), node, runner];
  await run('strace', [...args, join(beds, 'pool'), 'shop/agent', record.id, disk, target], { env: { VAULT_PASSWORD: 'agent password' } });
  const all = readdirSync(logs).flatMap((name) => readFileSync(join(logs, name), 'utf8').split('\n'));
  rmSync(logs, { recursive: true });
  // pwrite64(27</path>, ""..., 1048576, 4194304) = 1048576
  const ofTarget = all.filter((line) => line.includes(`<${target}>`));
  const sum = (lines: readonly string[], bytes: RegExp) =>
    lines.reduce((total, line) => total + Number(bytes.exec(line)?.[1] ?? Number.NaN), 0);
  const isHole = (line: string) => line.startsWith('fallocate(');
  return {
    written: sum(
      ofTarget.filter((line) => !isHole(line)),
      / = (\d+)$/,
    ),
    punched: sum(ofTarget.filter(isHole), /, (\d+)\) = 0$/),
    calls: ofTarget,
  };
}

test('B8 over an almost equal image only the blocks that differ are written', async () => {
  const target = join(beds, 'almost.img');
  almostEqual(target);
  const { written, punched, calls } = await straced(target);
  expect(written, calls.join('\n')).toBe(3 * mib);
  expect(punched, calls.join('\n')).toBe(2 * mib);
  await run('cmp', [disk, target]);
});

test('B8 over an equal image nothing is written', async () => {
  const target = join(beds, 'equal.img');
  copyFileSync(disk, target);
  expect(await straced(target)).toEqual({ written: 0, punched: 0, calls: [] });
  await run('cmp', [disk, target]);
});

test('B8 into a new image nothing but data is written, and holes stay holes', async () => {
  const target = join(beds, 'new.img');
  const { written, calls } = await straced(target);
  // 1 + 4 + 4 + 1 MiB of data, of which 4 MiB begin in the middle of a block.
  expect(written, calls.join('\n')).toBe(11 * mib);
  expect(allocated(target)).toBeLessThanOrEqual(11 * mib + 65_536);
  await run('cmp', [disk, target]);
});

test('B8 onto an almost equal device only the blocks that differ are written', async ({ skip }) => {
  skip(!isRoot || !existsSync('/dev/loop-control'), 'loop devices need root');
  const backing = join(beds, 'backing.img');
  almostEqual(backing);
  await run('truncate', ['-s', '33M', backing]);
  const device = (await run('losetup', ['--find', '--show', backing])).trim();
  try {
    const sectorsWritten = () =>
      Number(
        readFileSync(`/sys/block/${basename(device)}/stat`, 'utf8')
          .trim()
          .split(/\s+/)[6],
      );
    const before = sectorsWritten();
    const restore: RestoreTarget = { kind: 'disk', map: { [disk]: device }, verify: true };
    const counts = await vault.restore(record.id, restore);
    expect(counts.bytesWritten).toBe(5 * mib); // a device has no holes: zeros are written
    expect((sectorsWritten() - before) * 512).toBe(5 * mib);
    await run('cmp', ['-n', String(31 * mib + 12_345), disk, device]);
  } finally {
    await run('losetup', ['--detach', device]);
  }
});
