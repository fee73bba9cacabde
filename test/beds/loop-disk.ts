// A file system of its own in a file: with as many inodes as wanted, or with reflinks. Mounting needs root.
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needPrograms, run } from './programs.ts';

export interface LoopDisk {
  /** Where it is mounted. */
  readonly path: string;
  remove(): Promise<void>;
}

const makers = {
  /** Without a journal to be written through, and tiny files in their inodes. */
  ext4: { program: 'mkfs.ext4', args: ['-q', '-F', '-O', '^has_journal,inline_data', '-N'], packages: 'e2fsprogs mount' },
  xfs: { program: 'mkfs.xfs', args: ['-q', '-m', 'reflink=1'], packages: 'xfsprogs mount' },
} as const;

/** `bytes`: its size, taken from the disk only as it fills. `inodes`: of ext4, files that it can hold. */
export async function loopDisk(kind: keyof typeof makers, bytes: number, inodes = 100_000): Promise<LoopDisk> {
  const { program, args, packages } = makers[kind];
  needPrograms([program, 'mount', 'umount'], packages);
  const dir = mkdtempSync(join(tmpdir(), 'loop-disk-'));
  const image = join(dir, 'image');
  const path = join(dir, 'mounted');
  const fd = openSync(image, 'wx');
  ftruncateSync(fd, bytes);
  closeSync(fd);
  mkdirSync(path);
  const remove = async () => {
    await run('umount', [path], { timeout: 300_000 });
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await run(program, [...args, ...(kind === 'ext4' ? [String(inodes)] : []), image], { timeout: 120_000 });
    await run('mount', ['-o', 'loop,noatime', image, path]);
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  return { path, remove };
}
