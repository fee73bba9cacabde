import { fail } from '../../base/errors.ts';
import type { RestoreTarget } from '../../model/task.ts';
import type { RestoreRun, Restorer } from '../../ports/restorer.ts';
import type { RestoreCounts } from '../../ports/target.ts';
import { type DiskTarget, diskStep, findDisks, planDisk, verifyDisk, writeDisk } from './target.ts';

/** Disks, each to the device or image file that `map` names. */
export function diskRestorer({ map, plain = false, verify }: Extract<RestoreTarget, { kind: 'disk' }>): Restorer {
  /** Every target is looked at before the first is written. Throws NOT_FOUND for a disk that is not in the backup. */
  const planAll = async ({ backup, reader, warn }: RestoreRun): Promise<DiskTarget[]> => {
    const disks = await findDisks(backup.root, reader);
    const targets = Object.entries(map).map(([from, to]) => {
      const disk = disks.find(({ path }) => path === from) ?? fail('NOT_IN_BACKUP', { what: 'disk', id: from });
      return planDisk(disk, to, plain);
    });
    for (const disk of disks)
      if (!(disk.path in map))
        warn({ item: disk.path, detail: 'it is in the backup and is not restored: disks of one application belong together' });
    return targets;
  };
  return {
    async *plan(run) {
      for (const target of await planAll(run)) yield diskStep(target);
    },
    run: async (run) => {
      const targets = await planAll(run);
      const bytesTotal = targets.reduce((sum, { disk }) => sum + disk.size, 0);
      const counts: RestoreCounts = { files: 0, dirs: 0, others: 0, skipped: 0, deleted: 0, bytesWritten: 0, bytesTotal };
      for (const target of targets) {
        run.onFile(counts.files, target.path);
        await writeDisk(target, run.backup.record, run.reader, counts);
      }
      let differ = 0;
      if (verify) for (const target of targets) differ += await verifyDisk(target, run.reader);
      if (differ > 0) fail('TARGET_VERIFY', { count: differ });
      return counts;
    },
  };
}
