// data/agent.db is deleted, truncated or overwritten: the agent says so, goes on from data/agent.keep, and reads the backups from the vault.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scripts, writeFiles } from '../beds/fault-home.ts';
import { rsyncDifferences } from '../beds/nasty-tree.ts';
import { newHome, type RunningAgent, removeHome, startAgent } from '../e2e/agent-bench.ts';

let home: string;
let bed: string;
let agent: RunningAgent;
/** IDs of the backups, the newest first. */
let backups: readonly string[];
let agentId: string;

const tree = () => join(bed, 'tree');
const data = (name: string) => join(home, 'data', name);
const aside = () => readdirSync(data('')).filter((name) => /damaged-[^-]*$/.test(name));
const start = async () => {
  agent = await startAgent(home, { AGENT_TASK_SCRIPT: scripts.plain });
};

beforeAll(async () => {
  home = newHome();
  bed = mkdtempSync(join(tmpdir(), 'lost-state-'));
  writeFiles(tree(), 0, 5, 2000);
  await start();
  await agent.client.call('poolBind', { body: { name: 'here', place: { type: 'local', path: join(bed, 'pool') }, create: true } });
  await agent.client.call('vaultCreate', { body: { name: 'v1' } });
  await agent.client.call('planCreate', { body: { name: 'p', vault: 'v1', source: { kind: 'files', paths: [tree()] } } });
  await run();
  backups = await listed();
  ({ agentId } = await agent.client.call('status', {}));
}, 60_000);

afterAll(async () => {
  await agent.stop('SIGKILL');
  removeHome(home);
  rmSync(bed, { recursive: true, force: true });
});

async function run(): Promise<void> {
  const task = await agent.wait(await agent.client.call('backupRun', { body: { plan: 'p' } }));
  expect(task.state).toBe('done');
}

async function listed(): Promise<readonly string[]> {
  const page = await agent.client.call('backupList', { query: { state: 'available', limit: 1000 } });
  return page.items.map((backup) => backup.id);
}

/** Everything that an operator expects after a loss. */
async function expectWhole(reason: string): Promise<void> {
  await expect.poll(listed, { timeout: 30_000, interval: 100 }).toEqual(backups);
  const { client } = agent;
  expect((await client.call('status', {})).agentId).toBe(agentId);
  expect((await client.call('planList', { query: {} })).total).toBe(1);
  const events = await client.call('eventList', { query: {} });
  expect(JSON.stringify(events.items)).toContain(reason);
  const alarms = await client.call('alarmList', { query: {} });
  expect(alarms.items).toMatchObject([{ type: 'STATE_REBUILT', level: 'major' }]);
  expect((await client.call('auditVerify', {})).entries).toBeGreaterThan(0);
  const { items } = await client.call('auditList', { query: { trace: 'startTrail' } });
  expect(items.at(0)?.detail).toContain('the database was made anew');

  const target = mkdtempSync(join(bed, 'restored-'));
  const restore = await client.call('backupRestore', {
    params: { id: backups[0] ?? '' },
    body: { target: { kind: 'files', path: target } },
  });
  expect((await agent.wait(restore)).state).toBe('done');
  expect(await rsyncDifferences(tree(), join(target, tree()))).toBe('');
  await run();
  const now = await listed();
  expect(now.slice(1)).toEqual(backups);
  backups = now;
}

const losses: readonly (readonly [what: string, reason: string, lose: () => void])[] = [
  ['deleted', 'it is gone', () => rmSync(data('agent.db'))],
  [
    'deleted with its journal',
    'it is gone',
    () => ['', '-wal', '-shm'].forEach((part) => void rmSync(data(`agent.db${part}`), { force: true })),
  ],
  ['emptied', 'it is empty', () => truncateSync(data('agent.db'), 0)],
  ['cut in half', 'malformed', () => truncateSync(data('agent.db'), statSync(data('agent.db')).size / 2)],
  ['overwritten in the middle', 'The agent', () => overwrite(data('agent.db'), 4096)],
  ['overwritten at its beginning', 'not a database', () => overwrite(data('agent.db'), 4096, 0)],
];

function overwrite(path: string, length: number, at = Math.floor(statSync(path).size / 2 / 4096) * 4096): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, Buffer.alloc(length, 0xa5), 0, length, at);
  closeSync(fd);
}

