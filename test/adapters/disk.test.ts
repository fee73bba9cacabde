// Disks: image files and real block devices (loop devices of this host; needs root).
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/base/error-codes.ts';
import type { StillpointError } from '../../src/base/errors.ts';
import { defaultConsistency } from '../../src/model/consistency.ts';
import { segmentSize } from '../../src/sources/disk/source.ts';
import { testVault, type Vault } from '../beds/vault.ts';

const MiB = 1 << 20;
let root: string;
let vault: Vault;
const loops: string[] = [];
const mounts: string[] = [];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'disk-test-'));
  vault = testVault(join(root, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
});

afterEach(() => {
  for (const mount of mounts.splice(0)) execFileSync('umount', [mount]);
  for (const loop of loops.splice(0)) execFileSync('losetup', ['-d', loop]);
  rmSync(root, { recursive: true, force: true });
});

/** 32 MiB with data, zeros, holes and an odd end. */
function image(name: string, size = 32 * MiB + 5120): string {
  const path = join(root, name);
  const fd = openSync(path, 'w');
  writeSync(fd, randomBytes(3 * MiB), 0, 3 * MiB, 0);
  writeSync(fd, Buffer.alloc(2 * MiB), 0, 2 * MiB, 3 * MiB);
  writeSync(fd, randomBytes(MiB + 4096), 0, MiB + 4096, 17 * MiB);
  ftruncateSync(fd, size);
  closeSync(fd);
  return path;
}

function loop(path: string): string {
  const device = execFileSync('losetup', ['-f', '--show', path], { encoding: 'utf8' }).trim();
  loops.push(device);
  return device;
}

const same = (a: string, b: string) => execFileSync('cmp', [a, b]);
const disk = (...paths: string[]) => ({ kind: 'disk', paths }) as const;
const onto = (map: Record<string, string>, verify = true) => ({ kind: 'disk', map, verify }) as const;

async function refusal(step: Promise<unknown>): Promise<ErrorCode | 'none'> {
  return step.then(
    () => 'none' as const,
    (error: StillpointError) => {
      expect(error.hint.length).toBeGreaterThan(20);
      return error.code;
    },
  );
}

