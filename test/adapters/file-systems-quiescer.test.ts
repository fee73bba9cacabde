// File systems are frozen and thawed by the kernel, on real ones; what must not be frozen is refused.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/base/system-clock.ts';
import { readHost } from '../../src/quiescers/file-systems/host.ts';
import { fileSystemQuiescer } from '../../src/quiescers/file-systems/quiescer.ts';
import { resolveFileSystems } from '../../src/quiescers/file-systems/resolve.ts';
import { type FileSystem, fileSystem } from '../beds/file-system.ts';
import { run } from '../beds/programs.ts';
import { limitOf, quiescerContract } from '../contract/quiescer.ts';

const quiescerOf = (path: string) => fileSystemQuiescer(resolveFileSystems([path], [])[0]!, { clock: systemClock });

for (const kind of ['ext4', 'xfs', 'btrfs'] as const) {
  describe(kind, () => {
    quiescerContract(`a file system (${kind})`, async () => {
      const disk = await fileSystem(kind);
      const quiescer = quiescerOf(disk.path);
      const remove = () => quiescer.thaw().then(disk.remove, disk.remove);
      return { quiescer, isStill: disk.isFrozen, breakIn: disk.thaw, remove };
    });
  });
}

describe('freezing file systems', () => {
  const disks: FileSystem[] = [];
  const make = async (...args: Parameters<typeof fileSystem>) => {
    const disk = await fileSystem(...args);
    disks.unshift(disk);
    return disk;
  };
  afterEach(async () => {
    // A frozen one keeps those that lie on it from being unmounted.
    for (const disk of disks.toReversed()) await disk.thaw();
    for (const disk of disks.splice(0)) await disk.remove();
  });

  it('A3 what somebody else froze is left to him', async () => {
    const disk = await make('ext4');
    const quiescer = quiescerOf(disk.path);
    await disk.freeze();
    await expect(quiescer.freeze(limitOf(30_000))).rejects.toMatchObject({ code: 'FREEZE_FOREIGN' });
    await quiescer.thaw();
    expect(await disk.isFrozen()).toBe(true);
  });

  it('A2 thawed and frozen again from outside is no proof, and the second freeze is left to him who made it', async () => {
    const disk = await make('ext4');
    const quiescer = quiescerOf(disk.path);
    await quiescer.freeze(limitOf(30_000));
    await disk.thaw();
    await disk.freeze();
    await expect(quiescer.held()).rejects.toMatchObject({
      code: 'FREEZE_LOST',
      message: expect.stringContaining('somebody else thawed it'),
    });
    await quiescer.thaw();
    expect(await disk.isFrozen()).toBe(true);
  });

  it('A3 a freeze that hangs in the kernel is thawed as soon as it comes back', async () => {
    const parent = await make('ext4', undefined, 128 << 20);
    const child = await make('ext4', parent.path, 32 << 20);
    const quiescer = quiescerOf(child.path);
    await parent.freeze();
    writeFileSync(join(child.path, 'dirty'), Buffer.alloc(1 << 20, 1));
    const stop = new AbortController();
    const freezing = quiescer.freeze(limitOf(60_000, stop.signal)).catch((error: unknown) => error);
    await expect.poll(() => hangsInFreeze(child.path)).toBe(true);
    stop.abort();
    await expect(quiescer.thaw()).rejects.toMatchObject({ code: 'FREEZE_THAW_FAILED' });
    await parent.thaw();
    expect(await freezing).toBeInstanceOf(Error);
    await expect.poll(() => quiescer.thaw().then(() => 'thawed', String)).toBe('thawed');
    expect(await child.isFrozen()).toBe(false);
  });

  it('A3 the limit is kept by the helper when nobody else keeps it, and a killed helper is replaced', async () => {
    const disk = await make('ext4');
    const quiescer = quiescerOf(disk.path);
    await quiescer.freeze(limitOf(100));
    await expect.poll(disk.isFrozen, { interval: 100 }).toBe(false);
    await expect(quiescer.held()).rejects.toMatchObject({ code: 'FREEZE_LOST' });
    await quiescer.thaw();

    await quiescer.freeze(limitOf(30_000));
    process.kill(guardOf(disk.path), 'SIGKILL');
    expect(await disk.isFrozen()).toBe(true);
    await quiescer.held();
    await quiescer.thaw();
    expect(await disk.isFrozen()).toBe(false);
  });

  it('A3 the freeze changes nothing in the file system', async () => {
    const disk = await make('xfs');
    const quiescer = quiescerOf(disk.path);
    const before = await run('stat', ['-c', '%y %z %x', disk.path]);
    await quiescer.freeze(limitOf(30_000));
    await quiescer.thaw();
    expect(await run('stat', ['-c', '%y %z %x', disk.path])).toBe(before);
  });

  it('A3 what was mounted anew after it was looked at is not frozen', async () => {
    const disk = await make('ext4');
    const quiescer = quiescerOf(disk.path);
    await run('mount', ['-t', 'tmpfs', 'stillpoint-test', disk.path]);
    await expect(quiescer.freeze(limitOf(30_000))).rejects.toMatchObject({ code: 'FREEZE_FAILED' });
    await run('umount', [disk.path]);
    expect(await disk.isFrozen()).toBe(false);
  });

  it('A3 children are frozen before what they lie on, and a forgotten child is a reason to refuse', async () => {
    const parent = await make('xfs', undefined, 400 << 20);
    const child = await make('ext4', parent.path, 32 << 20);
    const grandchild = await make('ext4', child.path, 8 << 20);
    const other = await make('ext4');
    const asked = [parent.path, other.path, grandchild.path, child.path];
    const order = resolveFileSystems(asked, []).map(({ point }) => point);
    expect(order.filter((point) => point !== other.path)).toEqual([grandchild.path, child.path, parent.path]);
    expect(order).toContain(other.path);
    expect(() => resolveFileSystems([parent.path, child.path], [])).toThrow(`${grandchild.path} lies on it`);

    // The order holds: dirty data of each child goes down before its parent stops.
    const quiescers = resolveFileSystems(asked, []).map((mount) => fileSystemQuiescer(mount, { clock: systemClock }));
    for (const disk of [grandchild, child, parent]) writeFileSync(join(disk.path, 'dirty'), Buffer.alloc(100_000, 1));
    for (const quiescer of quiescers) await quiescer.freeze(limitOf(60_000));
    for (const quiescer of quiescers) await quiescer.held();
    for (const quiescer of quiescers.toReversed()) await quiescer.thaw();
    for (const disk of [grandchild, child, parent]) expect(await disk.isFrozen()).toBe(false);
  });

  it('A3 two mount points of one file system are one freeze; a bound folder is refused and the whole named', async () => {
    const disk = await make('ext4');
    const second = mkdtempSync(join(tmpdir(), 'bound-'));
    mkdirSync(join(disk.path, 'part'));
    await run('mount', ['--bind', disk.path, second]);
    try {
      expect(resolveFileSystems([disk.path, second], [])).toHaveLength(1);
    } finally {
      await run('umount', [second]);
    }
    await run('mount', ['--bind', join(disk.path, 'part'), second]);
    try {
      expect(() => resolveFileSystems([second], [])).toThrow(`bound here; name that one: ${disk.path}`);
    } finally {
      await run('umount', [second]);
      rmSync(second, { recursive: true });
    }
  });

  it('A3 what the agent needs is refused, and what that lies on', async () => {
    const parent = await make('ext4', undefined, 128 << 20);
    const child = await make('ext4', parent.path, 32 << 20);
    const log = join(child.path, 'log');
    mkdirSync(log);
    expect(() => resolveFileSystems([child.path], [log])).toThrow(`it holds ${log}`);
    expect(() => resolveFileSystems([parent.path], [log])).toThrow(`what holds ${log} lies on it`);
    expect(() => resolveFileSystems([parent.path, child.path], [log])).toThrow('must not be frozen');
  });
});

