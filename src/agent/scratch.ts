// Directories of tasks' own (sockets, pipes, files of credentials), named after their process, so that whoever clears up knows the dead ones.
import { lstatSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.ts';
import { startOf } from '../base/process-id.ts';

const pattern = /^task-(\d+)-(\d+)-[A-Za-z0-9]{6}$/;

/** 0700. Throws system errors. */
export const makeScratch = (folder: string): string => mkdtempSync(join(folder, `task-${process.pid}-${startOf(process.pid)}-`));

/**
 * Removes what dead tasks of this user left in `folder`; after a start of the host that is all. Other users' are none of ours. Throws system
 * errors.
 */
export function sweepScratch(folder: string): void {
  for (const name of namesIn(folder)) {
    const [, pid, start] = pattern.exec(name) ?? [];
    if (pid === undefined || startOf(Number(pid)) === start) continue;
    const path = join(folder, name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() && found.uid === process.geteuid?.()) rmSync(path, { recursive: true, force: true });
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
