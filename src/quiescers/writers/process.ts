// What proc(5) tells of a process and its threads: whether they stand still, and since when.
import { readdirSync, readFileSync } from 'node:fs';

/** When the process was started, in the kernel's ticks; with its pid unique within a boot. Empty for none. Also of one whose first thread has ended. */
export function bornAt(pid: number): string {
  return fieldsOf(`/proc/${pid}/stat`)[19] ?? '';
}

export function parentOf(pid: number): number {
  return Number(fieldsOf(`/proc/${pid}/stat`)[1] ?? 0);
}

/** What follows the name in parentheses, which may hold anything. */
function fieldsOf(file: string): readonly string[] {
  return (
    textOf(file)
      ?.replace(/^.*\) /s, '')
      .split(' ') ?? []
  );
}

/** Where its descriptors are seen: not with its first thread, if that has ended before the others. */
export function withFiles(pid: number): string {
  if (fieldsOf(`/proc/${pid}/stat`)[0] !== 'Z') return `/proc/${pid}`;
  return threadsOf(pid).find(({ state }) => !'ZX'.includes(state))?.task ?? `/proc/${pid}`;
}

export const nameOf = (pid: number): string => textOf(`/proc/${pid}/comm`)?.trim() || 'a process';

/** True where every thread is stopped, by whomever. */
export const isStopped = (pid: number): boolean => threadsOf(pid).every(({ state }) => 'TtZX'.includes(state));

export const isDead = (pid: number): boolean => threadsOf(pid).every(({ state }) => 'ZX'.includes(state));

/**
 * Undefined while a thread runs or may still run. Otherwise how often each thread was ever scheduled, which changes as soon as one runs again,
 * for however short a time.
 */
export function stillnessOf(pid: number): string | undefined {
  const threads = threadsOf(pid);
  if (threads.length === 0) return undefined;
  for (const { task, state } of threads) if (!isStill(task, state)) return undefined;
  return threads.map(({ task, switches }) => `${task.slice(task.lastIndexOf('/') + 1)}:${switches}`).join(' ');
}

function isStill(task: string, state: string): boolean {
  if ('ZX'.includes(state)) return true;
  // It has stopped, but is on its way out of the processor: it will be counted once more.
  if ('Tt'.includes(state)) return textOf(`${task}/wchan`) !== '0' || !hasSymbols;
  return state === 'D' && waitsForChild(task);
}

/** Kernels without their symbols say 0 for every thread. */
const hasSymbols = textOf('/proc/1/wchan') !== '0' || textOf('/proc/2/wchan') !== '0';

/** Numbers of vfork, clone and clone3. */
const cloning: ReadonlySet<string> = new Set(process.arch === 'arm64' ? ['220', '435'] : ['58', '56', '435']);

/** A parent sleeps (vfork) until its child has begun its program. Where the child was stopped before that, the parent can write no more than it. */
const waitsForChild = (task: string): boolean => cloning.has(textOf(`${task}/syscall`)?.split(' ')[0] ?? '');

interface Thread {
  readonly task: string;
  readonly state: string;
  readonly switches: string;
}

function threadsOf(pid: number): readonly Thread[] {
  return namesIn(`/proc/${pid}/task`).flatMap((tid) => {
    const task = `/proc/${pid}/task/${tid}`;
    const status = textOf(`${task}/status`);
    const state = status && /^State:\s*(\w)/m.exec(status)?.[1];
    if (!status || !state) return [];
    return [
      { task, state, switches: (status.match(/^(?:non)?voluntary_ctxt_switches:\s*(\d+)$/gm) ?? []).join(' ').replace(/[^\d ]/g, '') },
    ];
  });
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return undefined;
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
