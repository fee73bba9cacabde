// A file system that fills up: a tmpfs of a few megabytes. Mounting needs root.
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needPrograms, run } from './programs.ts';

export interface SmallDisk {
  readonly path: string;
  /** Takes all the space that is left but for `spare` bytes. */
  fill(spare?: number): void;
  /** Gives the filled space back. */
  free(): void;
  remove(): Promise<void>;
}

const block = 4096;

/** Throws where the caller may not mount. */
export async function smallDisk(bytes: number): Promise<SmallDisk> {
  needPrograms(['mount', 'umount'], 'mount');
  const path = mkdtempSync(join(tmpdir(), 'small-disk-'));
  await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'stillpoint-test', path]);
  const filler = join(path, 'filler');
  return {
    path,
    fill(spare = 0) {
      const fd = openSync(filler, 'w');
      try {
        for (;;) writeSync(fd, Buffer.alloc(block, 1));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        closeSync(fd);
      }
      if (spare > 0) truncateSync(filler, Math.max(0, statSync(filler).size - spare));
    },
    free: () => rmSync(filler, { force: true }),
    async remove() {
      await run('umount', ['--lazy', path]);
      rmdirSync(path);
    },
  };
}
