// What every restorer must do (src/ports/restorer.ts). An adapter's test calls this with a way to prepare a backup and a target for it.
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { localBackend } from '../../src/backends/local.ts';
import { countedReader } from '../../src/engine/counted-reader.ts';
import type { SourceSettings } from '../../src/model/plan.ts';
import type { Warning } from '../../src/model/warning.ts';
import type { RestorableBackup, RestoreRun, Restorer } from '../../src/ports/restorer.ts';
import type { RestoreCounts } from '../../src/ports/target.ts';
import { openRepository, recordInfo } from '../../src/repository/repository.ts';
import { testVault, type Vault } from '../beds/vault.ts';

export interface RestorerCase {
  /** What is backed up; some megabytes, so that a restore of it can be interrupted. Made below `folder`. */
  source(folder: string): SourceSettings;
  /** Brings it back below `area`, an empty directory, where everything that it changes lies. */
  restorer(area: string, source: SourceSettings): Restorer;
  /** One that refuses that backup, or another that `other` makes; with something in `area` that it would have changed. */
  refusing(area: string, source: SourceSettings): { readonly restorer: Restorer; readonly other?: SourceSettings };
  /** Throws unless what is in `area` is what was backed up. */
  expectWhole(area: string, source: SourceSettings): void;
  /** Whether somebody who looks at `area` sees that it is not whole. */
  isMarked(area: string): boolean;
}

const password = 'password';

export function restorerContract(name: string, prepare: () => RestorerCase): void {
  describe(`B8 the law of restorers: ${name}`, () => {
    const given = prepare();
    let root: string;
    let area: string;
    let vault: Vault;
    let source: SourceSettings;
    let record: string;

    beforeEach(async () => {
      root = mkdtempSync(join(tmpdir(), 'restorer-'));
      area = join(root, 'area');
      mkdirSync(area);
      mkdirSync(join(root, 'source'));
      vault = testVault(join(root, 'pool'), 'v/a', password);
      await vault.create('recovery');
      source = given.source(join(root, 'source'));
      record = (await vault.backup(source)).id;
    });
    afterEach(() => rmSync(root, { recursive: true, force: true }));

    interface Seen {
      readonly warnings: Warning[];
      readonly files: number[];
      bytes: number;
    }

    /** `work` with a run of the backup `id`, as the engine makes it; `onBytes` may abort it. */
    async function withRun<T>(work: (run: RestoreRun, seen: Seen) => Promise<T>, id = record, stop?: AbortController): Promise<T> {
      const repository = await openRepository(localBackend({ root: join(root, 'pool'), path: 'v/a' }), password);
      await repository.loadIndex();
      const signal = (stop ?? new AbortController()).signal;
      const seen: Seen = { warnings: [], files: [], bytes: 0 };
      const reader = countedReader(repository, signal, (bytes) => {
        seen.bytes += bytes;
        stop?.abort(new Error('interrupted'));
      });
      const other = async (record: string): Promise<RestorableBackup> => {
        const { tree, paths, summary, tags } = recordInfo(record, await repository.records.load(record));
        return { record, root: tree, paths, tags, totalFiles: summary!.totalFiles, totalBytes: summary!.totalBytes };
      };
      const backup = await other(id);
      try {
        const warn = (warning: Warning) => void seen.warnings.push(warning);
        return await work({ backup, other, reader, warn, signal, onFile: (files) => void seen.files.push(files) }, seen);
      } finally {
        await reader.close();
      }
    }
    const plan = (restorer: Restorer, id?: string) => withRun((run) => Array.fromAsync(restorer.plan(run)), id);
    const restore = (restorer: Restorer, id?: string, stop?: AbortController): Promise<RestoreCounts> =>
      withRun((run) => restorer.run(run), id, stop);

    it('B8 a plan writes nothing and says what the run then does', async () => {
      const restorer = given.restorer(area, source);
      const before = contentsOf(area);
      const steps = await plan(restorer);
      expect(contentsOf(area)).toEqual(before);
      expect(steps.length).toBeGreaterThan(0);
      const counts = await restore(given.restorer(area, source));
      expect(steps.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(counts.bytesTotal);
      for (const { action } of steps) expect(['create', 'update', 'write']).toContain(action);
      expect(counts.skipped + counts.deleted).toBe(0);
    });

    it('B8 a run brings everything back, counts it and leaves no mark', async () => {
      const restorer = given.restorer(area, source);
      await withRun(async (run, seen) => {
        const counts = await restorer.run(run);
        given.expectWhole(area, source);
        expect(seen.warnings).toEqual([]);
        expect(seen.bytes).toBeGreaterThan(0);
        expect(seen.files).toEqual(seen.files.toSorted((a, b) => a - b));
        expect(counts.files).toBeGreaterThan(0);
        expect(counts.bytesWritten).toBeGreaterThan(0);
        expect(counts.bytesWritten).toBeLessThanOrEqual(counts.bytesTotal);
      });
      expect(given.isMarked(area)).toBe(false);
    });

    it('B8 a run may be repeated', async () => {
      await restore(given.restorer(area, source));
      await restore(given.restorer(area, source));
      given.expectWhole(area, source);
      expect(given.isMarked(area)).toBe(false);
    });

    it('B8 what a plan refuses the run refuses too, and touches nothing', async () => {
      const { restorer, other } = given.refusing(area, source);
      const id = other && (await vault.backup(other)).id;
      const before = contentsOf(area);
      const refusal = await plan(restorer, id).catch((error: { code?: string }) => error.code);
      expect(refusal).toMatch(/^[A-Z_]+$/);
      await expect(restore(restorer, id)).rejects.toMatchObject({ code: refusal });
      expect(contentsOf(area)).toEqual(before);
    });

    it('B8 an interrupted run leaves its mark, and run again it ends whole', async () => {
      const stop = new AbortController();
      await expect(restore(given.restorer(area, source), record, stop)).rejects.toThrow();
      expect(stop.signal.aborted).toBe(true);
      expect(given.isMarked(area)).toBe(true);
      await restore(given.restorer(area, source));
      given.expectWhole(area, source);
      expect(given.isMarked(area)).toBe(false);
    });
  });
}

/** Everything below a directory: what it is, when it changed, what is in it. */
function contentsOf(area: string): readonly string[] {
  return readdirSync(area, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stat = lstatSync(join(area, name), { bigint: true });
      const content = stat.isFile()
        ? createHash('sha256')
            .update(readFileSync(join(area, name)))
            .digest('hex')
        : '';
      return `${name} ${stat.mode} ${stat.mtimeNs} ${stat.ctimeNs} ${content}`;
    });
}
