// An image that is lost while a backup reads it, with a real file system and a real vault. Needs root.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { watched } from '../../src/engine/watched.ts';
import { imageDirectory } from '../../src/model/snapshot.ts';
import { btrfsBed } from '../beds/btrfs-bed.ts';
import { mine } from '../beds/own-images.ts';
import { saveFrom } from '../beds/save-from.ts';
import { testVault } from '../beds/vault.ts';

const { at, btrfs, take } = btrfsBed();

describe('an image that is lost while it is read', () => {
  it('S1 ends the backup at once, which would go on for an hour, and there is no record of it', async () => {
    const pool = mkdtempSync(join(tmpdir(), 'snapshot-watch-'));
    try {
      const vault = testVault(pool, 'v/a', 'password');
      await vault.create('recovery');
      btrfs('subvolume', 'create', at('data'));
      for (let n = 0; n < 8; n++) writeFileSync(at('data', `file-${n}`), randomBytes(16 << 20));
      execFileSync('sync', ['--file-system', at()]);
      const snapshot = await take(mine('lost'), at('data'));
      const ticks: (() => void)[] = [];
      const timers = {
        after: (_: number, wake: () => void) => {
          ticks.push(wake);
          return () => undefined;
        },
      };
      const watch = watched(() => snapshot.intact(), new AbortController().signal, timers);
      let begun = false;
      const onProgress = () => {
        if (begun) return;
        begun = true;
        execFileSync('btrfs', ['-q', 'subvolume', 'delete', at(imageDirectory, `${mine('lost')}.0`)]);
        for (const tick of ticks.splice(0)) tick();
      };
      const told: unknown[] = [];
      const warn = (warning: unknown) => void told.push(warning);
      const saving = saveFrom(at('data'), snapshot, vault.access, { signal: watch.signal, bandwidth: 32 << 10, warn, onProgress });
      await expect(saving).rejects.toMatchObject({ code: 'SNAPSHOT_LOST', message: expect.stringContaining(at('data')) });
      watch.stop();
      expect(begun).toBe(true);
      expect(await vault.records()).toEqual([]);
      expect(readdirSync(join(vault.location, 'locks'))).toEqual([]);
    } finally {
      rmSync(pool, { recursive: true });
    }
  });
});
