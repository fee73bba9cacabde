// Before the applications are frozen: what is dirty in memory is written out, which taking an image would otherwise do while users wait.
import { type Run, runWithin } from './run.ts';

/** ms. Whoever writes faster than the disk is not waited for. */
const patience = 120_000;

/** The file systems of `paths`, one after the other. Never rejects: it changes how long users wait, and nothing else. */
export async function writeOut(paths: readonly string[], run: Run = runWithin(patience)): Promise<void> {
  for (const path of new Set(paths)) await run('sync', ['--file-system', '--', path]).catch(() => undefined);
}
