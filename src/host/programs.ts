// The agent's own programs that others start, and how: the same for rdprovider as for an agent that runs without it.
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Verb } from '../model/provider.ts';

export interface Program {
  /** Flags of the runtime, script, words. */
  readonly argv: readonly string[];
  readonly cwd: string;
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Places {
  /** AGENT_HOME, AGENT_RUN, and where it may write what it forgets. */
  readonly home: string;
  readonly run: string;
  readonly tmp: string;
}

/** A task makes much garbage and keeps little: the default young generation alone would be 48 MB. */
export const runtimeFlags = ['--max-semi-space-size=8'];
/**
 * And many big, short-lived buffers: glibc gives them back when they are freed (left alone it raises this threshold with the first one and
 * then keeps 64 MB a thread), and its threads share two arenas. Up to 16 MB of free heap stays for the next block: given back and fetched
 * again for each, its pages cost half as much time as encrypting. mallopt(3).
 */
export const runtimeVariables = { MALLOC_MMAP_THRESHOLD_: '1000000', MALLOC_ARENA_MAX: '2', MALLOC_TRIM_THRESHOLD_: '16000000' };

/** Taken over from the environment of whoever starts it; nothing else reaches a task, secrets least of all. */
const keptByTasks = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'NODE_COMPILE_CACHE', 'NODE_EXTRA_CA_CERTS', 'SystemRoot'];
const keptByFreezes = ['PATH'];
const keptByAll = ['AGENT_FREEZE_LOCK', 'AGENT_PROVIDER', 'AGENT_USER', 'AGENT_ALLOW'];

/** `script`: in the place of rdtask, for tests. */
export function taskProgram(places: Places, script = scriptOf('rdtask'), ...words: readonly string[]): Program {
  const env = { ...kept([...keptByTasks, ...keptByAll]), ...named(places), TMPDIR: places.tmp, ...runtimeVariables };
  return { argv: [...runtimeFlags, script, ...words], cwd: places.tmp, env };
}

export function freezeProgram(places: Omit<Places, 'tmp'>, ...words: readonly string[]): Program {
  return { argv: [scriptOf('rdfreeze'), ...words], cwd: '/', env: { ...kept([...keptByFreezes, ...keptByAll]), ...named(places) } };
}

export function programOf(verb: Verb, places: Places): Program {
  const program = {
    task: () => taskProgram(places),
    images: () => taskProgram(places, scriptOf('rdtask'), 'images'),
    hooks: () => taskProgram(places, scriptOf('rdtask'), 'hooks'),
    freeze: () => freezeProgram(places),
    rescue: () => freezeProgram(places, 'rescue'),
  };
  return program[verb]();
}

const scriptOf = (name: string): string => fileURLToPath(new URL(`../${name}.ts`, import.meta.url));

const named = ({ home, run }: Omit<Places, 'tmp'>) => ({ AGENT_HOME: home, AGENT_RUN: run });

function kept(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

/**
 * Starts it in a group of its own: Ctrl-C on the agent's terminal is the agent's business, what kills a task with all it started does not
 * kill the hand that thaws, and a kill reaches what the process started. `prefix`: a command that gives it other rights.
 */
export function spawnProgram(
  { argv, cwd, env }: Program,
  stdio: StdioOptions,
  niceness: number,
  prefix: readonly string[] = [],
): ChildProcess {
  const [command = '', ...words] = [...prefix, process.execPath, ...argv];
  const child = spawn(command, words, { cwd, env, detached: true, stdio });
  lowerPriority(child, niceness);
  return child;
}

function lowerPriority({ pid }: ChildProcess, niceness: number): void {
  try {
    if (pid && niceness > 0) setPriority(pid, niceness);
  } catch {
    // It has ended already.
  }
}

/** Resolves with how it ended: `exit code 0`, `signal SIGKILL`, or why it could not be started. */
export function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, name) => resolve(name ? `signal ${name}` : `exit code ${code}`));
  });
}

/** To a process, or to it and everything in its group. Nothing happens where nothing is left of it. */
export function signalTo(pid: number, name: NodeJS.Signals, whom: 'process' | 'group'): void {
  if (pid === 0) return;
  try {
    process.kill(whom === 'group' ? -pid : pid, name);
  } catch {
    // It has ended.
  }
}
