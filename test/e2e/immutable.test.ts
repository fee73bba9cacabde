// Immutable vaults against somebody who has the agent's own keys, on a real object store with Object Lock.
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { runStandalone } from '../../src/agent/run-standalone.ts';
import type { TaskResult, TaskSpec, VaultAccess } from '../../src/model/task.ts';
import type { Backup, Pool, Task, Vault } from '../../src/rpc/schemas.ts';
import { type LockedBucket, lockedBucket } from '../beds/locked-bucket.ts';
import { type Radosgw, startRadosgw } from '../beds/radosgw.ts';
import { restic } from '../beds/restic.ts';
import { backupTask, filesOf, intoFolder } from '../beds/vault.ts';
import { newHome, type RunningAgent, removeHome, startAgent } from './agent-bench.ts';
import { agentcliScript, runFor } from './cli-run.ts';

const recoveryKey = 'K7QX-TEST-TEST-TEST';
const seconds = (n: number) => n / 86_400;
const day = 86_400_000;

let top: string;
let tree: string;
let store: Radosgw;

beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), 'immutable-'));
  tree = join(top, 'tree');
  mkdirSync(join(tree, 'sub'), { recursive: true });
  mkdirSync(join(top, 'home', 'tmp'), { recursive: true });
  vi.stubEnv('AGENT_HOME', join(top, 'home'));
  writeFileSync(join(tree, 'large'), randomBytes(3_000_000));
  writeFileSync(join(tree, 'sub', 'small'), 'a small one');
  store = await startRadosgw();
  writeFileSync(join(top, 's3.keys'), `access_key=${store.accessKey}\nsecret_key=${store.secretKey}\n`, { mode: 0o600 });
  writeFileSync(join(top, 'main.key'), `${recoveryKey}\n`, { mode: 0o600 });
}, 240_000);

afterAll(async () => {
  vi.unstubAllEnvs();
  await store?.stop();
  rmSync(top, { recursive: true, force: true });
});

type Asked = TaskSpec extends infer T ? (T extends unknown ? Omit<T, 'vault'> : never) : never;

/** A vault in the bucket, made, with the tasks of an agent that has its keys. */
async function makeVault(bucket: LockedBucket, immutableDays: number) {
  const pool = { ...bucket.pool, id: 'pool-of-the-test' };
  const access: VaultAccess = { pool, path: 'main/agent', password: 'the password of the agent', immutableDays };
  const handlers = { onEvent: () => undefined, out: new PassThrough().resume(), signal: new AbortController().signal };
  const task = (spec: TaskSpec) => runStandalone(spec, handlers);
  const run = (spec: Asked, more: Partial<VaultAccess> = {}): Promise<TaskResult> =>
    task({ ...spec, vault: { ...access, ...more } } as TaskSpec);
  await task({ type: 'probe', pool, create: false, bind: true });
  await run({ type: 'vault-create', recoveryKey });
  return {
    access,
    run,
    location: `s3:${store.endpoint}/${bucket.pool.place.type === 's3' ? bucket.pool.place.bucket : ''}/main/agent`,
    backUp: async (more: Partial<VaultAccess> = {}) => (await run(backupTask(filesOf(tree)), more)).record!,
    restore: async (record: string) => {
      const into = mkdtempSync(join(top, 'restored-'));
      await run({ type: 'restore', record, target: intoFolder(into), dryRun: false });
      return contents(join(into, tree));
    },
  };
}

function contents(folder: string): Readonly<Record<string, string>> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ parentPath, name }) => [join(parentPath, name).slice(folder.length), readFileSync(join(parentPath, name), 'base64')]),
  );
}

const standalone = (...words: readonly string[]) =>
  runFor({ home: join(top, 'home'), layout: { run: join(top, 'home', 'run') } } as RunningAgent, top, [
    agentcliScript,
    'recover',
    ...words,
    '--credentials-file',
    join(top, 's3.keys'),
    '--recovery-key-file',
    join(top, 'main.key'),
  ]);

