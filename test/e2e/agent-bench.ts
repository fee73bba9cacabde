// A real rdagent in a home of its own, with a task script of the test's choice.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConnection, readRunFile } from '../../src/config/connection.ts';
import { type Layout, layoutOf } from '../../src/config/layout.ts';
import { type Client, createClient } from '../../src/rpc/client.ts';
import type { Task } from '../../src/rpc/schemas.ts';

const script = new URL('../../scripts/rdagent', import.meta.url).pathname;
const fakeTask = new URL('./agent-fake-task.ts', import.meta.url).pathname;

export interface RunningAgent {
  readonly home: string;
  readonly layout: Layout;
  readonly client: Client;
  readonly process: ChildProcess;
  output(): string;
  /** Graceful with SIGTERM; answers the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  wait(task: Task): Promise<Task>;
  notes(): string[];
}

export function newHome(): string {
  return mkdtempSync(join(tmpdir(), 'stillpoint-agent-'));
}

/** Tries again: tasks of an agent that was killed write for a moment longer. */
export const removeHome = (home: string) => rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });

export async function startAgent(home: string, environment: Record<string, string> = {}): Promise<RunningAgent> {
  const layout = layoutOf({ AGENT_HOME: home, AGENT_RUN: join(home, 'run') });
  const env = { ...process.env, AGENT_HOME: home, AGENT_RUN: layout.run, AGENT_PORT: '0', AGENT_TASK_SCRIPT: fakeTask, ...environment };
  const child = spawn(script, [], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (text += part));
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const ended = exited.then((code) => {
    throw new Error(`rdagent ended with ${code}: ${text}`);
  });
  ended.catch(() => undefined);
  await Promise.race([ready(layout, child), ended]);
  const client = createClient(readConnection(layout));
  return {
    home,
    layout,
    client,
    process: child,
    output: () => text,
    async stop(signal = 'SIGTERM') {
      client.close();
      child.kill(signal);
      return exited;
    },
    async wait(task) {
      for await (const event of client.events(task.id)) if (event.type === 'done' || event.type === 'failed') return event.task;
      throw new Error('the events ended without an end');
    },
    notes: () => readFileSync(join(home, 'fake-notes'), 'utf8').trim().split('\n'),
  };
}

async function ready(layout: Layout, child: ChildProcess): Promise<void> {
  for (;;) {
    const run = readRunFile(layout);
    if (run && run.port > 0 && run.pid === child.pid) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
