// A real agent with real tasks and a clock that the test sets.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readConnection, readRunFile } from '../../src/config/connection.ts';
import { type Layout, layoutOf } from '../../src/config/layout.ts';
import { type Client, createClient } from '../../src/rpc/client.ts';

const node = new URL(`../../node_modules/node-linux-${process.arch}/bin/node`, import.meta.url).pathname;
const entry = new URL('./rdagent-clocked.ts', import.meta.url).pathname;

export interface ClockedAgent {
  readonly home: string;
  /** An empty directory of its own. */
  readonly tree: string;
  readonly layout: Layout;
  readonly client: Client;
  now(): number;
  /** Sets the clock and waits until all that was due by then is done. */
  advanceTo(moment: number): Promise<void>;
  /** Sets the clock and waits for nothing. */
  set(moment: number): void;
  settled(): Promise<void>;
  start(): Promise<void>;
  stop(signal?: NodeJS.Signals): Promise<void>;
  remove(): Promise<void>;
}

export async function clockedAgent(begin: number, settings = ''): Promise<ClockedAgent> {
  const home = mkdtempSync(join(tmpdir(), 'stillpoint-year-'));
  const tree = mkdtempSync(join(tmpdir(), 'stillpoint-tree-'));
  const layout = layoutOf({ AGENT_HOME: home, AGENT_RUN: join(home, 'run') });
  const clockFile = join(home, 'clock');
  let moment = begin;
  const set = (to: number) => {
    moment = to;
    const fd = openSync(clockFile, 'r+');
    writeSync(fd, String(to).padStart(16, '0'), 0);
    closeSync(fd);
  };
  writeFileSync(clockFile, String(begin).padStart(16, '0'));
  mkdirSync(join(home, 'conf'), { recursive: true });
  writeFileSync(join(home, 'conf/agent.yaml'), settings);
  const env = { ...process.env, AGENT_HOME: home, AGENT_RUN: layout.run, AGENT_PORT: '0' };
  let child: ChildProcess | undefined;
  let client: Client | undefined;
  let text = '';

  const agent: ClockedAgent = {
    home,
    tree,
    layout,
    get client() {
      return client!;
    },
    now: () => moment,
    set,
    async advanceTo(to) {
      set(to);
      await agent.settled();
    },
    async settled() {
      for (;;) {
        const plans = await client!.call('planList', { query: { limit: 1000 } });
        const behind = plans.items.some(({ next }) => next !== null && next <= moment);
        // Asked last: what was due by then is in the queue.
        const { tasks } = await client!.call('status', {});
        if (tasks.queued + tasks.running === 0 && !behind) return;
        await sleep(15);
      }
    },
    async start() {
      const started = spawn(node, ['--disable-warning=ExperimentalWarning', entry], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      child = started;
      for (const stream of [started.stdout, started.stderr]) stream.on('data', (part) => (text += part));
      for (;;) {
        if (started.exitCode !== null || started.signalCode !== null) throw new Error(`rdagent ended: ${text}`);
        const run = readRunFile(layout);
        if (run && run.port > 0 && run.pid === started.pid) break;
        await sleep(15);
      }
      client = createClient(readConnection(layout));
    },
    async stop(signal = 'SIGTERM') {
      client?.close();
      const ending = child;
      if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
      const ended = new Promise((resolve) => ending.once('exit', resolve));
      ending.kill(signal);
      await ended;
    },
    async remove() {
      await agent.stop('SIGKILL');
      for (const path of [home, tree]) rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
  await agent.start();
  return agent;
}