it('P8 with the agent’s own keys nobody can destroy a backup: it is read as it was, and the vault is brought back', async () => {
  const bucket = await lockedBucket(store);
  const vault = await makeVault(bucket, 1);
  await vault.backUp();
  writeFileSync(join(tree, 'sub', 'second'), randomBytes(200_000));
  const second = await vault.backUp();
  const then = new Date(Date.now() + 1000);
  const expected = contents(tree);
  await sleep(2000);

  await bucket.attack();
  await expect(vault.run({ type: 'vault-scan' })).rejects.toMatchObject({ code: 'POOL_MARKER_MISSING' });
  expect((await standalone('list', vault.location)).code).not.toBe(0);

  // With nothing but the keys, on a host without an agent.
  const at = ['--at', then.toISOString()];
  const { out, err, code } = await standalone('list', vault.location, ...at, '--json');
  expect(err).toBe('');
  expect(code).toBe(0);
  expect((JSON.parse(out) as { total: number }).total).toBe(2);
  const target = join(top, 'from-past');
  const restored = await standalone('restore', vault.location, second.id.slice(0, 8), '--target', target, '--yes', ...at);
  expect(restored, restored.err).toMatchObject({ code: 0 });
  expect(contents(join(target, tree))).toEqual(expected);

  const plan = await vault.run({ type: 'vault-recover', at: then.getTime(), dryRun: true });
  expect(plan.records).toHaveLength(2);
  expect(plan.recovered).toMatchObject({ hidden: 0, kept: 0, dryRun: true });
  const done = await vault.run({ type: 'vault-recover', at: then.getTime(), dryRun: false });
  expect(done.recovered).toEqual({ ...plan.recovered, dryRun: false });
  expect((await vault.run({ type: 'vault-scan' })).records).toHaveLength(2);
  expect(await vault.restore(second.id)).toEqual(expected);
  const stock = restic('restic', vault.location, recoveryKey, top);
  const keys = { AWS_ACCESS_KEY_ID: store.accessKey, AWS_SECRET_ACCESS_KEY: store.secretKey };
  expect(await stock.with(keys, 'check', '--read-data')).toContain('no errors were found');
  const after = await vault.backUp(); // and it goes on
  expect(await vault.restore(after.id)).toEqual(expected);
  bucket.close();
}, 120_000);

it('P8 the same attack destroys an ordinary vault', async () => {
  const bucket = await lockedBucket(store, false);
  const vault = await makeVault(bucket, 0);
  await vault.backUp();
  const then = Date.now() + 1000;
  await sleep(2000);
  await bucket.attack();
  for (const versions of (await bucket.versions()).values()) expect(versions).toHaveLength(1); // rubbish
  await expect(vault.run({ type: 'vault-recover', at: then, dryRun: true })).rejects.toMatchObject({ code: 'REPO_NOT_FOUND' });
  bucket.close();
}, 120_000);

it('P8 a backup that relies on old data extends its locks before it exists, and on nothing else’s; overwritten data is not relied upon', async () => {
  const bucket = await lockedBucket(store);
  const vault = await makeVault(bucket, 1);
  await vault.backUp();
  writeFileSync(join(tree, 'only-once'), randomBytes(3_000_000));
  await vault.backUp();
  const first = [...(await bucket.versions()).keys()];
  rmSync(join(tree, 'only-once'));
  await vault.backUp({ immutableDays: 4 });
  const rest = await Promise.all(first.map(async (key) => ({ key, days: ((await bucket.lockedUntil(key)) - Date.now()) / day })));
  const lasting = (kind: string) => rest.filter(({ key }) => key.includes(`/agent/${kind}`)).map(({ days }) => days);
  for (const kind of ['config', 'keys/', 'index/']) {
    expect(lasting(kind).length).toBeGreaterThan(0);
    for (const days of lasting(kind)) expect(days).toBeGreaterThan(5);
  }
  const packs = lasting('data/');
  expect(packs.filter((days) => days > 5).length).toBeGreaterThan(0);
  expect(packs.filter((days) => days < 1.5 && days > 1).length).toBeGreaterThan(0);
  expect([...(await bucket.versions()).keys()].filter((key) => key.includes('/locks/'))).toEqual([]);

  const used = rest.find(({ key, days }) => key.includes('/data/') && days > 5)!.key;
  const { PutObjectCommand } = await import('@aws-sdk/client-s3');
  const place = bucket.pool.place.type === 's3' ? bucket.pool.place.bucket : '';
  await bucket.client.send(new PutObjectCommand({ Bucket: place, Key: used, Body: Buffer.from('rubbish') }));
  await expect(vault.backUp({ immutableDays: 4 })).rejects.toMatchObject({ code: 'REPO_DAMAGED' });
  bucket.close();
}, 120_000);

