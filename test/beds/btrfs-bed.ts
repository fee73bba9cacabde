// A btrfs of its own for each test, and snapshots of it that are removed afterwards. Needs root.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { Snapshot } from '../../src/ports/snapshot.ts';
import { btrfsProvider } from '../../src/snapshots/btrfs.ts';
import { type SnapshotDisk, snapshotDisk } from './snapshot-disk.ts';

export interface BtrfsBed {
  disk(): SnapshotDisk;
  /** A path below the top of it. */
  at(...parts: readonly string[]): string;
  btrfs(...args: readonly string[]): void;
  /** Opened; it is as its plan said. */
  take(name: string, ...paths: readonly string[]): Promise<Snapshot>;
  /** Removes it after the test. */
  hold(snapshot: Snapshot): Snapshot;
}

/** For one file of tests. */
export function btrfsBed(): BtrfsBed {
  let disk: SnapshotDisk;
  const held: Snapshot[] = [];
  beforeEach(async () => {
    disk = await snapshotDisk('btrfs');
  });
  afterEach(async () => {
    for (const snapshot of held.splice(0)) await snapshot.remove();
    await disk.remove();
  });
  const hold = (snapshot: Snapshot) => {
    held.push(snapshot);
    return snapshot;
  };
  return {
    disk: () => disk,
    at: (...parts) => join(disk.path, ...parts),
    btrfs: (...args) => void execFileSync('btrfs', ['-q', ...args]),
    hold,
    async take(name, ...paths) {
      const snapshot = hold(await (await btrfsProvider().plan(paths))!.take(name));
      expect(await snapshot.open(({ detail }) => expect.fail(detail))).toBeUndefined();
      return snapshot;
    },
  };
}
