// What a script starts (a database, too) may live long: it must not inherit what is right for rdfreeze alone.
import { readFileSync, writeFileSync } from 'node:fs';

/** `start` starts a process, at once: with the umask 022, and no better spared from an end by want of memory than any other. */
export function asUsual<T>(start: () => T): T {
  const umask = process.umask(0o022);
  const score = spared();
  if (score !== undefined) spare('0');
  try {
    return start();
  } finally {
    if (score !== undefined) spare(score);
    process.umask(umask);
  }
}

const file = '/proc/self/oom_score_adj';

/** Undefined where we are not spared. */
function spared(): string | undefined {
  try {
    const score = readFileSync(file, 'latin1').trim();
    return Number(score) < 0 ? score : undefined;
  } catch {
    return undefined;
  }
}

function spare(score: string): void {
  try {
    writeFileSync(file, score);
  } catch {
    // Only root may lower it.
  }
}
