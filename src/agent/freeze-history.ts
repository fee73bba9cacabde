// When this host was frozen: retries of whoever asks must not hammer what is frozen.
import { closeSync, constants, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, fail } from '../base/errors.ts';
import { checkRunFolder } from '../quiescers/scripts/run-folder.ts';

const hour = 3600 * 1000;
const newFile = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Notes a freeze that is about to begin; under the lock of the host. Throws FREEZE_TOO_OFTEN, and
 * CONFIG_INVALID where others may write the folder. `now` in ms since the epoch.
 */
export function noteFreeze(runFolder: string, perHour: number, now: number = Date.now()): void {
  checkRunFolder(runFolder);
  const file = join(runFolder, 'freezes.json');
  // A clock that was set back must not shut the door for long.
  const recent = timesIn(file).filter((time) => time > now - hour && time <= now);
  if (recent.length >= perHour) fail('FREEZE_TOO_OFTEN', { count: recent.length, limit: perHour });
  // Made anew: neither what a dead freeze left nor a link is written through.
  rmSync(`${file}.new`, { force: true });
  const fd = openSync(`${file}.new`, newFile, 0o600);
  try {
    writeFileSync(fd, JSON.stringify([...recent, now]));
  } finally {
    closeSync(fd);
  }
  renameSync(`${file}.new`, file);
}

function timesIn(file: string): number[] {
  try {
    const times: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return Array.isArray(times) ? times.filter((time) => typeof time === 'number') : [];
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return [];
    throw error;
  }
}
