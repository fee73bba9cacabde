// File systems of their own in files, to be frozen and thawed by tests. Whatever a test does, none stays frozen: remove() and the end of the
// test process thaw them. Needs root.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { needPrograms, run } from './programs.ts';

export type FileSystemKind = keyof typeof makers;

export interface FileSystem {
  readonly kind: FileSystemKind;
  /** Where it is mounted. */
  readonly path: string;
  readonly image: string;
  /** By a hand that is not the agent's. */
  freeze(): Promise<void>;
  /** Also without a freeze. */
  thaw(): Promise<void>;
  /** A writer tells: true once it sleeps until the thaw, false once it has written. */
  isFrozen(): Promise<boolean>;
  remove(): Promise<void>;
}

const makers = {
  ext4: { program: 'mkfs.ext4', args: ['-q', '-F'], bytes: 64 << 20 },
  xfs: { program: 'mkfs.xfs', args: ['-q'], bytes: 320 << 20 },
  btrfs: { program: 'mkfs.btrfs', args: ['-q'], bytes: 256 << 20 },
} as const;

const alive = new Set<string>();
process.on('exit', () => {
  for (const path of alive) spawnSync('fsfreeze', ['--unfreeze', path], { stdio: 'ignore' });
});

/** `within`: a folder for its file, to put it on another such file system. */
export async function fileSystem(kind: FileSystemKind, within: string = tmpdir(), bytes: number = makers[kind].bytes): Promise<FileSystem> {
  const { program, args } = makers[kind];
  needPrograms([program, 'mount', 'umount', 'fsfreeze'], 'e2fsprogs xfsprogs btrfs-progs mount util-linux');
  const folder = mkdtempSync(join(within, 'file-system-'));
  const image = join(folder, 'image');
  const path = within === tmpdir() ? join(folder, 'mounted') : mkdtempSync(join(tmpdir(), 'file-system-nested-'));
  const fd = openSync(image, 'wx');
  ftruncateSync(fd, bytes);
  closeSync(fd);
  mkdirSync(path, { recursive: true });
  await run(program, [...args, image], { timeout: 120_000 });
  await mountLoop(image, path);
  alive.add(path);
  const thaw = () => run('fsfreeze', ['--unfreeze', path]).then(ignore, ignore);
  return {
    kind,
    path,
    image,
    freeze: () => run('fsfreeze', ['--freeze', path]).then(ignore),
    thaw,
    isFrozen: () => isFrozen(path),
    async remove() {
      while (await isFrozen(path)) await thaw();
      await unmount(path);
      alive.delete(path);
      rmSync(path, { recursive: true, force: true });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const ignore = () => undefined;

/** Two that look for a free loop device at the same time may find the same one. */
async function mountLoop(image: string, path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await run('mount', ['-o', 'loop', image, path]);
      return;
    } catch (error) {
      if (attempt === 5) throw error;
      await pause(200 * attempt);
    }
  }
}

/** Writers that were just woken still hold it for a moment. */
async function unmount(path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await run('umount', [path]);
      return;
    } catch (error) {
      if (attempt === 50) throw error;
      await pause(100);
    }
  }
}

export async function isFrozen(path: string): Promise<boolean> {
  const writer = spawn('touch', [join(path, 'written')], { stdio: 'ignore' });
  const ended = new Promise<false>((resolve, reject) => {
    writer.once('error', reject);
    writer.once('exit', () => resolve(false));
  });
  for (;;) {
    const done = await Promise.race([ended, pause(10, true)]);
    if (!done) return false;
    if (sleepsForWriting(writer.pid!)) return true;
  }
}

/** The place in the kernel where all writers of a frozen file system sleep. */
function sleepsForWriting(pid: number): boolean {
  try {
    return /percpu|sb_start_write/.test(readFileSync(`/proc/${pid}/wchan`, 'latin1'));
  } catch {
    return false;
  }
}
