// A thread of its own with writers that keep to a timetable, whatever anybody freezes: a write that is late because the one before it stood still
// is late, too. Measured from when it was due to when the server had it.
import { setTimeout as pause } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { createConnection } from 'mysql2/promise';

/** When it was due, and how long the server took from then (ms of the host's monotonic clock). */
export type Write = readonly [due: number, latency: number];

export interface WritersSpec {
  readonly socket: string;
  /** One writer for each: the statements of one write. */
  readonly writes: readonly string[];
  /** Between two writes of one writer (ms). */
  readonly every: number;
}

/** Milliseconds of a clock that all threads share. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

if (parentPort) {
  const { socket, writes, every } = workerData as WritersSpec;
  let running = true;
  const done: Write[] = [];
  const due = writes.map((_, number) => now() + (every * number) / writes.length);
  const all = writes.map(async (statements, number) => {
    const session = await createConnection({ socketPath: socket, user: 'root', multipleStatements: true });
    for (; running; due[number]! += every) {
      const early = due[number]! - now();
      if (early > 0) await pause(early);
      await session.query(statements);
      done.push([due[number]!, now() - due[number]!]);
    }
    session.destroy();
  });
  parentPort.on('message', async (until: number | 'stop') => {
    if (until === 'stop') {
      running = false;
      await Promise.all(all);
      parentPort!.close();
      return;
    }
    // Those that pile up behind a frozen one belong to the answer, however late they come; and the next round begins without them.
    const patience = now() + 60_000;
    while ((Math.min(...due) <= until || Math.min(...due) < now() - every) && now() < patience) await pause(5);
    if (now() >= patience) throw new Error('the writers do not catch up: this machine is too slow or too busy for the load');
    parentPort!.postMessage(done.splice(0));
  });
}
