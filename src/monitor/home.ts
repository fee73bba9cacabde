// One rdmonitor a home, and none beside an agent that runs without it.
import { closeSync, ftruncateSync, readFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fail } from '../base/errors.ts';
import { lockFile } from '../base/file-lock.ts';
import type { Layout } from '../config/layout.ts';
import { readSmall } from './read-small.ts';

/** Processes by name. */
export type Pids = Readonly<Record<string, number>>;

export interface Home {
  /** Writes down what runs, for a rdmonitor that comes after this one was killed. */
  note(pids: Pids): void;
  release(): void;
}

/** Throws AGENT_RUNNING where another rdmonitor lives, or processes of the home that no rdmonitor looks after. */
export async function takeHome({ home, run, runFile }: Layout): Promise<Home> {
  const path = join(run, 'rdmonitor.lock');
  const fd = await lockFile(path);
  const noted = await pidsIn(path);
  if (fd === undefined) fail('AGENT_RUNNING', { home: `${home} (rdmonitor is process ${noted['rdmonitor'] ?? 'unknown'})` });
  const { pid } = await pidsIn(runFile);
  const known = { ...noted, ...(pid !== undefined && { rdagent: pid }) };
  const alive = Object.entries(known).filter(([name, pid]) => name !== 'rdmonitor' && livesAs(pid, name));
  if (alive.length > 0) {
    closeSync(fd);
    fail('AGENT_RUNNING', { home: `${home} without rdmonitor (${alive.map(([name, pid]) => `${name} is process ${pid}`).join(', ')})` });
  }
  const note = (pids: Pids) => {
    ftruncateSync(fd);
    writeSync(fd, JSON.stringify({ rdmonitor: process.pid, ...pids }), 0);
  };
  note({});
  return { note, release: () => closeSync(fd) };
}

async function pidsIn(path: string): Promise<Pids> {
  try {
    const said: unknown = JSON.parse(await readSmall(path));
    return Object.fromEntries(Object.entries(said ?? {}).filter(([, value]) => Number.isInteger(value)));
  } catch {
    return {};
  }
}

/** Whether a process runs the program of that name: numbers are given to others in time. */
function livesAs(pid: number, name: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.some((word) => basename(word).replace(/\.[jt]s$/, '') === name);
  } catch {
    return false;
  }
}