describe('disk backups', () => {
  it('S1 of an image come back identical, holes stay holes, zeros are stored once', async () => {
    const source = image('a.img');
    const record = await vault.backup(disk(source));
    const copy = join(root, 'copy.img');
    const counts = await vault.restore(record.id, onto({ [source]: copy }));
    same(source, copy);
    expect(statSync(copy).blocks * 512).toBeLessThan(6 * MiB);
    expect(counts.bytesTotal).toBe(statSync(source).size);
    // 4 MiB + a bit of data, the rest of some 28 MiB of zeros in one or two blocks.
    expect(record.summary!.dataAdded).toBeLessThan(12 * MiB);
    expect(existsSync(`${copy}.stillpoint-restore-incomplete`)).toBe(false);
  });

  it('S1 of a block device go back to a device, and only what differs is written', async () => {
    const first = loop(image('dev.img', 32 * MiB));
    const second = loop(image('other.img', 40 * MiB));
    const record = await vault.backup(disk(first));
    await vault.restore(record.id, onto({ [first]: second }));
    execFileSync('cmp', ['-n', String(32 * MiB), first, second]);
    writeSync(openSync(second, 'r+'), Buffer.from('differs'), 0, 7, 17 * MiB + 100);
    const again = await vault.restore(record.id, onto({ [first]: second }));
    expect(again.bytesWritten).toBe(MiB);
    execFileSync('cmp', ['-n', String(32 * MiB), first, second]);
  });

  it('S1 several disks are one group; what is left out of a restore is named', async () => {
    const [a, b] = [image('a.img'), image('b.img', 8 * MiB)];
    const record = await vault.backup(disk(a, b));
    expect(record.paths).toEqual([a, b]);
    vault.warnings.length = 0;
    await vault.restore(record.id, onto({ [b]: join(root, 'b2.img') }));
    same(b, join(root, 'b2.img'));
    expect(vault.warnings.map(({ item }) => item)).toEqual([a]);
    expect(await refusal(vault.restore(record.id, onto({ '/dev/nothing': join(root, 'x') })))).toBe('NOT_IN_BACKUP');
  });

  it('S1 the second one adds what changed and nothing else', async () => {
    const source = image('a.img');
    await vault.backup(disk(source));
    const fd = openSync(source, 'r+');
    writeSync(fd, randomBytes(100), 0, 100, 17 * MiB);
    closeSync(fd);
    const second = await vault.backup(disk(source));
    expect(second.summary!.dataAdded).toBeLessThan(MiB + 100_000);
    utimesSync(source, new Date(), new Date());
    const third = await vault.backup(disk(source));
    expect(third.summary!.dataBlobs).toBeLessThanOrEqual(1); // agent.json aside
    const copy = join(root, 'c.img');
    await vault.restore(third.id, onto({ [source]: copy }));
    same(source, copy);
  });

  it('S1 above 64 GiB a disk is kept in segments and is still one disk', async () => {
    const source = join(root, 'huge.img');
    const fd = openSync(source, 'w');
    ftruncateSync(fd, segmentSize + 10 * MiB);
    writeSync(fd, Buffer.from('begin'), 0, 5, 0);
    writeSync(fd, Buffer.from('second segment'), 0, 14, segmentSize + 5 * MiB);
    closeSync(fd);
    const record = await vault.backup(disk(source));
    const names = (await vault.ls(record.id)).map(({ path }) => path).filter((path) => path.startsWith(`${source}/`));
    expect(names).toEqual(['00000', '00000/data', '00001', '00001/data'].map((name) => `${source}/${name}`));
    const copy = join(root, 'copy.img');
    await vault.restore(record.id, onto({ [source]: copy }, false));
    expect(statSync(copy).size).toBe(statSync(source).size);
    const place = openSync(copy, 'r');
    const found = Buffer.alloc(14);
    readSync(place, found, 0, 14, segmentSize + 5 * MiB);
    closeSync(place);
    expect(found.toString()).toBe('second segment');
  });

  it('B8 an interrupted restore leaves its mark and goes on where it stopped', async () => {
    const source = image('a.img');
    const record = await vault.backup(disk(source));
    const copy = join(root, 'copy.img');
    const stop = new AbortController();
    const target = onto({ [source]: copy });
    const running = vault.run(
      { type: 'restore', record: record.id, target, dryRun: false },
      { signal: stop.signal, progress: () => stop.abort(new Error('stop')) },
    );
    await expect(running).rejects.toThrow();
    expect(existsSync(`${copy}.stillpoint-restore-incomplete`)).toBe(true);
    await vault.restore(record.id, target);
    same(source, copy);
    expect(existsSync(`${copy}.stillpoint-restore-incomplete`)).toBe(false);
  });

  it('B8 a link planted where the mark goes leads nowhere: nothing behind it is touched, and nothing is restored', async () => {
    const source = image('a.img', 8 * MiB);
    const record = await vault.backup(disk(source));
    const precious = join(root, 'precious');
    writeFileSync(precious, 'do not touch');
    const copy = join(root, 'copy.img');
    symlinkSync(precious, `${copy}.stillpoint-restore-incomplete`);
    expect(await refusal(vault.restore(record.id, onto({ [source]: copy })))).toBe('TARGET_FAILED');
    expect(readFileSync(precious, 'utf8')).toBe('do not touch');
    expect(existsSync(copy)).toBe(false);
  });

  it('B8 onto a larger image it is cut to the size of the backup, which a dry run says', async () => {
    const source = image('a.img', 20 * MiB);
    const record = await vault.backup(disk(source));
    const larger = image('larger.img', 24 * MiB);
    const same20 = image('same.img', 20 * MiB);
    const restore = (path: string, dryRun: boolean) =>
      vault.run({ type: 'restore', record: record.id, target: onto({ [source]: path }), dryRun });
    const { warnings } = await restore(larger, true);
    expect(warnings).toBe(1);
    expect(vault.warnings.at(-1)).toEqual({
      item: larger,
      detail: 'the image is cut from 25165824 to 20971520 bytes, the size of the backup',
    });
    expect(statSync(larger).size).toBe(24 * MiB);
    expect((await restore(same20, true)).warnings).toBe(0);
    await restore(larger, false);
    same(source, larger);
  });

  it('B8 a dry run writes nothing', async () => {
    const source = image('a.img');
    const record = await vault.backup(disk(source));
    const copy = join(root, 'copy.img');
    const { steps } = await vault.run({ type: 'restore', record: record.id, target: onto({ [source]: copy }), dryRun: true });
    expect(steps).toEqual([{ action: 'create', path: copy, bytes: statSync(source).size }]);
    expect(existsSync(copy)).toBe(false);
  });
});

