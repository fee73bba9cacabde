// A volume group of its own, on a disk that the test may have (STILLPOINT_LVM_DISK, as the virtual machine sets it) or on a loop device, and
// volumes with file systems on them. Needs root and device-mapper.
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../programs.ts';

/** Why there can be no logical volume here; empty where there can. */
export const noLvm: string = reason();

/** For the name of a test or a group that is skipped. */
export const noLvmNote = noLvm && ` (skipped: ${noLvm}; scripts/dev/test.sh --full runs it in a virtual machine)`;

function reason(): string {
  if (process.geteuid?.() !== 0) return 'LVM needs root';
  const { status, error } = spawnSync('dmsetup', ['version'], { stdio: 'ignore' });
  return error ? 'lvm2 is not installed' : status === 0 ? '' : 'this kernel has no device-mapper';
}

/** Where the provider under test mounts its images, also the one of test/beds/take-and-die.ts. */
export const lvmImages = join(tmpdir(), 'stillpoint-lvm-images');

export type VolumeKind = 'thick' | 'thin';

export interface Volume {
  /** `/dev/GROUP/NAME`. */
  readonly device: string;
  /** Where it is mounted. */
  readonly path: string;
}

export interface VolumeGroup {
  readonly name: string;
  /** Of `bytes`, with a file system, mounted. Thin ones share a pool of 1 GiB. */
  volume(kind: VolumeKind, fileSystem: 'ext4' | 'xfs', bytes?: number): Promise<Volume>;
  /** Names of all its volumes but the pool's, bytewise. */
  volumes(): string[];
  /** All of it, mounted or not. */
  remove(): Promise<void>;
}

const patient = { timeout: 300_000 };
const makers = { ext4: ['mkfs.ext4', '-q', '-F'], xfs: ['mkfs.xfs', '-q', '-f'] } as const;

export async function volumeGroup(): Promise<VolumeGroup> {
  const folder = mkdtempSync(join(tmpdir(), 'volume-group-'));
  const name = `test-${folder.slice(-6)}`;
  const given = process.env['STILLPOINT_LVM_DISK'];
  const device = given ?? (await loopOver(join(folder, 'image')));
  await run('vgcreate', ['--yes', name, device], patient);
  let made = 0;
  let hasPool = false;
  return {
    name,
    async volume(kind, fileSystem, bytes = 512 << 20) {
      const own = `data-${made++}`;
      const pool = `${name}/pool`;
      if (kind === 'thin' && !hasPool) {
        await run(
          'lvcreate',
          ['--yes', '--type', 'thin-pool', '--size', '1g', '--poolmetadatasize', '8m', '--name', 'pool', name],
          patient,
        );
        hasPool = true;
      }
      const size = kind === 'thin' ? ['--thin', '--virtualsize', `${bytes}b`, pool] : ['--size', `${bytes}b`, name];
      await run('lvcreate', ['--yes', '--name', own, ...size], patient);
      const path = join(folder, own);
      mkdirSync(path);
      const [program, ...args] = makers[fileSystem];
      await run(program, [...args, `/dev/${name}/${own}`], patient);
      await run('mount', [`/dev/${name}/${own}`, path], patient);
      return { device: `/dev/${name}/${own}`, path };
    },
    volumes() {
      const { stdout } = spawnSync('lvs', ['--noheadings', '--options', 'lv_name', name], { encoding: 'utf8' });
      return stdout
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '' && line !== 'pool')
        .sort();
    },
    async remove() {
      for (const point of mountsOf(name)) await run('umount', [point], patient);
      await run('vgremove', ['--yes', '--force', name], patient);
      await run('pvremove', ['--yes', device], patient);
      if (given === undefined) await run('losetup', ['-d', device], patient);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function loopOver(image: string): Promise<string> {
  const fd = openSync(image, 'wx');
  ftruncateSync(fd, 6 * 2 ** 30);
  closeSync(fd);
  return (await run('losetup', ['--find', '--show', image])).trim();
}

/** Mount points of the group's volumes, images that a failed test left among them. */
function mountsOf(group: string): string[] {
  const mapped = `/dev/mapper/${group.replaceAll('-', '--')}-`;
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return lines.filter((line) => line.startsWith(mapped)).map((line) => line.split(' ')[1]!);
}

/** Names of the images there are, mounted or not. */
export function lvmImageNames(group: VolumeGroup): string[] {
  const mounted = existsSync(lvmImages) ? readdirSync(lvmImages) : [];
  return [...new Set([...group.volumes().filter((name) => name.startsWith('stillpoint-')), ...mounted])].sort();
}
