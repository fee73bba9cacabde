// A real rdmonitor in a home of its own, with all that it starts.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readConnection } from '../../src/config/connection.ts';
import { type Layout, layoutOf } from '../../src/config/layout.ts';
import { type Client, createClient } from '../../src/rpc/client.ts';
import { processes, type Running } from '../beds/processes.ts';

const script = fileURLToPath(new URL('../../scripts/rdmonitor', import.meta.url));

export interface MonitorLine {
  readonly msg: string;
  readonly process?: string;
  readonly text?: string;
}

export interface RunningMonitor {
  readonly process: ChildProcess;
  /** What it said of itself, without what its processes said. */
  lines(): readonly MonitorLine[];
  /** Everything, errors of a refused start too. */
  output(): string;
  readonly exited: Promise<number | null>;
}

export function startMonitor(home: string, environment: Readonly<Record<string, string>> = {}): RunningMonitor {
  const env = { ...process.env, AGENT_HOME: home, AGENT_RUN: join(home, 'run') };
  const more = { AGENT_PORT: '0', AGENT_CHECK_SECONDS: '2', AGENT_FREEZE_LOCK: join(home, 'freeze-lock') };
  const child = spawn(script, [], { env: { ...env, ...more, ...environment }, stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const lines = () => {
    const whole = text.split('\n').slice(0, -1);
    return whole.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as MonitorLine);
  };
  return { process: child, lines, output: () => text, exited };
}

export const layoutIn = (home: string): Layout => layoutOf({ AGENT_HOME: home, AGENT_RUN: join(home, 'run') });

/** Of the processes that the home's rdmonitor looks after; 0 for one that does not run. */
export function pidOf(home: string, name: string): number {
  const noted = JSON.parse(readFileSync(join(home, 'run', 'rdmonitor.lock'), 'utf8') || '{}') as Record<string, number>;
  return noted[name] ?? 0;
}

/** The agent's process number, by its own word; 0 if none answers. */
export async function answeringAgent(home: string): Promise<number> {
  let client: Client | undefined;
  try {
    client = createClient(readConnection(layoutIn(home)));
    return (await client.call('status', {}, { signal: AbortSignal.timeout(2000) })).pid;
  } catch {
    return 0;
  } finally {
    client?.close();
  }
}

/** All that runs with this home, and what waits to thaw should rdfreeze die. */
export function processesOf(home: string): readonly Running[] {
  const all = processes();
  const own = all.filter(({ variables }) => variables.includes(`AGENT_HOME=${home}`));
  const parents = new Set(own.map(({ pid }) => pid));
  const helpers = all.filter(({ parent, words }) => parents.has(parent) && words.some((word) => /^rdfreeze-(guard|heir)$/.test(word)));
  return [...new Map([...own, ...helpers].map((one) => [one.pid, one])).values()];
}

/** By the names of their scripts: rdmonitor, rdprovider, rdagent, rdfreeze, and its helpers as such. */
export const named = (home: string, name: string): readonly Running[] =>
  processesOf(home).filter(({ words }) =>
    name === 'helper' ? words.some((word) => /^rdfreeze-(guard|heir)$/.test(word)) : words.some((word) => word.endsWith(`/src/${name}.ts`)),
  );
