// A Redis server of its own, started from a backup; it goes on when the task has ended.
import { fail } from '../../base/errors.ts';
import type { InstanceTarget } from '../../model/service.ts';
import type { RestoreRun, Restorer } from '../../ports/restorer.ts';
import type { ServiceContext } from '../../ports/service.ts';
import { needPlace } from '../instance-place.ts';
import { findCopy, type StoredCopy } from './backup-files.ts';
import { checkCopy, handOver, prepareFolder, writeCopy } from './instance-files.ts';
import { checkProgram, checkWay, userOfServer } from './instance-place.ts';
import { startInstance } from './instance-start.ts';

/** Throws USAGE for what Redis does not have. */
export async function redisInstance(target: InstanceTarget, { signal }: ServiceContext): Promise<Restorer> {
  if (target.method !== 'logical') fail('USAGE', { detail: `Redis has no backups of the method ${target.method}` });
  if (target.logs.length > 0 || target.until)
    fail('USAGE', { detail: 'Redis keeps no log: a backup of it is one moment, that of the backup' });

  const user = userOfServer();
  /** Throws whatever speaks against it; nothing is written. */
  const looked = async ({ backup, reader }: RestoreRun): Promise<StoredCopy> => {
    const copy = await findCopy(backup, reader);
    await needPlace(target);
    await checkProgram(copy.about.version);
    await checkWay(target.directory, user);
    return copy;
  };
  return {
    async *plan(run) {
      const { node } = await looked(run);
      yield { action: 'create', path: `${target.directory}/dump.rdb`, bytes: node.size };
    },
    run: async (run) => {
      const copy = await looked(run);
      run.onFile(0, 'dump.rdb');
      const files = prepareFolder(target, copy.about, user);
      const bytes = await writeCopy(target.directory, copy.node, run.reader, user);
      handOver(target.directory, user);
      await checkCopy(target.directory, user, signal);
      run.onFile(1, 'redis-server');
      const instance = await startInstance(target, files, user, signal);
      return { files: 1, dirs: 0, others: 0, skipped: 0, deleted: 0, bytesWritten: bytes, bytesTotal: bytes, instance };
    },
  };
}
