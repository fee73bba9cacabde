// The task process's side of the protocol in model/task.ts: orders come in on descriptor 3, events go out on descriptor 4.
import { Socket } from 'node:net';
import { asStillpointError, failure } from '../base/errors.ts';
import { bandwidthLimit } from '../base/limit.ts';
import { linesOf } from '../base/lines.ts';
import { countTraffic } from '../base/traffic.ts';
import type { Progress, TaskEvent, TaskOrder, TaskSpec } from '../model/task.ts';
import type { LockKeeper } from '../repository/repository.ts';
import { runTask, type TaskContext } from './run-task.ts';
import type { TaskHost } from './task-host.ts';

/** At most one progress event in so many milliseconds. */
const progressEvery = 200;
/** Milliseconds from one account of what the task uses to the next. */
const usageEvery = 5000;

/** Serves one task; resolves with the exit code when everything is said. `changes`: what tests set otherwise. */
export async function serveTask(
  host: TaskHost,
  changes: Pick<TaskContext, 'repository' | 'wrapBackend' | 'findDisks'> = {},
): Promise<number> {
  const orders = new Socket({ fd: 3, readable: true, writable: false });
  const events = new Socket({ fd: 4, readable: false, writable: true });
  const stop = new AbortController();
  const say = (event: TaskEvent) => new Promise<void>((resolve) => events.write(`${JSON.stringify(event)}\n`, () => resolve()));
  events.on('error', () => stop.abort(failure('TASK_CANCELLED'))); // nobody listens any more

  const waiting = new Map<number, () => void>();
  const limit = bandwidthLimit(0);
  const spec = await new Promise<TaskSpec>((resolve) => {
    const obey = (order: TaskOrder) => {
      if (order.type === 'spec') resolve(order.spec);
      else if (order.type === 'ack') waiting.get(order.seq)?.();
      else if (order.type === 'bandwidth') limit.setRate(order.bytesPerSecond);
      else stop.abort(failure('TASK_CANCELLED'));
    };
    listen(orders, obey).finally(() => {
      // The agent is gone: nobody would know what this task does or did.
      stop.abort(failure('TASK_CANCELLED'));
      setTimeout(() => process.exit(1), 10_000).unref();
    });
  });
  limit.setRate(bandwidthOf(spec));
  const traffic = countTraffic();
  const sayUsage = () => say({ type: 'usage', pid: process.pid, ...traffic() });
  void sayUsage();
  const accounting = setInterval(sayUsage, usageEvery).unref();

  try {
    const result = await runTask(host.judge(spec), {
      signal: stop.signal,
      warn: (warning) => void say({ type: 'warning', warning }),
      progress: throttled((progress) => void say({ type: 'progress', progress })),
      out: process.stdout,
      keeper: lockKeeper(say, waiting, stop.signal),
      limit,
      host,
      ...changes,
    });
    await sayUsage();
    await say({ type: 'done', result });
    return 0;
  } catch (error) {
    const problem = asStillpointError(error);
    if (problem.code === 'INTERNAL') process.stderr.write(`${(error as Error)?.stack ?? String(error)}\n`);
    await sayUsage();
    await say({ type: 'failed', problem: problem.toProblem() });
    return problem.exit;
  } finally {
    clearInterval(accounting);
  }
}

/** Bytes a second; 0 for no limit. */
export function bandwidthOf(spec: TaskSpec): number {
  if ('pool' in spec) return spec.pool.bandwidth;
  return 'vault' in spec ? spec.vault.pool.bandwidth : 0;
}

async function listen(orders: Socket, obey: (order: TaskOrder) => void): Promise<void> {
  for await (const line of linesOf(orders)) obey(JSON.parse(line) as TaskOrder);
}

/** A lock's name is safe in agent.db before the lock file is written. */
function lockKeeper(say: (event: TaskEvent) => Promise<void>, waiting: Map<number, () => void>, signal: AbortSignal): LockKeeper {
  let seq = 0;
  return {
    willWrite: (name) =>
      new Promise((resolve, reject) => {
        const number = ++seq;
        const abort = () => reject(signal.reason);
        signal.addEventListener('abort', abort, { once: true });
        waiting.set(number, () => {
          waiting.delete(number);
          signal.removeEventListener('abort', abort);
          resolve();
        });
        void say({ type: 'lock-write', name, seq: number });
      }),
    removed: (name) => say({ type: 'lock-removed', name }),
  };
}

function throttled(send: (progress: Progress) => void): (progress: Progress) => void {
  let last = 0;
  return (progress) => {
    const now = performance.now();
    if (now - last < progressEvery) return;
    last = now;
    send(progress);
  };
}
