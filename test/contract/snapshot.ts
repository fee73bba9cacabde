// The law of ports/snapshot.ts, on a real file system that a writer goes on writing to.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { placing } from '../../src/model/place.ts';
import { imageDirectory } from '../../src/model/snapshot.ts';
import type { Snapshot, SnapshotProvider } from '../../src/ports/snapshot.ts';
import { mine, ofOthersAnd } from '../beds/own-images.ts';
import { type Pair, pairIn, pairWriter } from '../beds/pair-writer.ts';
import { type DiskKind, type SnapshotDisk, snapshotDisk } from '../beds/snapshot-disk.ts';

/** A volume that is no loop device with a file system on it. */
export interface OtherDisk {
  readonly name: string;
  make(): Promise<Pick<SnapshotDisk, 'path' | 'remove'>>;
  /** Names of the images that there are. */
  images(): readonly string[];
  /** ms that taking an image may need on this host. */
  readonly within: number;
}

export interface SnapshotCase {
  readonly provider: SnapshotProvider;
  readonly disk: DiskKind | OtherDisk;
  /** What is planned for: the file that is written to, or the directory it is in. */
  readonly paths: (directory: string, file: string) => readonly string[];
}

const takeAndDie = join(import.meta.dirname, '../beds/take-and-die.ts');