describe('what a disk restore refuses, with nothing changed', () => {
  it('B8 a target that is too small', async () => {
    const source = image('a.img');
    const record = await vault.backup(disk(source));
    const small = image('small.img', 20 * MiB);
    const before = readFileSync(small);
    expect(await refusal(vault.restore(record.id, onto({ [source]: small })))).toBe('TARGET_SMALLER');
    expect(readFileSync(small).equals(before)).toBe(true);
  });

  it.each(['ext4', 'btrfs'])('B8 a device mounted as %s, and a file below a mounted loop device', async (kind) => {
    const source = image('a.img', 16 * MiB);
    const record = await vault.backup(disk(source));
    const file = join(root, 'fs.img');
    closeSync(openSync(file, 'w'));
    execFileSync('truncate', ['-s', '128M', file]);
    execFileSync(`mkfs.${kind}`, ['-q', file]);
    const device = loop(file);
    const point = join(root, 'mnt');
    mkdirSync(point);
    execFileSync('mount', [device, point]);
    mounts.push(point);
    expect(await refusal(vault.restore(record.id, onto({ [source]: device })))).toBe('TARGET_MOUNTED');
    expect(await refusal(vault.restore(record.id, onto({ [source]: file })))).toBe('TARGET_MOUNTED');
    execFileSync('ls', [point]);
  });

  it('B8 the disk that this host runs from', async () => {
    const source = image('a.img', 16 * MiB);
    const record = await vault.backup(disk(source));
    const system = execFileSync('findmnt', ['-n', '-o', 'SOURCE', '/'], { encoding: 'utf8' }).trim();
    if (!existsSync(system)) throw new Error(`/ is on ${system}, which is no device here`);
    expect(await refusal(vault.restore(record.id, onto({ [source]: system })))).toBe('TARGET_SYSTEM_DISK');
  });

  it('B8 a target that is a directory, or in one that does not exist', async () => {
    const source = image('a.img', 16 * MiB);
    const record = await vault.backup(disk(source));
    expect(await refusal(vault.restore(record.id, onto({ [source]: root })))).toBe('TARGET_FAILED');
    expect(await refusal(vault.restore(record.id, onto({ [source]: join(root, 'no/where.img') })))).toBe('TARGET_FAILED');
  });

  it('S1 a source that is missing or no disk', async () => {
    expect(await refusal(vault.backup(disk(join(root, 'missing'))))).toBe('SOURCE_MISSING');
    expect(await refusal(vault.backup(disk(root)))).toBe('SOURCE_NOT_DISK');
  });

  it('A2 a live disk without a snapshot, unless the plan allows a torn image: then it says so', async () => {
    const file = join(root, 'fs.img');
    closeSync(openSync(file, 'w'));
    execFileSync('truncate', ['-s', '16M', file]);
    execFileSync('mkfs.ext4', ['-q', file]);
    const device = loop(file);
    const point = join(root, 'mnt');
    mkdirSync(point);
    execFileSync('mount', [device, point]);
    mounts.push(point);
    await expect(vault.backup(disk(device))).rejects.toMatchObject({ code: 'SOURCE_LIVE_DISK', message: expect.stringContaining(point) });
    const made = await vault.backup(disk(device), { consistency: { ...defaultConsistency, allowInconsistent: true } });
    expect(made.tags).toMatchObject({ consistency: 'none', consistencyReason: expect.stringContaining(device) });
    expect(vault.warnings.some(({ item, detail }) => item === device && detail.includes(point))).toBe(true);
  });
});
