// Which processes a freeze has stopped, or was about to: noted in its folder before each signal, so that whoever finds it dead lets them run on.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../base/errors.ts';
import type { Quiescer } from '../../ports/quiescer.ts';
import type { Writer } from './find.ts';
import { letRun } from './let-run.ts';
import { writersName } from './name.ts';

const fileIn = (folder: string): string => join(folder, 'stopped.json');

/** Not durable: after a restart of the host nobody is stopped any more. */
export function note(folder: string, writers: readonly Writer[]): void {
  const temporary = `${fileIn(folder)}.tmp`;
  writeFileSync(temporary, JSON.stringify(writers), { mode: 0o600 });
  renameSync(temporary, fileIn(folder));
}

export function forgetNoted(folder: string): void {
  rmSync(fileIn(folder), { force: true });
}

function noted(folder: string): readonly Writer[] {
  try {
    return JSON.parse(readFileSync(fileIn(folder), 'utf8')) as readonly Writer[];
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** What a dead freeze of this boot may have left stopped. `folder`: its own. */
export function leftStopped(folder: string): Pick<Quiescer, 'name' | 'thaw'> {
  return {
    name: writersName,
    async thaw() {
      await letRun(noted(folder));
      forgetNoted(folder);
      return {};
    },
  };
}
