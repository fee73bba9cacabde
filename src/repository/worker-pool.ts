// Main side of the worker threads: hands out jobs, takes finished packs.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { asStillpointError, failure, StillpointError } from '../base/errors.ts';
import type { FinishedPack, FromWorker, Job, JobResults, ToWorker, WorkerSettings } from './jobs.ts';

/** Jobs a worker has at hand, so that it never waits for the main thread. */
const depth = 2;

export interface WorkerPool {
  readonly size: number;
  run<T extends Job['type']>(job: Extract<Job, { type: T }>, transfer?: readonly ArrayBuffer[]): Promise<JobResults[T]>;
  /** Ends all open packs; resolves when every worker has handed its packs over. */
  flush(): Promise<void>;
  /** A pack is done with: one more may come. */
  release(): void;
  close(): Promise<void>;
}

/** A worker's own objects are few; without a limit its young generation alone may take 50 MB. */
const resourceLimits = { maxYoungGenerationSizeMb: 6 };

interface Waiting {
  readonly job: Job;
  readonly transfer: readonly ArrayBuffer[];
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** Threads that pay off: one a core up to four; more would only cost memory. */
export const defaultWorkers = Math.min(4, Math.max(1, availableParallelism()));

export function workerPool(settings: WorkerSettings, size: number, onPack: (pack: FinishedPack) => void): WorkerPool {
  const credits = new Int32Array(settings.credits);
  const waiting: Waiting[] = [];
  const running = new Map<number, Waiting>();
  let nextJob = 1;
  let broken: Error | undefined;

  const members = Array.from({ length: size }, (_, number) => {
    const thread = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: settings,
      name: `stillpoint-${number}`,
      resourceLimits,
    });
    const member = { thread, number, busy: 0 };
    thread.on('message', (message: FromWorker) => receive(member, message));
    thread.on('error', (error) => breakDown(asStillpointError(error)));
    thread.on('exit', (code) => code !== 0 && breakDown(failure('INTERNAL', { detail: `a worker thread ended with ${code}` })));
    return member;
  });
  type Member = (typeof members)[number];

  const send = (member: Member, message: ToWorker, transfer: readonly ArrayBuffer[] = []) =>
    member.thread.postMessage(message, [...transfer]);

  const start = (member: Member, one: Waiting) => {
    const job = nextJob++;
    running.set(job, one);
    member.busy++;
    send(member, { job, work: one.job }, one.transfer);
  };

  const next = () => {
    while (waiting.length > 0) {
      const idle = members.reduce((least, member) => (member.busy < least.busy ? member : least));
      if (idle.busy >= depth) return;
      start(idle, waiting.shift()!);
    }
  };

  const receive = (member: Member, message: FromWorker) => {
    if (message.type === 'pack') return onPack(message);
    const one = running.get(message.job);
    if (!one) return; // given up already
    running.delete(message.job);
    member.busy--;
    if (message.type === 'result') one.resolve(message.result as never);
    else one.reject(new StillpointError(message.problem));
    next();
  };

  const breakDown = (error: Error) => {
    broken ??= error;
    for (const one of [...running.values(), ...waiting.splice(0)]) one.reject(broken);
    running.clear();
  };

  const enqueue = (job: Job, transfer: readonly ArrayBuffer[], member?: Member) =>
    new Promise<never>((resolve, reject) => {
      if (broken) return reject(broken);
      const one = { job, transfer, resolve, reject };
      if (member) return start(member, one);
      waiting.push(one);
      next();
    });

  return {
    size,
    run: (job, transfer = []) => enqueue(job, transfer),
    flush: async () => {
      await Promise.all(members.map((member) => enqueue({ type: 'flush' }, [], member)));
    },
    release: () => {
      Atomics.add(credits, 0, 1);
      Atomics.notify(credits, 0, 1);
    },
    close: async () => {
      breakDown(failure('TASK_CANCELLED')); // whoever waits for a job must not wait for ever
      Atomics.store(credits, 1, 1);
      Atomics.notify(credits, 0);
      for (const member of members) member.thread.removeAllListeners('exit');
      await Promise.all(members.map((member) => member.thread.terminate()));
    },
  };
}
