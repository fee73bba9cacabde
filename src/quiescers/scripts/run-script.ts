// Runs one script: the opened file itself, in a process group of its own, which ends with its limit.
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { asUsual } from './as-usual.ts';
import type { LogLevel } from './thirdparty-log.ts';

export interface ScriptRun {
  /** The opened script. */
  readonly fd: number;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly limitMs: number;
  /** Ends it before its limit. */
  readonly signal?: AbortSignal;
  /** The leader of its process group. */
  readonly onStart: (pid: number) => void;
  readonly onLine: (level: LogLevel, pid: number, text: string) => void;
}

export type ScriptEnd =
  | { readonly kind: 'exit'; readonly code: number }
  /** A signal that did not come from us, a script that could not be started. */
  | { readonly kind: 'died'; readonly detail: string }
  | { readonly kind: 'killed'; readonly why: 'limit' | 'signal' };

/** From SIGTERM to SIGKILL, and from there until it is given up (a process that waits in the kernel ends when the kernel lets it). */
const patienceMs = 500;
/** What a script said last may arrive after its end. */
const lastWordsMs = 50;

/** Never rejects. What the script leaves running in the background (the session that holds a lock) lives on, unless the limit was reached. */
export async function runScript(run: ScriptRun): Promise<ScriptEnd> {
  // The kernel runs the descriptor as it would run the file: with the interpreter of its first line.
  const child = asUsual(() =>
    spawn('/proc/self/fd/3', [...run.args], {
      cwd: '/',
      env: { ...run.environment },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', run.fd],
    }),
  );
  const ended = endedOf(child);
  try {
    if (child.pid) run.onStart(child.pid);
  } catch (error) {
    killGroup(child.pid, 'SIGKILL');
    await Promise.race([ended, pause(patienceMs)]);
    return { kind: 'died', detail: `was killed, for its start could not be noted (${error instanceof Error ? error.message : error})` };
  }
  const said = Promise.all([pass(child, 'stdout', 'INFO', run.onLine), pass(child, 'stderr', 'ERROR', run.onLine)]);
  const end = await endOf(child, ended, run);
  await Promise.race([said, pause(lastWordsMs)]);
  // Who still runs in the background may go on talking; that must not keep this process.
  for (const stream of [child.stdout, child.stderr]) (stream as { unref?: () => void } | null)?.unref?.();
  return end;
}

function endedOf(child: ChildProcess): Promise<ScriptEnd> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ kind: 'died', detail: `cannot be started (${error.message})` }));
    child.once('exit', (code, name) => resolve(code === null ? { kind: 'died', detail: `was ended by ${name}` } : { kind: 'exit', code }));
  });
}

async function endOf(child: ChildProcess, ended: Promise<ScriptEnd>, { limitMs, signal }: ScriptRun): Promise<ScriptEnd> {
  const over = new AbortController();
  const late = pause(limitMs, 'limit' as const, { signal: over.signal }).catch(() => 'limit' as const);
  const called = new Promise<'signal'>((resolve) => {
    if (signal?.aborted) resolve('signal');
    signal?.addEventListener('abort', () => resolve('signal'), { signal: over.signal });
  });
  try {
    const first = await Promise.race([ended, late, called]);
    if (typeof first === 'object') return first;
    for (const name of ['SIGTERM', 'SIGKILL'] as const) {
      killGroup(child.pid, name);
      await Promise.race([ended, pause(patienceMs, undefined, { signal: over.signal }).catch(() => undefined)]);
    }
    return { kind: 'killed', why: first };
  } finally {
    over.abort();
  }
}

/** Everything in the group, also when its leader has ended. */
export function killGroup(pid: number | undefined, name: NodeJS.Signals): void {
  try {
    if (pid) process.kill(-pid, constants.signals[name]);
  } catch {
    // Nothing of it is left.
  }
}

const marked = /^\[(INFO|ERROR)\]\s*(.*)$/;

/** A script that writes without ever ending a line must not fill the memory. */
const maxLine = 16 * 1024;

/** `Log` of agent_func.sh marks its lines with their level. */
function pass(child: ChildProcess, from: 'stdout' | 'stderr', level: LogLevel, onLine: ScriptRun['onLine']): Promise<void> {
  const stream = child[from];
  if (!stream) return Promise.resolve();
  const tell = (line: string) => {
    const [, own, text] = marked.exec(line) ?? [];
    onLine((own as LogLevel | undefined) ?? level, child.pid ?? 0, text ?? line);
  };
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (part: string) => {
    const lines = (rest + part).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) tell(line);
    if (rest.length <= maxLine) return;
    tell(rest);
    rest = '';
  });
  return new Promise((resolve) => {
    // A pipe that breaks: the script's exit code tells the rest.
    stream.once('error', () => resolve());
    stream.once('close', () => {
      if (rest !== '') tell(rest);
      resolve();
    });
  });
}
