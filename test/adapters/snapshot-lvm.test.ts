// The LVM provider against what the programs of LVM say and take: this host has no device-mapper, so argument lists are recorded and reports are
// given in lvs's own form. With a real kernel it is tested in a virtual machine.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { placing } from '../../src/model/place.ts';
import type { Snapshot } from '../../src/ports/snapshot.ts';
import { lvmProvider } from '../../src/snapshots/lvm.ts';
import { thisHost } from '../../src/snapshots/lvm-host.ts';
import { logicalVolumes } from '../../src/snapshots/lvm-report.ts';
import { runProgram } from '../../src/snapshots/run.ts';
import { type FakeLvm, type FakeVolume, fakeLvm, mountedAt, pool, thick, thin } from '../beds/lvm-host.ts';
import { needPrograms } from '../beds/programs.ts';

const GiB = 2 ** 30;
let top: string;
let images: string;
let host: FakeLvm;

const mounted = (volume: FakeVolume, fileSystem: string, root = '/') => mountedAt(host, top, volume, fileSystem, root);
/** As a backup does it once its applications run on. */
const opened = async (snapshot: Snapshot): Promise<Snapshot> => {
  expect(await snapshot.open(({ detail }) => expect.fail(detail))).toBeUndefined();
  return snapshot;
};
const provider = () => lvmProvider({ mountDirectory: images, host });

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'lvm-test-'));
  images = join(top, 'run', 'snapshots');
  host = fakeLvm([], [{ device: '8:1', root: '/', point: '/', fileSystem: 'ext4', source: '/dev/sda1', writable: true }]);
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

