import { describe, expect, it } from 'vitest';
import { joined, placing, restBelow } from '../../../src/model/place.ts';
import { mountOf, readMounts } from '../../../src/snapshots/mounts.ts';
import { assertName, ownerOf, pieceName, snapshotName, taskOf } from '../../../src/snapshots/names.ts';

const mountinfo = `25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
43 25 0:39 /@ /srv rw,relatime shared:7 master:2 - btrfs /dev/loop0 rw,subvolid=256,subvol=/@
44 25 8:1 / /srv/a\\040b ro - xfs /dev/sda1 rw
45 25 8:2 / /srv/a\\040b rw - ext4 /dev/sda2 ro,errors=continue
`;

describe('where a path lies', () => {
  it('S1 mounts are read with blanks in their names and without their optional fields', () => {
    expect(readMounts(mountinfo).map(({ device, root, point, fileSystem, source }) => [device, root, point, fileSystem, source])).toEqual([
      ['254:0', '/', '/', 'ext4', '/dev/root'],
      ['0:39', '/@', '/srv', 'btrfs', '/dev/loop0'],
      ['8:1', '/', '/srv/a b', 'xfs', '/dev/sda1'],
      ['8:2', '/', '/srv/a b', 'ext4', '/dev/sda2'],
    ]);
  });

  it('S1 only what both the mount and the file system allow can be written to', () => {
    expect(readMounts(mountinfo).map(({ writable }) => writable)).toEqual([true, true, false, false]);
  });

  it('S1 the deepest mount has a path, of two on one point the later, and a name that only begins alike has it not', () => {
    const mounts = readMounts(mountinfo);
    const on = (path: string) => mountOf(path, mounts)?.device;
    expect(['/', '/srvx', '/srv', '/srv/a', '/srv/a b', '/srv/a b/c'].map(on)).toEqual(['254:0', '254:0', '0:39', '0:39', '8:2', '8:2']);
  });

  it('S1 rests of paths', () => {
    expect(restBelow('/', '/')).toBe('');
    expect(restBelow('/', '/a')).toBe('/a');
    expect(restBelow('/a', '/a')).toBe('');
    expect(restBelow('/a', '/a/b')).toBe('/b');
    expect(restBelow('/a', '/ab')).toBeUndefined();
    expect([joined('/', ''), joined('/', '/a'), joined('/a', ''), joined('/a', '/b')]).toEqual(['/', '/a', '/a', '/a/b']);
  });

  it('S1 a live path is found in the deepest image that has it, through links on the way, and nothing else is', () => {
    const place = placing({
      planned: [
        { path: '/var/run/app', canonical: '/run/app' },
        { path: '/', canonical: '/' },
      ],
      images: [
        { top: '/', image: '/img/root' },
        { top: '/run', image: '/img/run' },
        { top: '/run/app/data', image: '/img/data' },
      ],
    });
    expect(place('/')).toBe('/img/root');
    expect(place('/etc/x')).toBe('/img/root/etc/x');
    expect(place('/var/run/app')).toBe('/img/run/app');
    expect(place('/var/run/app/data/x')).toBe('/img/data/x');
    expect(place('/var/run/other')).toBe('/img/root/var/run/other');
    expect(() => placing({ planned: [{ path: '/a', canonical: '/a' }], images: [{ top: '/', image: '/i' }] })('/b')).toThrow('/b');
  });

  it('S1 the name of an image leads to its snapshot, and only ours does', () => {
    expect(ownerOf(pieceName('stillpoint-01-ab', 12))).toBe('stillpoint-01-ab');
    expect(taskOf('0123abcd', snapshotName('0123abcd', '01-ab'))).toBe('01-ab');
    expect(taskOf('0123abcd', snapshotName('ffff0000', '01-ab'))).toBeUndefined();
    for (const other of ['stillpoint-a', 'stillpoint-a.', 'stillpoint-a.x', 'my-stillpoint-a.0', 'stillpoint-.0', 'stillpoint-a.0.1'])
      expect(ownerOf(other)).toBeUndefined();
    for (const name of ['', 'stillpoint-', 'stillpoint-a/b', 'stillpoint-a.0', 'x', `stillpoint-${'a'.repeat(65)}`])
      expect(() => assertName(name)).toThrow();
    assertName('stillpoint-2026-11-21T10-00-00Z');
  });
});
