// Scripts that a dead freeze left running: one that goes on freezing after its unfreeze script has run would leave its application frozen.
import { readdirSync, readFileSync } from 'node:fs';

/** How quiescers/scripts/run-script.ts runs them. */
const runAs = '/proc/self/fd/3';

/** Ends them, each with its process group. `folder`: AGENT_RUN/freeze/<id> of the dead freeze, which they know by their environment. */
export function endOrphans(folder: string): void {
  for (const pid of readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    const words = wordsIn(pid, 'cmdline');
    if (words.includes(runAs) && wordsIn(pid, 'environ').includes(`STILLPOINT_FREEZE_FOLDER=${folder}`)) killGroup(pid);
  }
}

/** Nothing where the process has ended or belongs to somebody else. */
function wordsIn(pid: number, file: 'cmdline' | 'environ'): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** A script leads its group. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended, or is no leader: then its leader is found as well.
  }
}