describe('LVM snapshots', () => {
  it('S1 a thick one: a fifth of its origin, read-only, mounted as its file system needs it, and all of it undone', async () => {
    const data = mounted(thick('data', 0), 'xfs');
    const plan = (await provider().plan([join(data, 'dir')]))!;
    expect(plan).toMatchObject({ provider: 'lvm', freezes: 'self', volumes: ['/dev/vg/data'] });
    expect(plan).not.toHaveProperty('apart');
    expect(host.callsOf('lvcreate')).toEqual([]);
    const snapshot = await plan.take('stillpoint-t1');
    expect(host.callsOf('mount')).toEqual([]);
    await opened(snapshot);
    const point = join(images, 'stillpoint-t1.0');
    expect(host.callsOf('lvcreate')).toEqual(['--yes --snapshot --permission r --name stillpoint-t1.0 --extents 512 vg/data']);
    expect(host.callsOf('mount')).toEqual([
      `--types xfs --options ro,nosuid,nodev,noexec,nouuid,norecovery -- /dev/vg/stillpoint-t1.0 ${point}`,
    ]);
    expect(placing(snapshot.places)(join(data, 'dir/file'))).toBe(join(point, 'dir/file'));
    await snapshot.intact();
    await snapshot.remove();
    await snapshot.remove();
    expect(host.callsOf('umount')).toEqual([`-- ${point}`]);
    expect(host.callsOf('lvremove')).toEqual(['--yes vg/stillpoint-t1.0']);
    expect(host.volumes.map(({ lv_name }) => lv_name)).toEqual(['data']);
    expect(readdirSync(images)).toEqual([]);
    await expect(snapshot.intact()).rejects.toMatchObject({ code: 'SNAPSHOT_LOST' });
  });

  it('S1 ext4 is mounted without its journal; a bound directory and a raw device find their place', async () => {
    const home = mounted(thick('home', 1), 'ext4', '/users');
    const raw = thick('raw', 2);
    host.volumes.push(raw);
    mkdirSync(join(top, 'dev'));
    const snapshot = await opened(await (await provider().plan([home]))!.take('stillpoint-t2'));
    expect(host.callsOf('mount')[0]).toContain('ro,nosuid,nodev,noexec,noload');
    expect(placing(snapshot.places)(join(home, 'dir'))).toBe(join(images, 'stillpoint-t2.0/users/dir'));
    await snapshot.remove();
  });

  it('S1 a raw device is read as the device of its image, and nothing is mounted', async () => {
    const device = join(top, 'raw-device');
    mkdirSync(device);
    host.volumes.push(thick('raw', 2));
    const deviceHost = { ...host, blockNumber: (path: string) => (path === device ? '253:2' : undefined) };
    const snapshot = await opened(
      await (await lvmProvider({ mountDirectory: images, host: deviceHost }).plan([device]))!.take('stillpoint-t3'),
    );
    expect(placing(snapshot.places)(device)).toBe('/dev/vg/stillpoint-t3.0');
    expect(host.callsOf('mount')).toEqual([]);
    await snapshot.remove();
  });

  it('S1 a thin one needs no size and is made active, and may be as full as it likes', async () => {
    host.volumes.push(pool('45.00'));
    const data = mounted(thin('data', 0), 'ext4');
    const snapshot = await (await provider().plan([data]))!.take('stillpoint-t4');
    expect(host.callsOf('lvcreate')).toEqual([
      '--yes --snapshot --permission r --name stillpoint-t4.0 --setactivationskip n --activate y vg/data',
    ]);
    await opened(snapshot);
    await snapshot.intact();
    await snapshot.remove();
  });

  it('S1 several share what is free in their group, nothing but making them is done while users wait, and it is said that they are apart', async () => {
    const paths = [mounted(thick('data', 0), 'xfs'), mounted(thick('log', 1), 'ext4')];
    host.free = 2 * GiB;
    const plan = (await provider().plan(paths))!;
    expect(plan).toMatchObject({ volumes: ['/dev/vg/data', '/dev/vg/log'], apart: expect.stringContaining('2 volumes') });
    const asked = host.calls.length;
    const snapshot = await plan.take('stillpoint-t5');
    expect(host.callsOf('lvcreate').map((call) => /--extents (\d+)/.exec(call)![1])).toEqual(['256', '256']);
    expect(host.calls.slice(asked).map(([program]) => program)).toEqual(['lvcreate', 'lvcreate']);
    await opened(snapshot);
    expect(host.calls.slice(asked).map(([program]) => program)).toEqual(['lvcreate', 'lvcreate', 'mount', 'mount']);
    await snapshot.remove();
  });

  it('S1 no room in the group, or in the pool, is told before anything is done', async () => {
    const data = mounted(thick('data', 0), 'xfs');
    host.free = 400 << 20;
    await expect(provider().plan([data])).rejects.toMatchObject({
      code: 'SNAPSHOT_NO_SPACE',
      message: expect.stringMatching(/400 MiB are free.*512 MiB are the least/),
    });
    for (const full of [pool('95.00'), pool('10.00', '91.00')]) {
      host.volumes.push(full);
      const other = mounted(thin(`thin-${full.data_percent}`, host.volumes.length), 'ext4');
      await expect(provider().plan([other])).rejects.toMatchObject({ code: 'SNAPSHOT_NO_SPACE', message: expect.stringContaining('pool') });
      host.volumes.splice(host.volumes.indexOf(full), 1);
    }
    expect(host.callsOf('lvcreate')).toEqual([]);
  });

  it('S1 where thin pools may have to grow, a thick one leaves them room', async () => {
    const data = mounted(thick('data', 0), 'xfs');
    host.volumes.push(pool('45.00'));
    host.free = 2 * GiB;
    const snapshot = await (await provider().plan([data]))!.take('stillpoint-t6');
    expect(host.free).toBe(GiB);
    await snapshot.remove();
    host.free = GiB;
    await expect(provider().plan([data])).rejects.toMatchObject({ code: 'SNAPSHOT_NO_SPACE' });
  });

  it('S1 one that overflows, fails or is removed is lost, and can still be removed', async () => {
    const data = mounted(thick('data', 0), 'xfs');
    const spoil: readonly ((image: FakeVolume) => void)[] = [
      (image) => {
        image.data_percent = '100.00';
      },
      (image) => {
        image.lv_attr = 'Sri-I-s---';
        image.lv_snapshot_invalid = 'snapshot invalid';
      },
      (image) => {
        image.lv_attr = 'sri-a-s-p-';
      },
      (image) => host.volumes.splice(host.volumes.indexOf(image), 1),
      () => host.failing.set('lvs', 'Failure to communicate with kernel device-mapper driver.'),
    ];
    for (const [i, change] of spoil.entries()) {
      const snapshot = await opened(await (await provider().plan([data]))!.take(`stillpoint-lost-${i}`));
      await snapshot.intact();
      change(host.volumes.at(-1)!);
      await expect(snapshot.intact(), `case ${i}`).rejects.toMatchObject({ code: 'SNAPSHOT_LOST' });
      host.failing.clear();
      await snapshot.remove();
    }
    expect(host.volumes.map(({ lv_name }) => lv_name)).toEqual(['data']);
  });

  it('S1 one that cannot be made leaves nothing, one that cannot be mounted is there to be removed', async () => {
    const paths = [mounted(thick('data', 0), 'xfs'), mounted(thick('log', 1), 'xfs')];
    const origins = () => host.volumes.map(({ lv_name }) => lv_name);
    const plan = (await provider().plan(paths))!;
    host.failing.set('lvcreate', 'Volume group "vg" has insufficient free space (3 extents): 12 required.');
    await expect(plan.take('stillpoint-t6')).rejects.toMatchObject({
      code: 'SNAPSHOT_NO_SPACE',
      message: expect.stringContaining('12 required'),
    });
    host.failing.clear();
    host.free = 600 * (4 << 20); // enough for the first
    await expect(plan.take('stillpoint-t6')).rejects.toMatchObject({
      code: 'SNAPSHOT_NO_SPACE',
      message: expect.stringContaining('vg/log'),
    });
    expect(origins()).toEqual(['data', 'log']);
    host.free = 10 * GiB;
    const unread = await plan.take('stillpoint-t7');
    host.failing.set('mount', 'wrong fs type');
    await expect(unread.open(() => undefined)).rejects.toMatchObject({
      code: 'SNAPSHOT_FAILED',
      message: expect.stringContaining('wrong fs type'),
    });
    host.failing.clear();
    await unread.remove();
    expect(origins()).toEqual(['data', 'log']);
    expect(existsSync(join(images, 'stillpoint-t7.0'))).toBe(false);
  });

  it('S1 a name that is taken is no reason to touch what has it', async () => {
    const paths = [mounted(thick('data', 0), 'xfs')];
    const first = await opened(await (await provider().plan(paths))!.take('stillpoint-same'));
    await expect(
      provider()
        .plan(paths)
        .then((plan) => plan!.take('stillpoint-same')),
    ).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
    await first.intact();
    await first.remove();
  });

  it('S1 an image is not mounted where others can look', async () => {
    const data = mounted(thick('data', 0), 'xfs');
    mkdirSync(images, { recursive: true });
    chmodSync(images, 0o755);
    const snapshot = await (await provider().plan([data]))!.take('stillpoint-open');
    await expect(snapshot.open(() => undefined)).rejects.toMatchObject({
      code: 'SNAPSHOT_FAILED',
      message: expect.stringContaining('open to others'),
    });
    expect(host.callsOf('mount')).toEqual([]);
    await snapshot.remove();
    expect(host.volumes.map(({ lv_name }) => lv_name)).toEqual(['data']);
  });

  it('S1 what cannot be removed is told, and removed when it is tried again', async () => {
    const data = mounted(thick('data', 0), 'xfs');
    const snapshot = await opened(await (await provider().plan([data]))!.take('stillpoint-busy'));
    host.failing.set('umount', 'target is busy.');
    await expect(snapshot.remove()).rejects.toMatchObject({ code: 'SNAPSHOT_REMOVE_FAILED', message: expect.stringContaining('busy') });
    host.failing.clear();
    await snapshot.remove();
    expect(host.volumes.map(({ lv_name }) => lv_name)).toEqual(['data']);
  });

  it('S1 what is no logical volume is none of its business; snapshots and btrfs are refused with the reason', async () => {
    expect(await provider().plan([top])).toBeUndefined();
    expect(host.calls).toEqual([]);
    const snap = mounted({ ...thick('snap', 3), lv_attr: 'swi-aos---', origin: 'data' }, 'ext4');
    await expect(provider().plan([snap])).rejects.toMatchObject({
      code: 'SNAPSHOT_NO_PROVIDER',
      message: expect.stringContaining('a snapshot itself'),
    });
    const tree = mounted(thick('tree', 4), 'btrfs');
    await expect(provider().plan([tree])).rejects.toMatchObject({ code: 'SNAPSHOT_NO_PROVIDER', message: expect.stringContaining('UUID') });
  });

  it('S1 on a host without logical volumes there is nothing to plan', async () => {
    expect(await lvmProvider({ mountDirectory: images, host: { ...host, hasLvm: () => false } }).plan([top])).toBeUndefined();
    expect(host.calls).toEqual([]);
    const devices = readdirSync('/sys/block').map((name) => readFileSync(`/sys/block/${name}/dev`, 'latin1').trim());
    expect(thisHost.hasLvm()).toBe(devices.some((device) => thisHost.isLogical(device)));
    expect(thisHost.isLogical('7:0')).toBe(false);
  });

  it('S1 the fields asked for are ones that lvs knows', async () => {
    needPrograms(['lvs'], 'lvm2');
    expect(Array.isArray(await logicalVolumes(runProgram))).toBe(true);
  });

  it('S1 a report that is none is an error, not an empty list', async () => {
    const data = mounted(thick('data', 0), 'xfs');
    for (const text of ['', '{"report":[{"lv":[{"lv_name":"data"}]}]}']) {
      const odd = { ...host, run: async () => text };
      await expect(lvmProvider({ mountDirectory: images, host: odd }).plan([data])).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
    }
  });
});
