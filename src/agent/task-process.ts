// One rdtask process: started with the spec on a pipe, listened to, and stopped, politely first. model/task.ts has the protocol.
import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { asStillpointError, failure, type Problem } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import type { TaskEvent, TaskOrder, TaskResult, TaskSpec } from '../model/task.ts';

export interface TaskProcessSettings {
  /** The script that process.execPath runs. */
  readonly script: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** 0 to 19. */
  readonly niceness: number;
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

/** A task makes much garbage and keeps little: the default young generation alone would be 48 MB. */
export const runtimeFlags = ['--max-semi-space-size=8'];
/**
 * And many big, short-lived buffers: glibc gives them back when they are freed (left alone it raises this threshold with the first one and
 * then keeps 64 MB a thread), and its threads share two arenas. Up to 16 MB of free heap stays for the next block: given back and fetched
 * again for each, its pages cost half as much time as encrypting. mallopt(3).
 */
export const runtimeVariables = { MALLOC_MMAP_THRESHOLD_: '1000000', MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '16000000' };

export function startTaskProcess(spec: TaskSpec, settings: TaskProcessSettings, hooks: TaskProcessHooks): TaskProcess {
  const child = spawn(process.execPath, [...runtimeFlags, settings.script], {
    cwd: settings.cwd,
    env: { ...settings.env, ...runtimeVariables },
    // A group of its own: Ctrl-C on the agent's terminal is the agent's business, and a kill reaches what the task started.
    detached: true,
    stdio: ['ignore', hooks.onOutput ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe'],
  });
  const orders = child.stdio[3] as Writable;
  const send = (order: TaskOrder) => {
    if (orders.writable) orders.write(`${JSON.stringify(order)}\n`);
  };
  // A pipe that breaks because the process is gone is told by its end.
  orders.on('error', () => undefined);
  lowerPriority(child, settings.niceness);
  send({ type: 'spec', spec });
  if (hooks.onOutput) hooks.onOutput(child.stdout as Readable);
  child.stderr?.on('data', hooks.onText);

  const timers: NodeJS.Timeout[] = [];
  let end: TaskEnd | undefined;
  let cancelled = false;
  const listening = listen(child.stdio[4] as Readable, (event) => {
    if (event.type === 'done') said({ kind: 'done', result: event.result });
    else if (event.type === 'failed') said({ kind: 'failed', problem: event.problem });
    else note(event);
  });

  /** After its last word the process has nothing to do but to end; one that reads orders sees their end now. */
  function said(last: TaskEnd): void {
    end = last;
    orders.end();
    timers.push(setTimeout(() => signal(child, 'SIGKILL'), settings.patience.kill));
  }

  /** What cannot be noted (a full disk under agent.db) must not be acknowledged: the task is ended instead of left waiting. */
  function note(event: Parameters<TaskProcessHooks['onEvent']>[0]): void {
    try {
      hooks.onEvent(event);
      if (event.type === 'lock-write') send({ type: 'ack', seq: event.seq });
    } catch (error) {
      end = { kind: 'failed', problem: asStillpointError(error).toProblem() };
      signal(child, 'SIGKILL');
    }
  }
  const ended = exitOf(child).then(async (detail): Promise<TaskEnd> => {
    for (const timer of timers) clearTimeout(timer);
    await Promise.race([listening, sleep(pipeGraceMs)]);
    // Whatever it started must not outlive it, and nobody reads its output any more.
    signal(child, 'SIGKILL');
    orders.destroy();
    return end ?? { kind: 'died', problem: failure('TASK_DIED', { detail }).toProblem() };
  });

  return {
    pid: child.pid ?? 0,
    ended,
    setBandwidth: (bytesPerSecond) => send({ type: 'bandwidth', bytesPerSecond }),
    cancel() {
      if (cancelled) return;
      cancelled = true;
      send({ type: 'cancel' });
      timers.push(setTimeout(() => signal(child, 'SIGTERM'), settings.patience.term));
      timers.push(setTimeout(() => signal(child, 'SIGKILL'), settings.patience.kill));
    },
    kill: () => signal(child, 'SIGKILL'),
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

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, name) => resolve(name ? `signal ${name}` : `exit code ${code}`));
  });
}

function lowerPriority(child: ChildProcess, niceness: number): void {
  try {
    if (child.pid && niceness > 0) setPriority(child.pid, niceness);
  } catch {
    // It has ended already.
  }
}

/** To the process and everything in its group. */
function signal(child: ChildProcess, name: NodeJS.Signals): void {
  try {
    if (child.pid) process.kill(-child.pid, name);
  } catch {
    // Nothing of it is left.
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
