// Backups go away in two steps: forgetting removes the record, prune gives the space back.
import type { TaskResult, TaskSpec } from '../model/task.ts';
import { proveClock } from './clock-proof.ts';
import type { EngineDeps } from './deps.ts';

/** Prune waits this long (ms) for readers and writers to finish. */
const prunePatience = 60 * 60_000;

/** Throws CLOCK_DOUBTED where backups are to expire by a clock that the pool does not agree with. */
export async function forget(spec: Extract<TaskSpec, { type: 'forget' }>, deps: EngineDeps): Promise<TaskResult> {
  const vault = await deps.openVault(spec.vault);
  const lock = await vault.lock(true);
  try {
    if (spec.expire) proveClock(spec.now ?? deps.clock.now(), await vault.lockedAt(lock));
    // What an immutable vault still holds goes when its time has come; an operator is told so, once the others are gone.
    const kept = await vault.records.locked(spec.records);
    for (const id of spec.records) if (!kept.includes(id)) await vault.records.remove(id);
    if (!spec.expire) for (const id of kept) await vault.records.remove(id);
    return { warnings: 0, ...(spec.expire && kept.length > 0 && { kept }) };
  } finally {
    await lock.release();
    await vault.close();
  }
}

export async function prune(spec: Extract<TaskSpec, { type: 'prune' }>, deps: EngineDeps): Promise<TaskResult> {
  const vault = await deps.openVault(spec.vault);
  const lock = await vault.lock(!spec.dryRun, prunePatience);
  try {
    await vault.loadIndex();
    await lock.settled; // a dry run only reads, and must not see half of somebody else's prune
    const report = await vault.prune(lock, {
      dryRun: spec.dryRun,
      maxUnusedPercent: spec.maxUnusedPercent,
      signal: deps.signal,
      onProgress: ({ bytes, bytesTotal }) => deps.progress({ bytesDone: bytes, bytesTotal, filesDone: 0, filesTotal: 0, current: '' }),
    });
    return { prune: report, storedBytes: vault.indexedBytes(), warnings: 0 };
  } finally {
    await lock.release();
    await vault.close();
  }
}
