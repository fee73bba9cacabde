// Redis as a target: into running servers, and as servers of their own.
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import { startOf } from '../../src/base/process-id.ts';
import { removeInstance } from '../../src/databases/instance.ts';
import type { InstanceTarget, RedisTarget, ServerAddress } from '../../src/model/service.ts';
import { processes } from '../beds/processes.ts';
import { freePort } from '../beds/programs.ts';
import { type RedisOptions, type RedisServer, startRedis } from '../beds/redis.ts';
import { fillRedis, stateOf } from '../beds/redis-data.ts';
import { findIn, watchProcesses } from '../beds/secret-watch.ts';
import { smallDisk } from '../beds/small-disk.ts';
import { runTaskProcess } from '../beds/task-runner.ts';
import { testVault, type Vault } from '../beds/vault.ts';

let root: string;
let vault: Vault;
const servers: RedisServer[] = [];
/** Of instances. */
const pids: number[] = [];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'redis-'));
  chmodSync(root, 0o755); // the user redis goes through it
  vault = testVault(join(root, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server.kill();
  for (const pid of pids.splice(0)) {
    process.kill(pid, 'SIGKILL');
    while (startOf(pid) !== '') await pause(20);
  }
  rmSync(root, { recursive: true, force: true });
});

async function redis(more: Omit<RedisOptions, 'dir'> = {}): Promise<RedisServer> {
  const server = await startRedis({ dir: join(root, `s${servers.length}`), ...more });
  servers.push(server);
  return server;
}

const backup = (server: ServerAddress) => vault.backup({ kind: 'redis', method: 'logical', server });
const into = (server: ServerAddress, more: Partial<RedisTarget> = {}): RedisTarget => ({
  kind: 'redis',
  server,
  existing: 'refuse',
  ...more,
});
const failed = (work: Promise<unknown>): Promise<StillpointError> =>
  work.then(
    () => expect.unreachable('it succeeded'),
    (error: StillpointError) => error,
  );

it('B8 keys that are there already are refused, with nothing changed, or replaced; others stay', { timeout: 60_000 }, async () => {
  const server = await redis({ options: { 'enable-debug-command': 'yes' } });
  const { client } = server;
  for (const [key, value] of [
    ['user:1', 'one'],
    ['user:2', 'two'],
    ['order:1', 'three'],
  ])
    await client.set(key!, value!);
  // It has expired, and is not gone yet.
  await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0');
  await client.set('short', 'lived', 'PX', 1);
  const record = await backup({ socket: server.socket });
  await client.set('user:1', 'changed');
  await client.del('user:2', 'order:1');
  await client.set('newer', 'stays');
  await client.set('short', 'born again');
  const target = into({ socket: server.socket });

  const steps = async (more: Partial<RedisTarget>) =>
    (await vault.run({ type: 'restore', record: record.id, target: { ...target, ...more }, dryRun: true })).steps;
  await expect(steps({})).rejects.toMatchObject({ code: 'TARGET_EXISTS' });
  expect(await failed(vault.restore(record.id, target))).toMatchObject({
    code: 'TARGET_EXISTS',
    message: 'the key "user:1" of database 0 is there already',
  });
  expect((await client.keys('*')).sort()).toEqual(['newer', 'short', 'user:1']);
  expect(await client.get('user:1')).toBe('changed');

  expect(await steps({ existing: 'replace' })).toMatchObject([
    { action: 'replace', path: expect.stringContaining('3 keys, 1 of them there already') },
  ]);
  expect(await client.dbsize()).toBe(3);
  await vault.restore(record.id, { ...target, pattern: 'order:[0-9]' });
  expect((await client.keys('*')).sort()).toEqual(['newer', 'order:1', 'short', 'user:1']);
  const counts = await vault.restore(record.id, { ...target, existing: 'replace' });
  expect(counts).toMatchObject({ files: 3, skipped: 1 });
  expect(await client.mget('user:1', 'user:2', 'order:1', 'newer')).toEqual(['one', 'two', 'three', 'stays']);
  // What had expired since is not put in the place of what is there today.
  expect(await client.get('short')).toBe('born again');
});

