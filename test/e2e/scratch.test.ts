// What a task keeps for itself (here the password of a database) goes with it, also where it is killed.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeScratch, sweepScratch } from '../../src/agent/scratch.ts';
import { type SqlServer, startMariadb } from '../beds/mariadb.ts';
import { newHome, type RunningAgent, removeHome, startAgent } from './agent-bench.ts';

const realTasks = { AGENT_TASK_SCRIPT: fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url)) };
const password = 'password-of-the-dump';
let top: string;
let home: string;
let server: SqlServer;
let agent: RunningAgent;

beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), 'scratch-'));
  home = newHome();
  mkdirSync(join(top, 'sql'));
  server = await startMariadb({ dir: join(top, 'sql') });
  await server.sql(
    `CREATE DATABASE shop; CREATE TABLE shop.orders (id INT) ENGINE=InnoDB; INSERT INTO shop.orders VALUES (1);
     CREATE USER dumper@localhost IDENTIFIED BY '${password}'; GRANT ALL ON *.* TO dumper@localhost`,
  );
  agent = await startAgent(home, realTasks);
  const { client } = agent;
  await client.call('poolBind', { body: { name: 'p', place: { type: 'local', path: join(top, 'pool') }, create: true } });
  await client.call('vaultCreate', { body: { name: 'v' } });
  const access = { socket: server.socket, user: 'dumper', password };
  await client.call('planCreate', { body: { name: 'db', source: { kind: 'mysql', method: 'logical', server: access } } });
}, 120_000);
afterAll(async () => {
  await agent?.stop();
  await server?.kill();
  rmSync(top, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  removeHome(home);
});

const folder = () => join(home, 'tmp');
const scratches = () => readdirSync(folder()).filter((name) => name.startsWith('task-'));
const secrets = () =>
  readdirSync(folder(), { recursive: true, withFileTypes: true }).filter(
    (one) => one.isFile() && readFileSync(join(one.parentPath, one.name), 'utf8').includes(password),
  );

/** The process of a dump that waits for a table, with the password in a file. */
async function dumping(): Promise<number> {
  await agent.client.call('backupRun', { body: { plan: 'db' } });
  while (secrets().length === 0) await pause(20);
  return Number(scratches()[0]?.split('-')[1]);
}

it('R1 S6 a dump that is killed leaves no password: not with the agent running, and not when it was killed, too', async () => {
  const session = await server.connect();
  await session.query('LOCK TABLES shop.orders WRITE');
  try {
    process.kill(await dumping(), 'SIGKILL');
    while (scratches().length > 0) await pause(20);

    const pid = await dumping();
    const gone = agent.stop('SIGKILL');
    process.kill(pid, 'SIGKILL');
    await gone;
    expect(secrets().length).toBe(1);
    agent = await startAgent(home, realTasks);
    while (scratches().length > 0) await pause(20);
    expect(secrets()).toEqual([]);
  } finally {
    await session.end();
  }
}, 60_000);

it('R1 only what is dead, named so, and ours is removed', () => {
  const place = mkdtempSync(join(top, 'sweep-'));
  const own = makeScratch(place);
  const dead = join(place, 'task-999999-12345-abcdef');
  const another = join(place, `task-${process.pid}-1-abcdef`);
  for (const path of [dead, another]) mkdirSync(path);
  writeFileSync(join(dead, 'file'), 'x');
  for (const path of ['task-1', 'task-999999-12345-abcdefg']) mkdirSync(join(place, path));
  writeFileSync(join(place, 'task-999999-12345-ghijkl'), 'a file');
  sweepScratch(place);
  const left = ['task-1', 'task-999999-12345-abcdefg', 'task-999999-12345-ghijkl', own.slice(place.length + 1)];
  expect(readdirSync(place).sort()).toEqual(left.sort());
  sweepScratch(join(place, 'nowhere'));
});