it('P8 forget, prune and delete leave locked data alone and take it when its time has come', async () => {
  const bucket = await lockedBucket(store);
  const vault = await makeVault(bucket, seconds(18));
  writeFileSync(join(tree, 'only-once'), randomBytes(3_000_000));
  const old = await vault.backUp();
  rmSync(join(tree, 'only-once'));
  await vault.backUp();
  const begun = Date.now();
  await expect(vault.run({ type: 'forget', records: [old.id] })).rejects.toMatchObject({ code: 'VAULT_IMMUTABLE' });
  expect(await vault.run({ type: 'forget', records: [old.id], expire: true, now: Date.now() })).toMatchObject({ kept: [old.id] });
  await expect(vault.run({ type: 'vault-delete' })).rejects.toMatchObject({ code: 'VAULT_IMMUTABLE' });
  expect((await vault.run({ type: 'vault-scan' })).records).toHaveLength(2);

  await sleep(18_500 - (Date.now() - begun));
  await vault.run({ type: 'forget', records: [old.id] });
  const prune = () => vault.run({ type: 'prune', dryRun: false, maxUnusedPercent: 0 });
  const early = (await prune()).prune!;
  expect(early.packsLocked).toBeGreaterThan(0);
  expect(early).toMatchObject({ packsRemoved: 0, bytesFreed: 0 });

  await sleep(26_000 - (Date.now() - begun));
  const late = (await prune()).prune!;
  expect(late.packsRemoved + late.packsRepacked).toBeGreaterThan(0);
  expect(late.bytesFreed).toBeGreaterThan(2_900_000);
  const check = (await vault.run({ type: 'check', readData: true })).check!;
  expect(check.errors).toEqual([]);
  bucket.close();
}, 120_000);

it('P8 a vault is created immutable on a bucket that can lock, and nowhere else; a locked backup cannot be deleted', async () => {
  const home = newHome();
  const agent: RunningAgent = await startAgent(home, {
    AGENT_TASK_SCRIPT: fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url)),
  });
  const cli = (...words: readonly string[]) => runFor(agent, top, [agentcliScript, ...words, '--json']);
  const json = async <T>(...words: readonly string[]): Promise<T> => {
    const { code, out, err } = await cli(...words);
    expect(err).toBe('');
    expect(code).toBe(0);
    return JSON.parse(out) as T;
  };
  try {
    const place = ['--type', 's3', '--endpoint', store.endpoint, '--credentials-file', join(top, 's3.keys')];
    await json<Pool>('pool', 'bind', 'locking', ...place, '--bucket', 'made-by-bind', '--create', '--object-lock');
    await json<Pool>('pool', 'bind', 'plain', ...place, '--bucket', 'plain', '--create');
    await json<Pool>('pool', 'bind', 'disk', '--type', 'local', '--path', join(top, 'disk'), '--create');
    const create = (name: string, pool: string) =>
      cli('vault', 'create', name, '--pool', pool, '--immutable', '2', '--recovery-key-file', join(top, `${name}.key`));
    for (const pool of ['plain', 'disk']) expect((await create(`on-${pool}`, pool)).err).toContain('POOL_NO_OBJECT_LOCK');
    expect(await create('kept', 'locking')).toMatchObject({ code: 0 });
    expect(await json<Vault>('vault', 'show', 'kept')).toMatchObject({ immutableDays: 2 });

    const source = join(top, 'source');
    cpSync(tree, source, { recursive: true });
    await json('plan', 'create', 'daily', '--source', 'files', '--path', source, '--vault', 'kept');
    const task = await json<Task>('backup', 'run', 'daily', '--wait');
    const backup = await json<Backup>('backup', 'show', task.backupId!);
    const refused = await cli('backup', 'delete', backup.id, '--now', '--yes', '--wait');
    expect(refused.code, refused.out + refused.err).not.toBe(0);
    expect(refused.out + refused.err).toContain('VAULT_IMMUTABLE');
    expect(readdirSync(join(home, 'tmp')).filter((name) => name.startsWith('locked-'))).toHaveLength(1);
  } finally {
    await agent.stop();
    removeHome(home);
  }
}, 120_000);
