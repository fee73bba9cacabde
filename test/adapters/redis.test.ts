// Redis as a source: real servers, real backups.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StillpointError } from '../../src/base/errors.ts';
import type { RedisTarget, ServerAddress } from '../../src/model/service.ts';
import { freePort } from '../beds/programs.ts';
import { type RedisOptions, type RedisServer, startRedis } from '../beds/redis.ts';
import { fillRedis, stateOf } from '../beds/redis-data.ts';
import { findIn, watchProcesses } from '../beds/secret-watch.ts';
import { selfSigned } from '../beds/self-signed.ts';
import { full } from '../beds/task-runner.ts';
import { testVault, type Vault } from '../beds/vault.ts';

let root: string;
let vault: Vault;
const servers: RedisServer[] = [];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'redis-'));
  vault = testVault(join(root, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server.kill();
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

const bigKey = (full ? 100 : 10) * 1e6;

it.each(['yes', 'no'])(
  'S8 B8 every kind of value comes back, in every database, with its expiry (repl-diskless-sync %s)',
  { timeout: 120_000 },
  async (diskless) => {
    const from = await redis({ options: { 'repl-diskless-sync': diskless } });
    await fillRedis(from, bigKey);
    const record = await backup({ socket: from.socket });
    const before = await stateOf(from);
    const about = JSON.parse((await vault.cat(record.id, '/redis/backup.json')).toString());
    expect(about).toMatchObject({
      format: 1,
      version: expect.stringMatching(/^7\./),
      diskless: diskless === 'yes',
      functions: 1,
      databases: 16,
    });
    expect(about.keys['15']).toEqual({ keys: 2, expiring: 0 });
    expect(record.tags.consistency).toBe('application');
    expect(vault.warnings).toEqual([]);
    const to = await redis();
    const counts = await vault.restore(record.id, into({ port: to.port }));
    expect(counts.files).toBe(before.size - 1);
    expect(await stateOf(to)).toEqual(before);
    // No replica stays behind, and no file on the server's disk where it need not make one.
    expect(await from.client.info('replication')).toContain('connected_slaves:0');
    expect(from.log().includes('BGSAVE for replication') && existsSync(join(from.dir, 'dump.rdb'))).toBe(false);
  },
);

it('S8 a server that waits for more replicas before it forks, as it does unless told otherwise, is waited for', async () => {
  const from = await redis({ options: { 'repl-diskless-sync-delay': 2 } });
  await from.client.set('a', '1');
  const record = await backup({ socket: from.socket });
  expect((await vault.cat(record.id, '/redis/dump.rdb')).subarray(0, 5).toString()).toBe('REDIS');
});

/** Amounts that only ever move from one key to another; all that one command or transaction does belongs together. */
async function underLoad<T>({ client }: RedisServer, accounts: number, work: () => Promise<T>): Promise<T> {
  let going = true;
  const writer = client.duplicate();
  writer.on('error', () => undefined);
  const write = async () => {
    const any = () => `account:${Math.floor(Math.random() * accounts)}`;
    while (going) {
      const many = writer.multi();
      for (let i = 0; i < 20; i++) many.decrby(any(), 7).incrby(any(), 7);
      await many.exec();
    }
  };
  const writing = write();
  try {
    return await work();
  } finally {
    going = false;
    await writing.catch(() => undefined);
    writer.disconnect();
  }
}

const amountsOf = async ({ client }: RedisServer, accounts: number): Promise<number[]> =>
  (await client.mget(Array.from({ length: accounts }, (_, i) => `account:${i}`))).map(Number);
const sum = (amounts: readonly number[]): number => amounts.reduce((all, amount) => all + amount, 0);

it('S8 a backup under load is one moment: amounts that move between keys keep their sum', { timeout: 120_000 }, async () => {
  const accounts = 1000;
  const from = await redis();
  const pipeline = from.client.pipeline();
  for (let i = 0; i < accounts; i++) pipeline.set(`account:${i}`, 1000);
  await pipeline.exec();
  const control = await redis();
  const record = await underLoad(from, accounts, async () => {
    const made = await backup({ socket: from.socket });
    // The negative control: what reading key by key makes of the same load.
    for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
      const [next, keys] = await from.client.scan(cursor, 'COUNT', 50);
      for (const key of keys) await control.client.restore(key, 0, (await from.client.dumpBuffer(key))!, 'REPLACE');
      cursor = next;
    }
    return made;
  });
  const to = await redis();
  await vault.restore(record.id, into({ socket: to.socket }));
  const restored = await amountsOf(to, accounts);
  expect(sum(restored)).toBe(accounts * 1000);
  expect(restored.filter((amount) => amount !== 1000).length).toBeGreaterThan(accounts / 10);
  expect(sum(await amountsOf(control, accounts))).not.toBe(accounts * 1000);
});

const needed = ['+ping', '+info', '+replconf', '+psync'];

it('S8 an account with the rights that are asked for is enough; one less is named', { timeout: 60_000 }, async () => {
  const from = await redis();
  await from.client.set('a', 'b');
  const account = { socket: from.socket, user: 'saver', password: 'pass word" \'é' };
  const grant = (rights: readonly string[]) =>
    from.client.call('ACL', 'SETUSER', 'saver', 'reset', 'on', `>${account.password}`, ...rights);
  await grant(needed);
  await expect(backup(account)).resolves.toBeDefined();
  for (const right of needed) {
    await grant(needed.filter((one) => one !== right));
    const error = await backup(account).then(
      () => expect.unreachable(),
      (one: StillpointError) => one,
    );
    expect(error).toMatchObject({ code: 'DATABASE_GRANTS', message: `saver lacks rights in Redis: ${right}` });
    expect(error.hint).toContain(`ACL SETUSER saver ${needed.join(' ')}`);
  }
  expect(await vault.records()).toHaveLength(1);
});

it('S8 a wrong password, no password and a server that is down are told apart', { timeout: 60_000 }, async () => {
  const from = await redis({ password: 'the password' });
  const address = { port: from.port };
  await expect(backup({ ...address, password: 'another one' })).rejects.toMatchObject({
    code: 'DATABASE_LOGIN',
    message: expect.not.stringContaining('another one'),
  });
  await expect(backup(address)).rejects.toMatchObject({ code: 'DATABASE_LOGIN' });
  await expect(backup({ ...address, password: 'the password' })).resolves.toBeDefined();
  const open = await redis();
  await expect(backup({ port: open.port, password: 'not asked for' })).rejects.toMatchObject({ code: 'DATABASE_LOGIN' });
  await from.kill();
  await expect(backup({ ...address, password: 'the password' })).rejects.toMatchObject({ code: 'DATABASE_DOWN' });
  await expect(backup({ socket: from.socket })).rejects.toMatchObject({ code: 'DATABASE_DOWN' });
  await expect(backup({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'USAGE' });
});

it('S8 B8 over TLS the server proves itself by the given certificates, or gets no password', { timeout: 60_000 }, async () => {
  const own = selfSigned();
  const from = await redis({ tls: own, password: 'the password' });
  await from.client.set('a', 'b');
  const ca = join(root, 'ca.pem');
  writeFileSync(ca, own.cert);
  const strange = join(root, 'strange.pem');
  writeFileSync(strange, selfSigned().cert);
  const address = { host: '127.0.0.1', port: from.tlsPort, password: 'the password' };
  const record = await backup({ ...address, ca });
  await expect(backup({ ...address, ca: strange })).rejects.toMatchObject({
    code: 'DATABASE_FAILED',
    message: expect.stringContaining('prove itself'),
  });
  await from.client.flushall();
  await vault.restore(record.id, into({ ...address, ca }));
  expect(await from.client.get('a')).toBe('b');
});

it('S8 a server that dies in the middle of its copy leaves no backup', { timeout: 60_000 }, async () => {
  // Each key takes its time: a setting that Redis has for its own tests.
  const from = await redis({ options: { 'rdb-key-save-delay': 2000 } });
  const pipeline = from.client.pipeline();
  for (let i = 0; i < 3000; i++) pipeline.set(`key ${i}`, randomBytes(2000));
  await pipeline.exec();
  const made = backup({ socket: from.socket });
  made.catch(() => undefined);
  while (!/Background RDB transfer started/.test(from.log())) await pause(20);
  await pause(500);
  await from.kill();
  await expect(made).rejects.toMatchObject({ code: 'DATABASE_DOWN' });
  expect(await vault.records()).toEqual([]);
});

it('S8 a second backup of unchanged data adds little', { timeout: 120_000 }, async () => {
  const from = await redis();
  await fillRedis(from, 12e6);
  const first = await backup({ socket: from.socket });
  const second = await backup({ socket: from.socket });
  expect(first.summary!.dataAdded).toBeGreaterThan(12e6);
  // What the server notes at the beginning (when, how much memory) is in the first block; keys it has in the same order.
  expect(second.summary!.dataAdded).toBeLessThan(3e6);
});

it('S8 B8 the password is on no command line, in no environment and not in the vault', { timeout: 60_000 }, async () => {
  const password = 'secret-of-redis-8431';
  const from = await redis({ password });
  await from.client.set('a', 'b');
  const watch = watchProcesses();
  const access = { socket: from.socket, password };
  const { id } = await backup(access);
  await vault.restore(id, into(access, { existing: 'replace' }));
  watch.stop();
  const secrets = new Map([['password', password]]);
  expect([...watch.seen].flatMap(([text, where]) => findIn(secrets, where, text))).toEqual([]);
  expect(findIn(secrets, 'the backup', await vault.cat(id, '/redis/backup.json'))).toEqual([]);
});

it('S8 a replica without its master says so, and a node of a cluster that it has its own slots only', { timeout: 60_000 }, async () => {
  const lost = await redis();
  await lost.client.call('REPLICAOF', '127.0.0.1', String(await freePort()));
  await expect(backup({ socket: lost.socket })).rejects.toMatchObject({
    code: 'DATABASE_BUSY',
    message: expect.stringContaining('NOMASTERLINK'),
  });
  const node = await redis({ options: { 'cluster-enabled': 'yes' } });
  vault.warnings.length = 0;
  await backup({ socket: node.socket });
  expect(vault.warnings).toMatchObject([{ detail: expect.stringContaining('its own slots only') }]);
});
