// Checking what is stored.
import type { TaskResult, TaskSpec } from '../model/task.ts';
import type { EngineDeps } from './deps.ts';

/** Not exclusive: a check beside a running backup sees what was indexed when it began. */
export async function check(spec: Extract<TaskSpec, { type: 'check' }>, deps: EngineDeps): Promise<TaskResult> {
  const vault = await deps.openVault(spec.vault);
  const lock = await vault.lock(false);
  try {
    await vault.loadIndex(true);
    await lock.settled; // what a prune that began at the same moment takes away would look like damage
    const report = await vault.check({
      readData: spec.readData,
      signal: deps.signal,
      onProgress: ({ bytes, bytesTotal }) => deps.progress({ bytesDone: bytes, bytesTotal, filesDone: 0, filesTotal: 0, current: '' }),
    });
    return { check: report, storedBytes: vault.indexedBytes(), warnings: report.errors.length };
  } finally {
    await lock.release();
    await vault.close();
  }
}
