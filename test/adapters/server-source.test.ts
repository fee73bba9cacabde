// A whole server: loop devices stand for its disks. Needs root.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { settle, sources } from '../../src/agent/wiring.ts';
import type { HostDisk } from '../../src/base/host-disks.ts';
import { defaultConsistency } from '../../src/model/consistency.ts';
import type { ServerSource } from '../../src/model/plan.ts';
import type { RecordInfo } from '../../src/model/task.ts';
import type { Warn } from '../../src/ports/source.ts';
import { noise } from '../beds/disk-image.ts';
import { backupTask, testVault, type Vault } from '../beds/vault.ts';
import { sourceContract } from '../contract/source.ts';

const MiB = 1 << 20;
/** Where a partition table begins, and where the only partition of `partitioned` does. */
const tableAt = 446;
const partitionAt = MiB;

let root: string;
let vault: Vault;
/** What the host has. */
let found: HostDisk[];
const loops: string[] = [];
const mounts: string[] = [];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'server-source-'));
  vault = testVault(join(root, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
  found = [];
});

afterEach(() => {
  for (const mount of mounts.splice(0)) execFileSync('umount', [mount]);
  for (const loop of loops.splice(0)) {
    spawnSync('partx', ['--delete', loop]); // most have none
    execFileSync('losetup', ['-d', loop]);
  }
  rmSync(root, { recursive: true, force: true });
});

function attach(path: string): string {
  const device = execFileSync('losetup', ['-f', '--show', path], { encoding: 'utf8' }).trim();
  loops.push(device);
  return device;
}

/** The kernel may know no partition tables: it is told of the partition. */
function partitionOf(disk: string): string {
  execFileSync('partx', ['--update', disk]);
  return `${disk}p1`;
}

/** A disk joins the host, which runs from its first. */
function joins(path: string, about: Partial<HostDisk> = {}): string {
  const device = attach(path);
  found.push({ path: device, names: [], size: statSync(path).size, system: found.length === 0, uses: [], ...about });
  return device;
}

function image(name: string): string {
  const path = join(root, name);
  const fd = openSync(path, 'wx');
  writeSync(fd, noise(name, 3 * MiB), 0, 3 * MiB, 0);
  writeSync(fd, noise(`${name} end`, MiB), 0, MiB, 7 * MiB);
  closeSync(fd);
  return path;
}

/** 24 MiB: boot code, a partition table with one entry, and an ext4 in that partition. */
function partitioned(name: string): string {
  const path = join(root, name);
  const inside = join(root, `${name}.ext4`);
  execFileSync('truncate', ['-s', '20M', inside]);
  const files = join(root, `${name}.files`);
  mkdirSync(files);
  writeFileSync(join(files, 'hello'), 'from a partition');
  execFileSync('mkfs.ext4', ['-q', '-d', files, inside]);
  const entry = Buffer.from([0x80, 0, 2, 0, 0x83, 0, 0, 0, ...sectors(partitionAt), ...sectors(20 * MiB)]);
  const fd = openSync(path, 'wx');
  writeSync(fd, Buffer.concat([noise(name, tableAt), entry, Buffer.alloc(48), Buffer.from([0x55, 0xaa])]), 0, 512, 0);
  const content = readFileSync(inside);
  writeSync(fd, content, 0, content.length, partitionAt);
  writeSync(fd, noise(`${name} end`, MiB), 0, MiB, 23 * MiB);
  closeSync(fd);
  return path;
}

function sectors(bytes: number): Buffer {
  const field = Buffer.alloc(4);
  field.writeUInt32LE(bytes / 512);
  return field;
}

function mount(device: string, ...options: string[]): string {
  const point = join(root, `mount-${mounts.length}`);
  mkdirSync(point);
  execFileSync('mount', [...options, device, point]);
  mounts.push(point);
  return point;
}

const server = (more: Partial<ServerSource> = {}): ServerSource => ({ kind: 'server', disks: 'all', exclude: [], ...more });
const findDisks = () => ({ disks: found, others: [] });

