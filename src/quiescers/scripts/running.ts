// Notes in the folder of the freeze which script runs, so that one which outlives its freezer (SIGKILL) is found and ended before anything
// is thawed: it might freeze after its unfreeze script.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startOf } from '../../base/process-id.ts';
import { killGroup } from './run-script.ts';

const pathOf = (folder: string, pair: string) => join(folder, `${pair}.running`);

export function noteRunning(folder: string, pair: string, pid: number): void {
  writeFileSync(pathOf(folder, pair), `${pid} ${startOf(pid)}`, { mode: 0o600 });
}

export function noteEnded(folder: string, pair: string): void {
  rmSync(pathOf(folder, pair), { force: true });
}

/** How long a killed script is waited for (ms). */
const patienceMs = 1000;
const stepMs = 10;

/** Kills the group of a script that runs still. */
export async function endLeftover(folder: string, pair: string): Promise<void> {
  const [pid, start] = noted(folder, pair);
  const runs = () => start !== undefined && startOf(pid) === start;
  if (runs()) killGroup(pid, 'SIGKILL');
  for (let waited = 0; runs() && waited < patienceMs; waited += stepMs) await pause(stepMs);
  if (pid !== 0) noteEnded(folder, pair);
}

function noted(folder: string, pair: string): readonly [number, string | undefined] {
  try {
    const [pid, start] = readFileSync(pathOf(folder, pair), 'latin1').split(' ');
    return [Number(pid), start];
  } catch {
    return [0, undefined];
  }
}
