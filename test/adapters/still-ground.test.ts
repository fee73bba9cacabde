// What a backup's source lies on, told from real mounts, and whose images are swept. Needs root.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { imagesHere } from '../../src/agent/images.ts';
import { groundOf } from '../../src/agent/still-ground.ts';
import { beginLife, installationMark, isAlive } from '../../src/agent/task-life.ts';
import { defaultConsistency } from '../../src/model/consistency.ts';
import { imageDirectory } from '../../src/model/snapshot.ts';
import { type SnapshotDisk, snapshotDisk } from '../beds/snapshot-disk.ts';
import { filesOf } from '../beds/vault.ts';

let disk: SnapshotDisk;
let top: string;
beforeEach(async () => {
  disk = await snapshotDisk('btrfs');
  top = mkdtempSync(join(tmpdir(), 'still-ground-'));
});
afterEach(async () => {
  await disk.remove();
  rmSync(top, { recursive: true });
});

const warnings: string[] = [];
const ground = (task: string, paths: readonly string[], mark = '0123abcd') =>
  groundOf(
    { source: filesOf(...paths), consistency: defaultConsistency, task, freezesPerHour: 100 },
    imagesHere({ images: join(top, 'images'), tasks: join(top, 'tasks'), mark }),
    ({ detail }) => warnings.push(detail),
  );
const images = () => readdirSync(join(disk.path, imageDirectory)).sort();

describe('the ground of a still point', () => {
  it('A3 what is mounted below a path that leads over a link is told, a tmpfs too', async () => {
    mkdirSync(join(disk.path, 'data/wal'), { recursive: true });
    symlinkSync(disk.path, join(top, 'srv'));
    const data = join(top, 'srv/data');
    expect((await ground('a', [data])).beside).toBeUndefined();
    execFileSync('mount', ['-t', 'tmpfs', 'none', join(disk.path, 'data/wal')]);
    try {
      const { apart, beside } = await ground('a', [data]);
      expect({ apart, beside }).toEqual({ apart: undefined, beside: expect.stringContaining(join(data, 'wal')) });
    } finally {
      execFileSync('umount', [join(disk.path, 'data/wal')]);
    }
  });

  it('A3 several volumes are told apart, by name, from what is read beside them', async () => {
    const other = await snapshotDisk('btrfs');
    try {
      const { apart, beside } = await ground('a', [disk.path, other.path]);
      expect({ apart, beside }).toEqual({
        apart: { reason: expect.stringContaining('2 subvolumes one after the other'), volumes: [disk.path, other.path] },
        beside: undefined,
      });
    } finally {
      await other.remove();
    }
  });

  it('A3 images of living tasks and of other installations are left alone, those of the dead are swept', async () => {
    const living = await (await ground('living', [disk.path])).take();
    const other = await (await ground('other', [disk.path], 'ffff0000')).take();
    const dead = await (await ground('dead', [disk.path])).take();
    // As a SIGKILL leaves it: the pid is of nobody, or of somebody who was started later.
    writeFileSync(join(top, 'tasks/dead'), `${process.pid} 1 another-boot\n`);
    rmSync(join(top, 'tasks/other'));
    await ground('next', [disk.path]);
    expect(images()).toEqual(['stillpoint-0123abcd-living.0', 'stillpoint-ffff0000-other.0']);
    expect(readdirSync(join(top, 'tasks'))).toEqual(['living']);
    for (const snapshot of [living, other, dead]) await snapshot.remove();
    expect({ images: images(), lives: readdirSync(join(top, 'tasks')), warnings }).toEqual({ images: [], lives: [], warnings: [] });
  });

  it('A3 a task is alive until its process ends, however it ends', async () => {
    const module = join(import.meta.dirname, '../../src/agent/task-life.ts');
    const code = `import { beginLife } from '${module}'; beginLife('${top}', 'one'); console.log('begun'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    expect(isAlive(top, 'one')).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isAlive(top, 'one')).toBe(false);
    const end = beginLife(top, 'two');
    expect(isAlive(top, 'two')).toBe(true);
    end();
    expect(isAlive(top, 'two')).toBe(false);
    expect(installationMark(top)).toMatch(/^[0-9a-f]{8}$/);
    expect(installationMark(top)).not.toBe(installationMark(disk.path));
  });
});
