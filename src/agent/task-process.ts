// One rdtask process: started with the spec on a pipe, listened to, and stopped, politely first. model/task.ts has the protocol.
import type { Readable } from 'node:stream';
import { asStillpointError, failure, type Problem } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import type { Started } from '../host/start.ts';
import type { TaskEvent, TaskOrder, TaskResult, TaskSpec } from '../model/task.ts';

export interface TaskProcessSettings {
  readonly start: (options: { readonly output: boolean }) => Started;
  /** Milliseconds from the order to cancel until SIGTERM and until SIGKILL. */
  readonly patience: { readonly term: number; readonly kill: number };
}

export interface TaskProcessHooks {
  /** Everything but done and failed. `lock-write` is acknowledged when this returns. */
  readonly onEvent: (event: Exclude<TaskEvent, { type: 'done' | 'failed' }>) => void;
  /** What it says on its standard error. */
  readonly onText: (text: Uint8Array) => void;
  /** Its standard output: consumed by the caller, who must read it to the end. Without it the output goes nowhere. */
  readonly onOutput?: (output: Readable) => void;
}

export type TaskEnd =
  | { readonly kind: 'done'; readonly result: TaskResult }
  | { readonly kind: 'failed'; readonly problem: Problem }
  /** It ended without a word. */
  | { readonly kind: 'died'; readonly problem: Problem };

export interface TaskProcess {
  readonly pid: number;
  /** Never rejects. */
  readonly ended: Promise<TaskEnd>;
  setBandwidth(bytesPerSecond: number): void;
  /** Asks it to stop; insists with SIGTERM, then SIGKILL. */
  cancel(): void;
  kill(): void;
}

/** After the process is gone its pipes may be held open by what it started; this long they are listened to (ms). */
const pipeGraceMs = 2000;

export function startTaskProcess(spec: TaskSpec, settings: TaskProcessSettings, hooks: TaskProcessHooks): TaskProcess {
  const child = settings.start({ output: hooks.onOutput !== undefined });
  const send = (order: TaskOrder) => {
    if (child.orders.writable) child.orders.write(`${JSON.stringify(order)}\n`);
  };
  send({ type: 'spec', spec });
  if (child.output) hooks.onOutput?.(child.output);
  child.text.on('data', hooks.onText);

  const timers: NodeJS.Timeout[] = [];
  let end: TaskEnd | undefined;
  let cancelled = false;
  const listening = listen(child.events, (event) => {
    if (event.type === 'done') said({ kind: 'done', result: event.result });
    else if (event.type === 'failed') said({ kind: 'failed', problem: event.problem });
    else note(event);
  });

  /** After its last word the process has nothing to do but to end; one that reads orders sees their end now. */
  function said(last: TaskEnd): void {
    end = last;
    child.orders.end();
    timers.push(setTimeout(() => child.kill('SIGKILL', 'group'), settings.patience.kill));
  }

  /** What cannot be noted (a full disk under agent.db) must not be acknowledged: the task is ended instead of left waiting. */
  function note(event: Parameters<TaskProcessHooks['onEvent']>[0]): void {
    try {
      hooks.onEvent(event);
      if (event.type === 'lock-write') send({ type: 'ack', seq: event.seq });
    } catch (error) {
      end = { kind: 'failed', problem: asStillpointError(error).toProblem() };
      child.kill('SIGKILL', 'group');
    }
  }
  const ended = child.ended.then(async (detail): Promise<TaskEnd> => {
    for (const timer of timers) clearTimeout(timer);
    await Promise.race([listening, sleep(pipeGraceMs)]);
    // Whatever it started must not outlive it, and nobody reads its output any more.
    child.kill('SIGKILL', 'group');
    child.orders.destroy();
    return end ?? { kind: 'died', problem: failure('TASK_DIED', { detail }).toProblem() };
  });

  return {
    get pid() {
      return child.pid;
    },
    ended,
    setBandwidth: (bytesPerSecond) => send({ type: 'bandwidth', bytesPerSecond }),
    cancel() {
      if (cancelled) return;
      cancelled = true;
      send({ type: 'cancel' });
      timers.push(setTimeout(() => child.kill('SIGTERM', 'group'), settings.patience.term));
      timers.push(setTimeout(() => child.kill('SIGKILL', 'group'), settings.patience.kill));
    },
    kill: () => child.kill('SIGKILL', 'group'),
  };
}

async function listen(pipe: Readable, onEvent: (event: TaskEvent) => void): Promise<void> {
  try {
    for await (const line of linesOf(pipe)) onEvent(JSON.parse(line) as TaskEvent);
  } catch {
    // A line cut off by the death of its writer; the end of the process tells the rest.
    pipe.resume();
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
