// Two writers and a prune at once, again and again, one of the writers with a clock 20 minutes off: whoever may not run beside the others is
// refused or waits, and nothing is lost.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { TaskEnd } from '../../src/agent/task-process.ts';
import { localBackend } from '../../src/backends/local.ts';
import type { RecordInfo, TaskSpec } from '../../src/model/task.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { backupSpec, faultHome, full, password, scripts, tiny, vaultPath, writeFiles } from '../beds/fault-home.ts';
import { rsyncDifferences } from '../beds/nasty-tree.ts';
import { intoFolder } from '../beds/vault.ts';

const minute = 60_000;
const rounds = full ? 40 : 3;

describe('a crowd in one vault', { timeout: (full ? 60 : 6) * minute }, () => {
  it.each([
    ['20 minutes ahead', 20 * minute],
    ['20 minutes behind', -20 * minute],
  ])('P7 two writers and a prune at once, a clock %s', async (_, ahead) => {
    const beds = mkdtempSync(join(tmpdir(), 'crowd-'));
    const bed = faultHome();
    const trees = [join(beds, 'one'), join(beds, 'two')] as const;
    let pruned = 0;
    const made: RecordInfo[] = [];
    let freed = 0;
    try {
      await bed.vault.create('recovery key');
      // All tasks of this home have the same settings: those with the right clock run the plain script.
      writeFileSync(
        join(bed.home, 'fault.json'),
        JSON.stringify({ dieAt: 0, moment: 'before', victims: [], millisecondsEach: 0, ahead, ...tiny }),
      );

      const once = (spec: TaskSpec, script: string): Promise<TaskEnd> => bed.start(spec, script).ended;
      /** Tried again when refused, as the queue or an operator would. */
      const persistently = async (spec: TaskSpec, script: string): Promise<void> => {
        for (let attempt = 0; attempt < 60; attempt++) {
          const end = await once(spec, script);
          if (end.kind === 'done') {
            if (end.result.record) made.push(end.result.record);
            if (end.result.prune) {
              pruned++;
              freed += end.result.prune.bytesFreed;
            }
            return;
          }
          if (end.problem.code !== 'REPO_LOCKED') throw new Error(`${spec.type}: ${JSON.stringify(end.problem)}`);
          await sleep(Math.random() * 300);
        }
        throw new Error(`${spec.type} was refused too often`);
      };
      const soon = async (spec: TaskSpec, script: string) => {
        await sleep(Math.random() * 900);
        await persistently(spec, script);
      };

      for (let round = 0; round < rounds; round++) {
        // Both store some blocks that the other has, too, and some that a forgotten backup had.
        writeFiles(trees[0], round * 20, round * 20 + 30, 50_000);
        writeFiles(trees[1], round * 20 + 10, round * 20 + 45, 50_000);
        if (made.length > 0) await bed.vault.forget(...made.splice(0).map(({ id }) => id));
        for (const tree of trees) rmSync(join(tree, `folder-${round % 7}`), { recursive: true });
        await Promise.all([
          soon(backupSpec(bed.access, trees[0]), scripts.plain),
          soon(backupSpec(bed.access, trees[1]), scripts.faulty),
          soon({ type: 'prune', vault: bed.access, dryRun: false, maxUnusedPercent: 0 }, round % 2 === 0 ? scripts.plain : scripts.faulty),
        ]);
        expect(bed.lockFiles()).toEqual([]);
        await bed.stock.check();
        expect((await bed.vault.records()).map(({ id }) => id).sort()).toEqual(made.map(({ id }) => id).sort());
        for (const { id, paths } of made) {
          const target = join(beds, `restored-${id.slice(0, 8)}`);
          await bed.vault.restore(id, intoFolder(target));
          expect(await rsyncDifferences(paths[0]!, join(target, paths[0]!))).toBe('');
          rmSync(target, { recursive: true });
        }
      }
      expect(pruned).toBe(rounds);
      expect(freed).toBeGreaterThan(0);
    } finally {
      bed.remove();
      rmSync(beds, { recursive: true, force: true });
    }
  });

  it('P7 a prune waits for a writer that is at work, and a writer that comes while it prunes is refused', async () => {
    const bed = faultHome();
    const tree = join(bed.home, 'tree');
    try {
      await bed.vault.create('recovery key');
      writeFiles(tree, 0, 40, 50_000);
      const slowly = { ...bed.access, pool: { ...bed.access.pool, bandwidth: 600_000 } };
      const writer = bed.start(backupSpec(slowly, tree));
      while (bed.lockFiles().length === 0) await sleep(10);
      let ended = '';
      const writing = writer.ended.then((end) => (ended += `${end.kind} backup, `));
      const prune = bed.start({ type: 'prune', vault: bed.access, dryRun: false, maxUnusedPercent: 0 });
      const pruning = prune.ended.then((end) => (ended += `${end.kind} prune`));
      await Promise.all([writing, pruning]);
      expect(ended).toBe('done backup, done prune');

      const alone = await (await openRepository(localBackend({ root: bed.pool, path: vaultPath }), password)).lock(true);
      const refused = await bed.start(backupSpec(bed.access, tree)).ended;
      expect(refused).toMatchObject({
        kind: 'failed',
        problem: { code: 'REPO_LOCKED', retry: 'later', detail: expect.stringContaining(`pid ${process.pid}`) },
      });
      await alone.release();
      expect((await bed.vault.records()).length).toBe(1);
      await bed.stock.check();
    } finally {
      bed.remove();
    }
  });
});