describe('a lost database', () => {
  it.each(losses)('B11 %s: told, made anew, nothing lost', async (_what, reason, lose) => {
    await agent.stop();
    const before = aside();
    lose();
    const left = existsSync(data('agent.db')) && readFileSync(data('agent.db'));
    await start();
    expect(agent.output()).toContain('a new one is made from data/agent.keep');
    const [found] = aside().filter((name) => !before.includes(name));
    expect(left ? readFileSync(data(found ?? '')).equals(left) : found).toBe(left ? true : undefined);
    await expectWhole(reason);
  });

  it('B11 its journal deleted after a SIGKILL: what the journal had is not forgotten', async () => {
    await agent.stop('SIGKILL');
    rmSync(data('agent.db-wal'));
    rmSync(data('agent.db-shm'), { force: true });
    await start();
    expect(agent.output()).toContain('a new one is made from data/agent.keep');
    await expectWhole('lost');
  });

  it('B11 damaged while the agent runs: it says so, ends, and its next start makes a new one', async () => {
    await agent.stop();
    await start();
    const ended = new Promise<void>((resolve) => agent.process.once('exit', () => resolve()));
    overwrite(data('agent.db'), statSync(data('agent.db')).size - 8192, 8192);
    await expect(agent.client.call('backupList', { query: {} })).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
    await ended;
    await start();
    await expectWhole('The agent');
    expect(existsSync(data('agent.db.doubt'))).toBe(false);
  });

  it('B11 killed at any moment of the rebuild: the next start is right', async () => {
    await agent.stop('SIGKILL');
    let begun = 0;
    for (const milliseconds of [0, 10, 40, 120]) {
      // If the last attempt came through, it is lost once more; its journal stays behind, as a deleted file's does.
      rmSync(data('agent.db'), { force: true });
      if (await killWhileRebuilding(milliseconds)) begun++;
    }
    expect(begun).toBe(4);
    await start();
    await expectWhole('The agent');
    expect(aside().length).toBeLessThanOrEqual(3);
    expect(readdirSync(data('')).filter((name) => name.includes('.new'))).toEqual([]);
  });

  it('B11 negative control: without data/agent.keep nothing is known, and a damaged file stays as it is', async () => {
    await agent.stop();
    const kept = readFileSync(data('agent.keep'));
    rmSync(data('agent.keep'));
    overwrite(data('agent.db'), 4096, 0);
    const before = readFileSync(data('agent.db'));
    await expect(start()).rejects.toThrow('damaged or gone, and there is no copy of the settings');
    expect(readFileSync(data('agent.db')).equals(before)).toBe(true);
    rmSync(data('agent.db'));
    await start();
    expect((await agent.client.call('poolList', { query: {} })).total).toBe(0);
    expect(await listed()).toEqual([]);
    await agent.stop();
    writeFileSync(data('agent.keep'), kept);
    rmSync(data('agent.db'));
    await start();
    await expectWhole('it is gone');
  });

  it('B11 a data/agent.keep that another hand wrote is not believed', async () => {
    await agent.stop();
    const kept = readFileSync(data('agent.keep'), 'utf8');
    writeFileSync(data('agent.keep'), kept.replace(join(bed, 'pool'), '/elsewhere'));
    rmSync(data('agent.db'));
    await expect(start()).rejects.toThrow('no copy of the settings');
    writeFileSync(data('agent.keep'), kept);
    await start();
    expect((await agent.client.call('poolList', { query: {} })).total).toBe(1);
  });
});

/** Starts the agent and kills it so long after it said that it rebuilds; answers whether it had said so. */
async function killWhileRebuilding(milliseconds: number): Promise<boolean> {
  const program = new URL('../../scripts/rdagent', import.meta.url).pathname;
  const env = { ...process.env, AGENT_HOME: home, AGENT_RUN: agent.layout.run, AGENT_PORT: '0', AGENT_TASK_SCRIPT: scripts.plain };
  const child: ChildProcess = spawn(program, [], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = new Promise<false>((resolve) => child.once('exit', () => resolve(false)));
  const said = new Promise<true>((resolve) => {
    let text = '';
    child.stdout?.on('data', (part) => {
      text += part;
      if (text.includes('a new one is made')) resolve(true);
    });
  });
  const patience = new AbortController();
  const late = sleep(60_000, false as const, { signal: patience.signal }).catch(() => false as const);
  const begun = await Promise.race([said, exited, late]);
  patience.abort();
  await sleep(milliseconds);
  child.kill('SIGKILL');
  await exited;
  return begun;
}
