import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { hostDisks } from '../../../src/base/host-disks.ts';
import { type Host, hostTree } from '../../beds/host-tree.ts';

const top = mkdtempSync(join(tmpdir(), 'host-disks-'));
afterAll(() => rmSync(top, { recursive: true }));

function look(host: Host) {
  const root = mkdtempSync(join(top, 'host-'));
  hostTree(root, host);
  return hostDisks(root);
}

/** `sda: system / /boot`: what matters of each disk, on a line. */
const told = (host: Host) =>
  look(host).disks.map(({ path, system, uses }) => [`${path}: ${system ? 'system' : 'data'}`, ...uses.map(({ point }) => point)].join(' '));

const volume = (name: string) => ({ name: `vg-${name}`, uuid: `LVM-${name}` });

describe('the disks of a host', () => {
  it('S2 with plain partitions: the one with the root is the system disk, a mount of the other is told', () => {
    const host = {
      devices: { sda: { parts: ['sda1', 'sda2'] }, sdb: { parts: ['sdb1'] }, sdc: {} },
      mounts: { '/': 'sda2', '/boot': 'sda1', '/srv/my data': { device: 'sdb1', options: 'ro' } },
    };
    expect(told(host)).toEqual(['/dev/sda: system / /boot', '/dev/sdb: data /srv/my data', '/dev/sdc: data']);
    expect(look(host).disks.map(({ uses }) => uses.map(({ writable }) => writable))).toEqual([[true, true], [false], []]);
  });

  it('S2 with LVM on a partition: the disk carries what stands on its volumes, a volume is no disk', () => {
    const host: Host = {
      devices: {
        vda: { parts: ['vda1', 'vda2'] },
        vdb: {},
        'dm-0': { upon: ['vda2'], mapped: volume('root') },
        'dm-1': { upon: ['vda2', 'vdb'], mapped: volume('data') },
        'dm-2': { upon: ['vdb'], mapped: volume('swap') },
      },
      mounts: { '/': 'dm-0', '/data': 'dm-1' },
      swaps: ['/dev/mapper/vg-swap'],
    };
    expect(told(host)).toEqual(['/dev/vda: system / /data', '/dev/vdb: system /data swap']);
    expect(look(host).others).toEqual(['root', 'data', 'swap'].map((name) => ({ path: `/dev/mapper/vg-${name}`, why: 'built on disks' })));
  });

  it('S2 with RAID1 of two disks and LVM on it: both are system disks, the array is no disk', () => {
    const host: Host = {
      devices: {
        sda: { parts: ['sda1'] },
        sdb: { parts: ['sdb1'] },
        sdc: {},
        md127: { upon: ['sda1', 'sdb1'], parts: ['md127p1'] },
        'dm-0': { upon: ['md127p1'], mapped: volume('root') },
      },
      mounts: { '/': 'dm-0' },
    };
    expect(told(host)).toEqual(['/dev/sda: system /', '/dev/sdb: system /', '/dev/sdc: data']);
  });

  it('S2 with LUKS below LVM, on NVMe; partitions of NVMe are no disks', () => {
    const host: Host = {
      devices: {
        nvme0n1: { parts: ['nvme0n1p1', 'nvme0n1p2'], says: { wwid: 'eui.0025', 'device/serial': 'S4EV ', 'device/model': 'Fast 970 \n' } },
        nvme1n1: { says: { hidden: '0' } },
        nvme1c0n1: { says: { hidden: '1' } },
        'dm-0': { upon: ['nvme0n1p2'], mapped: { name: 'luks-1', uuid: 'CRYPT-LUKS2-1' } },
        'dm-1': { upon: ['dm-0'], mapped: volume('root') },
      },
      mounts: { '/': 'dm-1', '/boot/efi': 'nvme0n1p1' },
    };
    expect(told(host)).toEqual(['/dev/nvme0n1: system / /boot/efi', '/dev/nvme1n1: data']);
    expect(look(host).disks[0]).toMatchObject({ names: ['S4EV', 'eui.0025'], model: 'Fast 970', size: 1024 * 2 ** 20 });
    expect(look(host).others).toContainEqual({ path: '/dev/nvme1c0n1', why: 'a path to another disk' });
  });

  it('S2 with btrfs on several disks: all of them carry the root', () => {
    const host: Host = {
      devices: { sda: { parts: ['sda1'] }, sdb: {}, sdc: {} },
      mounts: { '/': { device: 'sda1', number: '0:31' }, '/home': { device: 'sda1', number: '0:31' } },
      btrfs: [['sda1', 'sdb']],
    };
    expect(told(host)).toEqual(['/dev/sda: system / /home', '/dev/sdb: system / /home', '/dev/sdc: data']);
  });

  it('S2 leaves out what is no disk: loop, zram that is swapped to, CD, floppy, free nbd, a stick without medium', () => {
    const host: Host = {
      devices: {
        fd0: { size: 1 },
        loop0: { size: 0 },
        loop1: {},
        nbd0: { size: 0 },
        nbd1: {},
        ram0: {},
        sda: { says: { removable: '1' } },
        sdb: { size: 0, says: { removable: '1' } },
        sr0: { says: { removable: '1' } },
        'cciss!c0d0': {},
        mmcblk0: {},
        mmcblk0boot0: {},
        vda: {},
        zram0: {},
      },
      mounts: { '/': 'vda', '/snap/core': 'loop1' },
      swaps: ['/dev/zram0'],
    };
    expect(told(host)).toEqual(['/dev/cciss/c0d0: data', '/dev/mmcblk0: data', '/dev/nbd1: data', '/dev/sda: data', '/dev/vda: system /']);
    const others = Object.fromEntries(look(host).others.map(({ path, why }) => [path.slice('/dev/'.length), why]));
    expect(others).toEqual({
      fd0: 'a drive for discs',
      loop1: 'memory or a file',
      mmcblk0boot0: 'an area of its own on a memory card',
      ram0: 'memory or a file',
      sdb: 'no medium',
      sr0: 'a drive for discs',
      zram0: 'memory or a file',
    });
  });

  it('S2 takes several paths to one disk for one disk, known by the names of its paths too', () => {
    const host: Host = {
      devices: {
        sda: { says: { 'device/vpd_pg80': Buffer.from('\0\x80\0\x0660001 ', 'latin1') } },
        sdb: { links: ['by-path/pci-b'] },
        'dm-0': { upon: ['sda', 'sdb'], mapped: { name: 'mpatha', uuid: 'mpath-36001' }, links: ['by-id/wwn-0x36001'] },
        'dm-1': { upon: ['dm-0'], mapped: { name: 'mpatha-part1', uuid: 'part1-mpath-36001' } },
      },
      mounts: { '/': 'dm-1' },
    };
    expect(told(host)).toEqual(['/dev/mapper/mpatha: system /']);
    const [disk] = look(host).disks;
    expect(disk!.names).toEqual(['/dev/disk/by-id/wwn-0x36001', '/dev/sda', '60001', '/dev/sdb', '/dev/disk/by-path/pci-b']);
    expect(
      look(host)
        .others.slice(1)
        .map(({ why }) => why),
    ).toEqual(['a path to /dev/mapper/mpatha', 'a path to /dev/mapper/mpatha']);
  });

  it('S2 counts an EFI system partition that is not mounted, but not the remnant of one', () => {
    const devices = { sda: { parts: ['sda1'] }, sdb: { parts: ['sdb1', 'sdb2'] } };
    expect(told({ devices, mounts: { '/': 'sdb2' }, efi: ['sda1'] })).toEqual(['/dev/sda: system', '/dev/sdb: system /']);
    expect(told({ devices, mounts: { '/': 'sdb2' }, efi: ['sda1', 'sdb1'] })).toEqual(['/dev/sda: data', '/dev/sdb: system /']);
  });

  it('S2 finds nothing where there is nothing', () => {
    expect(hostDisks(join(top, 'empty'))).toEqual({ disks: [], others: [] });
  });
});