async function backUp(source: ServerSource, more: object = {}): Promise<RecordInfo> {
  vault.warnings.length = 0;
  return (await vault.run({ ...backupTask(source), ...more }, { findDisks })).record!;
}

const warned = () => vault.warnings.map(({ item, detail }) => `${item}: ${detail}`);
const same = (device: string, copy: string) => execFileSync('cmp', [device, copy]);

describe('a server', () => {
  // Two disks of the contract's own, as the host of these tests has none to spare.
  sourceContract('server', () => {
    found = [];
    for (const name of ['contract-a', 'contract-b']) {
      rmSync(join(root, name), { force: true });
      joins(image(name));
    }
    const warn: Warn = () => undefined;
    const service = { warn, signal: new AbortController().signal, scratch: () => root };
    return {
      open: async () => {
        const { source } = await settle(server(), { ...service, pools: [], findDisks });
        if (source.kind !== 'disk') throw new Error(`a server became ${source.kind}`);
        return sources.disk(source, { ...service, own: [] });
      },
      atLeast: 3, // the folder dev and two disks
    };
  });

  it('S2 all its disks are one group, and come back identical with boot sector, partition table and what lies between', async () => {
    const [a, b] = [joins(partitioned('a'), { names: ['WD-1'], system: true }), joins(image('b'))];
    const record = await backUp(server());
    expect(record.paths).toEqual([a, b]);
    expect(warned()).toEqual([]);
    const [a2, b2] = [join(root, 'a2'), join(root, 'b2')];
    const counts = await vault.restore(record.id, { kind: 'disk', map: { [a]: a2, [b]: b2 }, verify: true });
    expect(counts.files).toBe(2);
    same(a, a2);
    same(b, b2);
    // A device gets its partition back with its table.
    const blank = join(root, 'blank');
    execFileSync('truncate', ['-s', '24M', blank]);
    const target = attach(blank);
    await vault.restore(record.id, { kind: 'disk', map: { [a]: target }, verify: true });
    expect(warned().at(-1)).toContain(`${b}: it is in the backup and is not restored`);
    expect(readFileSync(join(mount(partitionOf(target), '-o', 'ro'), 'hello'), 'utf8')).toBe('from a partition');
  });

  it('S2 which disk had which name then, and what was left out, is in the backup', async () => {
    const [a, b] = [joins(image('a'), { names: ['WD-1'], system: true }), joins(image('b'), { names: ['/dev/disk/by-id/usb-b'] })];
    const record = await backUp(server({ exclude: ['/dev/disk/by-id/usb-b'] }));
    const told = JSON.parse((await vault.cat(record.id, '/.stillpoint/disks.json')).toString());
    expect(told).toMatchObject({ disks: [{ path: a, names: ['WD-1'], system: true }], excluded: [{ path: b }], others: [] });
    expect((await vault.ls(record.id, '/.stillpoint')).map(({ path }) => path)).toEqual([
      '/.stillpoint/agent.json',
      '/.stillpoint/disks.json',
    ]);
  });

  it('S2 a disk that joins is in the next backup, told, and what was there is not stored again', async () => {
    const a = joins(image('a'));
    const first = await backUp(server());
    const b = joins(image('b'));
    const second = await backUp(server(), { parent: first.id });
    expect(second.paths).toEqual([a, b]);
    expect(warned()).toEqual([`${b}: this disk was not in the last backup; from now on it is`]);
    const alone = first.summary!.dataAdded;
    expect(second.summary!.dataAdded).toBeGreaterThan(alone / 2);
    expect(second.summary!.dataAdded).toBeLessThan(alone * 1.2);
    await vault.restore(second.id, { kind: 'disk', map: { [a]: join(root, 'a2'), [b]: join(root, 'b2') }, verify: true });
    same(b, join(root, 'b2'));
    const third = await backUp(server(), { parent: second.id });
    expect([third.paths, warned()]).toEqual([[a, b], []]);
  });

  it('S2 a disk that left is told, and the others go on', async () => {
    const [a, b] = [joins(image('a')), joins(image('b'))];
    const first = await backUp(server());
    found.pop();
    const second = await backUp(server(), { parent: first.id });
    expect(second.paths).toEqual([a]);
    expect(warned()).toEqual([`${b}: this disk was in the last backup and is not in this one`]);
    expect(second.summary!.dataAdded).toBeLessThan(MiB);
  });

  it('S2 disks are excluded by path, stable name or serial number; a name of none or of several is told', async () => {
    const [a, b, c, d] = ['WD-1', 'WD-2', '/dev/disk/by-id/wwn-3', 'WD-2'].map((name, i) => joins(image(`disk${i}`), { names: [name] }));
    expect((await backUp(server({ exclude: ['WD-1', '/dev/disk/by-id/wwn-3'] }))).paths).toEqual([b, d]);
    expect(warned()).toEqual([]);
    expect((await backUp(server({ exclude: [a!, 'gone'] }))).paths).toEqual([b, c, d]);
    expect(warned()).toEqual(['gone: it is excluded, and this host has no disk of that name']);
    expect((await backUp(server({ exclude: ['WD-2'] }))).paths).toEqual([a, c]);
    expect(warned()).toEqual(['WD-2: it is excluded, and 2 disks of this host go by that name, all are left out']);
  });

  it('S2 system and data disks are told apart; where none is meant there is no backup', async () => {
    const [a, b] = [joins(image('a')), joins(image('b'))];
    expect((await backUp(server({ disks: 'system' }))).paths).toEqual([a]);
    expect((await backUp(server({ disks: 'data' }))).paths).toEqual([b]);
    found.pop();
    await expect(backUp(server({ disks: 'data' }))).rejects.toMatchObject({
      code: 'SOURCE_MISSING',
      message: expect.stringContaining('data disk'),
    });
    expect(await vault.records()).toHaveLength(2);
  });

  it('S2 says so when the vault lies on a disk that it takes', async () => {
    const [a, b] = [joins(image('a')), joins(partitioned('b'))];
    const point = mount(partitionOf(b));
    found = found.map((disk) => (disk.path === b ? { ...disk, uses: [{ point, writable: true }] } : disk));
    vault = testVault(join(point, 'pool'), 'v/a', 'password');
    await vault.create('recovery');
    const consistency = { ...defaultConsistency, allowInconsistent: true };
    expect((await backUp(server(), { consistency })).paths).toEqual([a, b]);
    expect(warned().filter((text) => text.includes('the vault lies on it'))).toEqual([expect.stringContaining(b)]);
    await backUp(server({ exclude: [b] }));
    expect(warned()).toEqual([]);
  });

  it('S2 says so when none of the disks is that of the system: what is mounted elsewhere cannot be seen', async () => {
    joins(image('a'), { system: false });
    await backUp(server());
    expect(warned()).toEqual([expect.stringContaining('what is in use cannot be seen')]);
  });

  it('S2 A2 a disk with a partition that is written to is refused; mounted read-only it is one moment, and left out it does not matter', async () => {
    const [a, b] = [joins(image('a')), joins(partitioned('b'))];
    const point = mount(partitionOf(b));
    await expect(backUp(server())).rejects.toMatchObject({ code: 'SOURCE_LIVE_DISK', message: expect.stringContaining(point) });
    const torn = await backUp(server(), { consistency: { ...defaultConsistency, allowInconsistent: true } });
    expect(torn.tags).toMatchObject({ consistency: 'none', consistencyReason: expect.any(String) });
    expect((await backUp(server({ exclude: [b] }))).paths).toEqual([a]);
    execFileSync('mount', ['-o', 'remount,ro', point]);
    const whole = await backUp(server());
    expect([whole.paths, whole.tags.consistency]).toEqual([[a, b], 'crash']);
  });
});