it('B8 a restore that fails half-way says how far it came, and the next one ends the work', { timeout: 120_000 }, async () => {
  const from = await redis();
  await fillRedis(from, 4e6);
  const before = await stateOf(from);
  const record = await backup({ socket: from.socket });
  const to = await redis({ options: { maxmemory: 6_000_000, 'maxmemory-policy': 'noeviction' } });
  const error = await failed(vault.restore(record.id, into({ socket: to.socket })));
  expect(error).toMatchObject({
    code: 'DATABASE_FAILED',
    message: expect.stringMatching(/[1-9]\d* keys were restored before it; run it again with --replace.*OOM/s),
  });
  await to.client.config('SET', 'maxmemory', '0');
  await vault.restore(record.id, into({ socket: to.socket }, { existing: 'replace' }));
  expect(await stateOf(to)).toEqual(before);
});

it('B8 what cannot be taken back is refused before anything is written', { timeout: 60_000 }, async () => {
  const from = await redis();
  await from.client.set('a', '1');
  await from.client.select(12);
  await from.client.set('b', '2');
  const record = await backup({ socket: from.socket });
  const small = await redis({ options: { databases: 4 } });
  expect(await failed(vault.restore(record.id, into({ socket: small.socket })))).toMatchObject({
    code: 'DATABASE_UNKNOWN',
    message: 'Redis has no database 12',
  });
  expect(await small.client.dbsize()).toBe(0);
  const replica = await redis();
  await replica.client.call('REPLICAOF', '127.0.0.1', String(small.port));
  expect(await failed(vault.restore(record.id, into({ socket: replica.socket })))).toMatchObject({
    code: 'DATABASE_FAILED',
    message: expect.stringContaining('replica'),
  });
  const locked = await redis();
  await locked.client.call('ACL', 'SETUSER', 'keeper', 'on', '>word', '+ping', '+info', '+select', '+exists', '+function', '~*');
  const keeper = { socket: locked.socket, user: 'keeper', password: 'word' };
  const error = await failed(vault.restore(record.id, into(keeper)));
  expect(error).toMatchObject({
    code: 'DATABASE_GRANTS',
    message: expect.stringMatching(/keeper lacks rights in Redis: \+restore; 0 keys were restored/),
  });
  await locked.client.call('ACL', 'SETUSER', 'keeper', '+restore');
  await vault.restore(record.id, into(keeper));
  expect(await locked.client.get('a')).toBe('1');
});

const instanceOf = (directory: string, port: number, more: Partial<InstanceTarget> = {}): InstanceTarget => ({
  kind: 'instance',
  engine: 'redis',
  method: 'logical',
  directory,
  port,
  logs: [],
  ...more,
});

/** By a task in a process of its own, which has ended then. */
async function started(record: string, target: InstanceTarget) {
  const { result } = await runTaskProcess({ type: 'restore', vault: vault.access, record, target, dryRun: false }, root);
  pids.push(result.instance!.pid);
  return result.instance!;
}

it('B9 a new instance holds what the backup holds, for whoever has its password, and goes on', { timeout: 120_000 }, async () => {
  const from = await redis();
  await fillRedis(from, 2e6);
  const before = await stateOf(from);
  const record = await backup({ socket: from.socket });
  const directory = join(root, 'new instance');
  const port = await freePort();
  const watch = watchProcesses();
  const instance = await started(record.id, instanceOf(directory, port));
  await pause(50);
  watch.stop();
  expect(instance).toMatchObject({ engine: 'redis', directory, port, socket: join(directory, 'redis.sock') });

  const about = JSON.parse(readFileSync(join(directory, 'stillpoint-instance.json'), 'utf8'));
  expect(about).toEqual({ format: 1, ...instance, startedAt: Number(startOf(instance.pid)), program: expect.stringMatching(/redis/) });
  const password = readFileSync(join(directory, 'password'), 'utf8').trim();
  for (const name of ['password', 'redis.conf', 'dump.rdb', 'redis.log', 'stillpoint-instance.json'])
    expect(statSync(join(directory, name)).mode & 0o077).toBe(0);
  expect(statSync(directory).mode & 0o077).toBe(0);
  expect([...watch.seen].flatMap(([text, where]) => findIn(new Map([['password', password]]), where, text))).toEqual([]);
  expect(instance.connect).toContain(`-p ${port}`);
  expect(instance.connect).not.toContain(password);

  const stranger = new Redis({ port, host: '127.0.0.1', retryStrategy: () => null });
  stranger.on('error', () => undefined);
  await expect(stranger.get('text')).rejects.toThrow(/NOAUTH/);
  stranger.disconnect();
  const client = new Redis({ port, host: '127.0.0.1', password });
  expect(await stateOf({ client })).toEqual(before);
  client.disconnect();
  await removeInstance(directory);
  expect(existsSync(directory)).toBe(false);
});

