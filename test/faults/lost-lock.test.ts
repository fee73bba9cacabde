// A task that was stopped (a sleeping host, SIGSTOP) while somebody else unlocked and pruned: it must notice, and write nothing that names
// packs which are gone.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { atOperation, faulty } from '../../src/backends/faulty.ts';
import { localBackend } from '../../src/backends/local.ts';
import { systemClock } from '../../src/base/system-clock.ts';
import { openRepository } from '../../src/repository/repository.ts';
import { noise } from '../beds/disk-image.ts';
import { backupSpec, type FaultHome, faultHome, password, scripts, tiny, vaultPath, writeFiles } from '../beds/fault-home.ts';
import { rsyncDifferences } from '../beds/nasty-tree.ts';
import { intoFolder } from '../beds/vault.ts';

const minute = 60_000;

describe('a lock that was lost', () => {
  let beds: string;
  let tree: string;
  let bed: FaultHome;

  beforeEach(async () => {
    beds = mkdtempSync(join(tmpdir(), 'lost-lock-'));
    tree = join(beds, 'tree');
    bed = faultHome();
    mkdirSync(tree);
    writeFileSync(join(tree, 'first'), noise('first', 200_000));
    await bed.vault.create('recovery key');
    await bed.vault.run(backupSpec(bed.access, tree), { repository: tiny });
    writeFiles(tree, 0, 60, 60_000);
  });
  afterEach(() => {
    bed.remove();
    rmSync(beds, { recursive: true, force: true });
  });

  /** Nothing of the lost run is a backup, all is clean, and the next run works. */
  async function expectNothingBroken(): Promise<void> {
    expect((await bed.vault.records()).length).toBe(1);
    expect(bed.lockFiles()).toEqual([]);
    await bed.stock.check();
    const record = await bed.vault.backup(backupSpec(bed.access, tree).source);
    await bed.vault.restore(record.id, intoFolder(join(beds, 'restored')));
    expect(await rsyncDifferences(tree, join(beds, 'restored', tree))).toBe('');
    await bed.stock.check();
  }

  /**
   * A backup that, before its n-th pack, sleeps for `asleep` while restic unlocks and prunes. Its host's clock is `behind`, so that restic
   * sees its lock older by that.
   */
  async function sleepingBackup({ asleep, behind, flushBlobs }: { asleep: number; behind: number; flushBlobs: number }) {
    let slept = 0;
    let packsBefore = 0;
    const clock = { now: () => systemClock.now() - behind - asleep + slept, boottime: () => systemClock.boottime() + slept };
    const hook = async () => {
      packsBefore = bed.packs().length;
      slept = asleep;
      await bed.stock.run('unlock');
      expect(bed.lockFiles()).toEqual([]);
      await bed.stock.run('prune', '--max-unused', '0');
      expect(bed.packs().length).toBeLessThan(packsBefore);
    };
    const plan = atOperation(30, { type: 'hook', run: hook }, ({ operation, kind }) => operation === 'save' && kind === 'data');
    const running = bed.vault.run(backupSpec(bed.access, tree), {
      repository: { ...tiny, flushBlobs, clock, workers: 2 },
      // One connection: all that is stored waits for the sleeper, as it would on a sleeping host.
      wrapBackend: (backend) => faulty({ ...backend, connections: 1 }, plan),
    });
    await expect(running).rejects.toMatchObject({ code: 'REPO_LOCK_LOST', hint: expect.stringContaining('not sent again') });
  }

  it('P7 a task asleep for 40 minutes, its lock and packs removed by restic, writes no record', async () => {
    await sleepingBackup({ asleep: 40 * minute, behind: 0, flushBlobs: 1000 });
    await expectNothingBroken();
  });

  it('P7 a task asleep for 40 minutes with index files written before', async () => {
    await sleepingBackup({ asleep: 40 * minute, behind: 0, flushBlobs: 8 });
    await expectNothingBroken();
  });

  it('P7 a task asleep for 15 minutes whose clock is 20 minutes behind does not take a new lock for the old one', async () => {
    await sleepingBackup({ asleep: 15 * minute, behind: 20 * minute, flushBlobs: 1000 });
    await expectNothingBroken();
  });

  it('P7 a real task, stopped while somebody removes every lock and prunes, then continued', async () => {
    const slow = { ...bed.access, pool: { ...bed.access.pool, bandwidth: 600_000 } };
    writeFileSync(
      join(bed.home, 'fault.json'),
      JSON.stringify({ dieAt: 0, moment: 'before', victims: [], millisecondsEach: 0, ahead: 0, ...tiny, flushBlobs: 1000 }),
    );
    const before = bed.packs().length;
    const task = bed.start(backupSpec(slow, tree), scripts.faulty);
    while (bed.packs().length < before + 10) await sleep(20);
    process.kill(task.process.pid, 'SIGSTOP');
    const stopped = bed.packs().length;
    await bed.stock.run('unlock', '--remove-all');
    await bed.stock.run('prune', '--max-unused', '0');
    expect(bed.packs().length).toBeLessThan(stopped);
    process.kill(task.process.pid, 'SIGCONT');
    task.process.setBandwidth(0);
    expect(await task.ended).toMatchObject({ kind: 'failed', problem: { code: 'REPO_LOCK_LOST', retry: 'now' } });
    await expectNothingBroken();
  });

  it('P7 the agent removes its dead locks by their names and leaves what another host may still hold', async () => {
    // Half an hour old as it says, and so stale by restic's rule; its holder's clock may be wrong.
    const old = { ...systemClock, now: () => systemClock.now() - 40 * minute };
    const foreign = await (await openRepository(localBackend({ root: bed.pool, path: vaultPath }), password, { clock: old })).lock(false);
    const ours = await (await openRepository(localBackend({ root: bed.pool, path: vaultPath }), password)).lock(false);
    expect(await bed.unlock([ours.name, '0'.repeat(64)])).toEqual([ours.name]);
    expect(bed.lockFiles()).toEqual([foreign.name]);
    await expect(bed.vault.forget('0')).rejects.toMatchObject({ code: 'REPO_LOCKED', hint: expect.stringContaining('vault unlock') });
    expect(await bed.unlock([])).toEqual([foreign.name]); // an operator's word
    await Promise.all([foreign.release(), ours.release()]);
  });
});
