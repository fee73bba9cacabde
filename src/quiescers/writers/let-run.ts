// SIGCONT for those that were stopped, and proof that they took it.
import { setTimeout as pause } from 'node:timers/promises';
import { errnoOf, fail } from '../../base/errors.ts';
import type { Writer } from './find.ts';
import { writersName } from './name.ts';
import { bornAt, isDead, isStopped, stillnessOf } from './process.ts';

/** An answer takes at most so long (ms). */
const patienceMs = 1500;

/**
 * Throws FREEZE_THAW_FAILED with the names of those that stand still all the same. One that somebody else stops again, after it ran, is his.
 * Who has ended is nobody's; its pid may be somebody else's by now.
 */
export async function letRun(writers: readonly Writer[]): Promise<void> {
  const before = new Map(writers.map((writer) => [writer, stillnessOf(writer.pid)]));
  for (const writer of writers) send(writer);
  const stands = (writer: Writer) => {
    const then = before.get(writer);
    return isThere(writer) && isStopped(writer.pid) && then !== undefined && stillnessOf(writer.pid) === then;
  };
  for (const end = performance.now() + patienceMs; ; await pause(5)) {
    const rest = writers.filter(stands);
    if (rest.length === 0) return;
    if (performance.now() > end)
      fail('FREEZE_THAW_FAILED', { name: writersName, detail: `${rest.map(({ name }) => name).join(', ')} did not run on` });
  }
}

export const isThere = ({ pid, start }: Writer): boolean => bornAt(pid) === start;

/** Or is about to: a process that was killed is gone only when its parent has heard of it. */
export const hasEnded = (writer: Writer): boolean => !isThere(writer) || isDead(writer.pid);

function send(writer: Writer): void {
  try {
    if (isThere(writer)) process.kill(writer.pid, 'SIGCONT');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') fail('FREEZE_THAW_FAILED', { name: writersName, detail: `${writer.name}: ${String(error)}` });
  }
}