it('B9 a place that is taken is refused, and a server that does not start says why', { timeout: 60_000 }, async () => {
  const from = await redis();
  await from.client.set('a', 'b');
  const record = await backup({ socket: from.socket });
  const directory = join(root, 'new');
  const port = await freePort();
  const run = (target: InstanceTarget) => failed(vault.run({ type: 'restore', record: record.id, target, dryRun: false }));

  expect(await run(instanceOf(directory, from.port))).toMatchObject({ code: 'PORT_TAKEN' });
  expect(await run(instanceOf(directory, port, { until: { time: 1 } }))).toMatchObject({ code: 'USAGE' });
  expect(await run(instanceOf(directory, port, { logs: [record.id] }))).toMatchObject({ code: 'USAGE' });
  expect(existsSync(directory)).toBe(false);
  mkdirSync(directory);
  writeFileSync(join(directory, 'mine'), 'mine');
  expect(await run(instanceOf(directory, port))).toMatchObject({ code: 'DIRECTORY_NOT_EMPTY' });
  rmSync(join(directory, 'mine'));

  if (process.geteuid?.() === 0) {
    const hidden = join(root, 'hidden');
    mkdirSync(hidden, { mode: 0o700 });
    const error = await run(instanceOf(join(hidden, 'x'), port));
    expect(error).toMatchObject({ code: 'FILE_UNREADABLE', message: expect.stringContaining('the user redis') });
    expect(readdirSync(hidden)).toEqual([]);
  }
  expect(await run(instanceOf(directory, 65_536))).toMatchObject({ code: 'USAGE' });

  const programs = join(root, 'programs');
  mkdirSync(programs);
  /** Stands for the server: says its version, or ends with words. */
  const server = (version: string) =>
    writeFileSync(
      join(programs, 'redis-server'),
      `#!/bin/sh\n[ "$1" = --version ] && echo "Redis server v=${version} x" || { echo boom; exit 1; }\n`,
      { mode: 0o755 },
    );
  const usual = process.env['PATH'];
  try {
    process.env['PATH'] = programs;
    expect(await run(instanceOf(directory, port))).toMatchObject({ code: 'TOOL_MISSING', hint: expect.stringContaining('redis-server') });
    process.env['PATH'] = `${programs}:${usual}`;
    server('6.2.14');
    expect(await run(instanceOf(directory, port))).toMatchObject({ code: 'TOOL_VERSION', message: expect.stringContaining('6.2.14') });
    expect(readdirSync(directory)).toEqual([]);
    server('7.0.15');
    expect(await run(instanceOf(directory, port))).toMatchObject({ code: 'INSTANCE_FAILED', message: expect.stringContaining('boom') });
  } finally {
    process.env['PATH'] = usual;
  }
});

it('B9 a disk that is too small is told as full, and no server is started', { timeout: 60_000 }, async () => {
  const from = await redis();
  await from.client.set('large', randomBytes(8e6));
  const record = await backup({ socket: from.socket });
  const disk = await smallDisk(4e6);
  try {
    const target = instanceOf(disk.path, await freePort());
    expect(await failed(vault.run({ type: 'restore', record: record.id, target, dryRun: false }))).toMatchObject({ code: 'TARGET_FULL' });
    expect(
      processes().filter(({ words }) => words.join(' ').includes(`:${target.port}`) || words.includes(join(disk.path, 'redis.conf'))),
    ).toEqual([]);
  } finally {
    await disk.remove();
  }
});
