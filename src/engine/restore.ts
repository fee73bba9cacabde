// A backup goes back to where it is wanted: open vault → find record → plan → (dry run: say it) → write.
import { diskFacts } from '../base/block-device.ts';
import type { TaskResult, TaskSpec } from '../model/task.ts';
import type { RestorableBackup } from '../ports/restorer.ts';
import type { Warn, Warning } from '../ports/source.ts';
import type { RestoreStep } from '../ports/target.ts';
import { recordInfo } from '../repository/repository.ts';
import { countedReader } from './counted-reader.ts';
import type { EngineDeps } from './deps.ts';

export type RestoreSpec = Extract<TaskSpec, { type: 'restore' }>;

/** A dry run lists at most this many steps; beyond that only their number is told. */
const stepsShown = 10_000;

export async function restore(spec: RestoreSpec, deps: EngineDeps): Promise<TaskResult> {
  let warnings = 0;
  const warn = (warning: Warning) => {
    warnings++;
    deps.warn(warning);
  };
  const vault = await deps.openVault(spec.vault);
  const lock = await vault.lockToRead(warn);
  try {
    await vault.loadIndex();
    await lock.settled; // a prune that began at the same moment would take away what is read
    const other = async (id: string): Promise<RestorableBackup> => {
      const record = await vault.records.load(id);
      const { paths, summary, tags } = recordInfo(record.id, record);
      return {
        record: record.id,
        root: record.tree,
        paths,
        tags,
        totalFiles: summary?.totalFiles ?? 0,
        totalBytes: summary?.totalBytes ?? 0,
      };
    };
    const backup = await other(spec.record);
    const totals = { bytesTotal: backup.totalBytes, filesTotal: backup.totalFiles };
    const done = { bytes: 0, files: 0, current: '' };
    const report = () => deps.progress({ bytesDone: done.bytes, filesDone: done.files, current: done.current, ...totals });
    const reader = countedReader(vault, deps.signal, (bytes) => {
      done.bytes += bytes;
      report();
    });
    try {
      const run = {
        backup,
        other,
        reader,
        warn,
        signal: deps.signal,
        onFile: (files: number, current: string) => {
          done.files = files;
          done.current = current;
          report();
        },
      };
      const restorer = await deps.restorer(spec.target);
      if (spec.dryRun) {
        const steps = await listSteps(restorer.plan(run));
        if (spec.target.kind === 'disk') for (const step of steps) warnOfCut(step, warn);
        return { steps, warnings };
      }
      const { instance, ...counts } = await restorer.run(run);
      return { restore: counts, ...(instance && { instance }), warnings };
    } finally {
      await reader.close();
    }
  } finally {
    await lock.release();
    await vault.close();
  }
}

/** What lies beyond the end of the backup is lost: a device keeps it, an image file does not. */
function warnOfCut({ action, path, bytes }: RestoreStep, warn: Warn): void {
  const facts = action === 'update' ? diskFacts(path) : undefined;
  if (facts?.kind !== 'file' || facts.size <= bytes) return;
  warn({ item: path, detail: `the image is cut from ${facts.size} to ${bytes} bytes, the size of the backup` });
}

async function listSteps(plan: AsyncIterable<RestoreStep>): Promise<RestoreStep[]> {
  const steps: RestoreStep[] = [];
  for await (const step of plan) {
    if (steps.length === stepsShown) break;
    steps.push(step);
  }
  return steps;
}