describe('what is refused', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'refused-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const reasonFor = (point: string, lines: readonly string[] = [], swaps?: readonly string[]): string => {
    const host = readHost();
    const mounts = [...host.mounts, ...lines.map((line, i) => madeUp(line, 90_000 + i))];
    try {
      resolveFileSystems([point], [], { ...host, mounts, swaps: swaps ?? host.swaps });
      return 'not refused';
    } catch (error) {
      expect(error).toMatchObject({ code: 'FREEZE_REFUSED' });
      return (error as Error).message;
    }
  };

  it('A3 the root, also by another mount point, and what is not mounted', async () => {
    expect(reasonFor('/')).toContain('it holds /');
    expect(reasonFor(folder)).toContain('nothing is mounted there');
    await run('mount', ['--bind', '/', folder]);
    try {
      expect(reasonFor(folder)).toContain('it holds /');
    } finally {
      await run('umount', [folder]);
    }
  });

  it('A3 a real tmpfs and a real overlay', async () => {
    await run('mount', ['-t', 'tmpfs', 'stillpoint-test', folder]);
    try {
      expect(reasonFor(folder)).toContain('tmpfs cannot be frozen');
      for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(folder, name));
      const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => join(folder, name));
      await run('mount', ['-t', 'overlay', '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`, 'overlay', merged!]);
      try {
        expect(reasonFor(merged!)).toContain('it is an overlay');
      } finally {
        await run('umount', [merged!]);
      }
    } finally {
      await run('umount', [folder]);
    }
  });

  it('A3 a file system mounted read-only', async () => {
    const disk = await fileSystem('ext4');
    try {
      await run('mount', ['-o', 'remount,ro', disk.path]);
      expect(reasonFor(disk.path)).toContain('read-only');
      await run('mount', ['-o', 'remount,rw', disk.path]);
    } finally {
      await disk.remove();
    }
  });

  it('A3 swap, /usr, /var/log, the journal, network file systems and FUSE', async () => {
    const disk = await fileSystem('ext4');
    try {
      const swapFile = join(disk.path, 'swap-file');
      writeFileSync(swapFile, Buffer.alloc(1 << 20), { mode: 0o600 });
      await run('mkswap', [swapFile]);
      await run('swapon', [swapFile]);
      try {
        expect(reasonFor(disk.path)).toContain(`it holds swap (${swapFile})`);
      } finally {
        await run('swapoff', [swapFile]);
      }
      const swapDevice = await loopOver(join(disk.path, 'swap-image'));
      try {
        expect(reasonFor(disk.path, [], [swapDevice])).toContain(`it holds swap (${swapDevice})`);
      } finally {
        await run('losetup', ['-d', swapDevice]);
      }
    } finally {
      await disk.remove();
    }
    for (const point of ['/usr', '/var/log', '/var/log/journal', '/run'])
      expect(reasonFor(point, [`8:77 / ${point} ext4 /dev/x`])).toContain(`it holds ${point}`);
    expect(reasonFor('/srv/nfs', ['0:99 / /srv/nfs nfs4 server:/export'])).toContain('network file system');
    expect(reasonFor('/srv/s', ['0:98 / /srv/s fuse.sshfs server:'])).toContain('network file system');
    expect(reasonFor('/srv/fat', ['8:78 / /srv/fat vfat /dev/y'])).toContain('vfat cannot be frozen');
  });
});

function madeUp(line: string, id: number) {
  const [device = '', root = '', point = '', type = '', source = ''] = line.split(' ');
  return { id, device, root, point, type, source, options: ['rw'] };
}

async function loopOver(image: string): Promise<string> {
  writeFileSync(image, Buffer.alloc(1 << 20));
  return (await run('losetup', ['--find', '--show', image])).trim();
}

/** True while a freeze of this file system waits in the kernel. */
function hangsInFreeze(path: string): boolean {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .some((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
        return /^\d+ \(fsfreeze\) D /.test(stat) && readlinkSync(`/proc/${pid}/fd/3`) === path;
      } catch {
        return false;
      }
    });
}

/** The pid of the shell that holds this file system. */
function guardOf(path: string): number {
  const found = readdirSync('/proc').find((pid) => {
    try {
      const holds = readlinkSync(`/proc/${pid}/fd/3`) === path;
      return holds && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('rdfreeze-guard');
    } catch {
      return false;
    }
  });
  return Number(found);
}