export function snapshotContract({ provider, disk: kind, paths }: SnapshotCase): void {
  const other = typeof kind === 'string' ? undefined : kind;
  const within = other?.within ?? 5000;
  describe(`S1 the law of snapshots: ${provider.name} on ${other?.name ?? kind}`, () => {
    let disk: Pick<SnapshotDisk, 'path' | 'remove'>;
    let file: string;
    const planned = async () => (await provider.plan(paths(disk.path, file)))!;
    const held: Snapshot[] = [];
    const take = async (name: string): Promise<Snapshot> => {
      const snapshot = await (await planned()).take(name);
      held.push(snapshot);
      return snapshot;
    };
    /** Is as the plan said, and nothing endangers it. */
    const opened = async (snapshot: Snapshot) =>
      expect(await snapshot.open(({ item, detail }) => expect.fail(`${item}: ${detail}`))).toBeUndefined();
    const images = () => other?.images() ?? readdirSync(join(disk.path, imageDirectory));

    beforeAll(async () => {
      disk = await (typeof kind === 'string' ? snapshotDisk(kind) : kind.make());
      file = join(disk.path, 'written');
      writeFileSync(file, '');
      truncateSync(file, 5 << 20);
    });
    afterEach(async () => {
      for (const snapshot of held.splice(0)) await snapshot.remove();
    });
    afterAll(() => disk.remove());

    it(`S1 an image is one instant and stays it while a writer goes on, and is taken within ${within / 1000} s`, async () => {
      expect((await planned()).apart).toBeUndefined();
      const writer = pairWriter(file);
      try {
        await expect.poll(() => pairIn(file).second > 10n).toBe(true);
        const begun = performance.now();
        const snapshot = await take(mine('one'));
        expect(performance.now() - begun).toBeLessThan(within);
        await opened(snapshot);
        const image = placing(snapshot.places)(file);
        expect(image).not.toBe(file);
        const before = readFileSync(image);
        const { first, second } = pairIn(image);
        expect([second, second + 1n]).toContain(first);
        await expect.poll(() => pairIn(file).second > first + 50n).toBe(true);
        expect(readFileSync(image).equals(before)).toBe(true);
        await snapshot.intact();
        await snapshot.remove();
      } finally {
        await writer.stop();
      }
      expect(images()).toEqual([]);
    });

    it('S1 several can live side by side, each with what there was when it was taken', async () => {
      const pairs: Pair[] = [];
      const snapshots = [];
      for (const n of [1n, 2n, 3n]) {
        const bytes = readFileSync(file);
        bytes.writeBigUInt64LE(n);
        writeFileSync(file, bytes);
        snapshots.push(await take(mine(`side-${n}`)));
      }
      for (const snapshot of snapshots) await opened(snapshot);
      for (const snapshot of snapshots) pairs.push(pairIn(placing(snapshot.places)(file)));
      expect(pairs.map(({ first }) => first)).toEqual([1n, 2n, 3n]);
      for (const snapshot of snapshots) await snapshot.remove();
      expect(images()).toEqual([]);
    });

    it('S1 removing is idempotent, and what was removed is not intact', async () => {
      const snapshot = await take(mine('twice'));
      await opened(snapshot);
      await snapshot.remove();
      await snapshot.remove();
      await expect(snapshot.intact()).rejects.toMatchObject({
        code: 'SNAPSHOT_LOST',
        message: expect.stringContaining(mine('twice')),
      });
    });

    it('S1 an image that somebody else removes is told', async () => {
      const snapshot = await take(mine('stolen'));
      await snapshot.intact();
      await (await planned()).take(mine('kept')).then((other) => other.remove());
      expect(await provider.sweep(ofOthersAnd())).toEqual([mine('stolen')]);
      await expect(snapshot.intact()).rejects.toMatchObject({ code: 'SNAPSHOT_LOST' });
      await snapshot.remove();
      expect(images()).toEqual([]);
    });

    it('S1 what a task that was killed left behind is swept, what lives is left alone', async () => {
      const living = await take(mine('living'));
      const child = spawn(process.execPath, [takeAndDie, provider.name, mine('dead'), ...paths(disk.path, file)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(images().length).toBe(2);
      const alive = ofOthersAnd(mine('living'));
      expect(await provider.sweep(alive)).toEqual([mine('dead')]);
      expect(await provider.sweep(alive)).toEqual([]);
      await opened(living);
      await living.intact();
      expect(statSync(placing(living.places)(file)).size).toBe(5 << 20);
      await living.remove();
      expect(images()).toEqual([]);
    });

    it("S1 sweeps beside tasks that come and go: no living image is lost, no dead one stays, nobody is in anybody's way", async () => {
      const alive = new Set<string>();
      const one = async (name: string) => {
        alive.add(name);
        const snapshot = await take(name);
        await opened(snapshot);
        await snapshot.intact();
        // It dies: the sweepers and its own end are after the same image.
        alive.delete(name);
        await snapshot.remove();
      };
      let ended = false;
      const sweeper = async () => {
        while (!ended) {
          await provider.sweep({ has: (name) => ofOthersAnd(...alive).has(name) });
          await pause(1); // with nothing to do it waits for nothing
        }
      };
      const tasks = Promise.all(
        ['a', 'b'].map(async (who) => {
          for (const n of [1, 2, 3, 4]) await one(mine(`${who}-${n}`));
        }),
      ).finally(() => {
        ended = true;
      });
      await Promise.all([tasks, sweeper(), sweeper()]);
      expect(images()).toEqual([]);
    });

    it('S1 a name that is taken is no reason to touch what has it', async () => {
      const first = await take(mine('same'));
      await expect(planned().then((plan) => plan.take(mine('same')))).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
      await first.intact();
      await first.remove();
    });

    it('S1 what lies elsewhere is none of its business, what does not exist is an error, and a bad name never becomes a path', async () => {
      const elsewhere = mkdtempSync(join(tmpdir(), 'elsewhere-'));
      try {
        writeFileSync(join(elsewhere, 'file'), '');
        for (const path of [elsewhere, join(elsewhere, 'file'), '/proc/self/status'])
          expect(await provider.plan([...paths(disk.path, file), path])).toBeUndefined();
        await expect(provider.plan([join(disk.path, 'absent')])).rejects.toMatchObject({ code: 'SOURCE_MISSING' });
        await expect(planned().then((plan) => plan.take('stillpoint-../../etc'))).rejects.toMatchObject({ code: 'INTERNAL' });
      } finally {
        rmSync(elsewhere, { recursive: true });
      }
    });
  });
}
