// The adapter's side of immutable vaults, on a real object store.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { localPool } from '../../src/backends/local-pool.ts';
import { bindPool, openBackend, probePool, recoverVault } from '../../src/backends/open.ts';
import type { OpenDeps, Providers, VaultAccess } from '../../src/backends/provider.ts';
import { s3Pool } from '../../src/backends/s3-pool.ts';
import type { S3Place } from '../../src/model/pool.ts';
import type { Backend, FileKind } from '../../src/ports/backend.ts';
import { type LockedBucket, lockedBucket } from '../beds/locked-bucket.ts';
import { type Radosgw, startRadosgw } from '../beds/radosgw.ts';
import { listed, nameOf } from '../contract/backend.ts';

const providers: Providers = { local: async () => localPool, s3: async () => s3Pool };
const signal = new AbortController().signal;
const seconds = (n: number) => n / 86_400;
const kinds = ['config', 'keys', 'snapshots', 'index', 'data'] as const satisfies readonly FileKind[];

let store: Radosgw;
let memory: string;

beforeAll(async () => {
  store = await startRadosgw();
  memory = mkdtempSync(join(tmpdir(), 'locks-'));
}, 60_000);
afterAll(async () => {
  await store?.stop();
  rmSync(memory, { recursive: true, force: true });
});

const vaultIn = (bucket: LockedBucket, more: Partial<VaultAccess> = {}): VaultAccess => ({
  pool: bucket.pool,
  path: 'vault/agent',
  ...more,
});
const open = (vault: VaultAccess, deps: OpenDeps = {}) => openBackend(providers, vault, { patience: { maxElapsed: 2000 }, ...deps });

async function fill(backend: Backend) {
  const files = new Map<FileKind, { readonly name: string; readonly bytes: Buffer }>();
  for (const kind of kinds) {
    const bytes = randomBytes(3000);
    const name = kind === 'config' ? 'config' : nameOf(bytes);
    await backend.save(kind, name, bytes);
    files.set(kind, { name, bytes });
  }
  return files;
}

describe('P8 Object Lock', () => {
  test('P8 everything but locks is saved locked in compliance mode; nothing removes it before its time, and afterwards it goes whole', async () => {
    const bucket = await lockedBucket(store);
    const backend = await open(vaultIn(bucket, { immutableDays: seconds(6) }));
    const before = Date.now();
    const files = await fill(backend);
    const lock = randomBytes(100);
    await backend.save('locks', nameOf(lock), lock);
    for (const [kind, { name }] of files) {
      const key = `vault/agent/${kind === 'config' ? '' : `${kind}/`}${kind === 'data' ? `${name.slice(0, 2)}/` : ''}${name}`;
      expect(await bucket.lockedUntil(key), kind).toBeGreaterThanOrEqual(before + 5000);
      await expect(backend.remove(kind, name), kind).rejects.toMatchObject({ code: 'VAULT_IMMUTABLE' });
      expect(await backend.locking!.lockedUntil(kind, name)).toBeGreaterThan(before);
    }
    expect(await bucket.lockedUntil(`vault/agent/locks/${nameOf(lock)}`)).toBe(0);
    await backend.remove('locks', nameOf(lock));
    await backend.locking!.hide('index', files.get('index')!.name);
    expect(await listed(backend, 'index')).toEqual([]);
    expect(await backend.locking!.sweep(signal)).toBe(0);
    expect((await bucket.versions()).size).toBe(5); // the lock is gone to its last version, what is hidden is not

    await sleep(9500);
    expect(await backend.locking!.sweep(signal)).toBe(2);
    for (const [kind, { name }] of files) await backend.remove(kind, name);
    expect(await bucket.versions()).toEqual(new Map());
    await backend.close();
    bucket.close();
  }, 60_000);

  test('P8 what is in use is extended once in a while, first versions too; what somebody overwrote or deleted is named', async () => {
    const bucket = await lockedBucket(store);
    const access = vaultIn(bucket, { immutableDays: seconds(60) });
    const backend = await open(access, { lockMemory: memory });
    const first = randomBytes(2000);
    const second = randomBytes(2000);
    const third = randomBytes(2000);
    for (const bytes of [first, second, third]) await backend.save('data', nameOf(bytes), bytes);
    const all = () => true;
    expect(await backend.locking!.extend('data', all, signal)).toEqual({ extended: 0, hurt: [] });
    await backend.close();

    // A vault with a longer time relies on them: each is extended, and the next task knows without asking.
    const longer = await open({ ...access, immutableDays: seconds(600) }, { lockMemory: memory });
    expect(await longer.locking!.extend('data', (name) => name !== nameOf(third), signal)).toEqual({ extended: 2, hurt: [] });
    const key = (bytes: Buffer) => `vault/agent/data/${nameOf(bytes).slice(0, 2)}/${nameOf(bytes)}`;
    expect(await bucket.lockedUntil(key(first))).toBeGreaterThan(Date.now() + 700_000);
    expect(await bucket.lockedUntil(key(third))).toBeLessThan(Date.now() + 90_000);
    await longer.close();

    const raw = await open(vaultIn(bucket));
    await raw.save('data', nameOf(first), Buffer.from('rubbish'));
    await raw.save('data', nameOf(second), second); // an upload whose answer got lost
    await raw.remove('data', nameOf(third));
    await raw.close();
    const again = await open({ ...access, immutableDays: seconds(6000) }, { lockMemory: memory });
    const report = await again.locking!.extend('data', all, signal);
    expect(report.extended).toBe(5);
    expect([...report.hurt].sort()).toEqual([nameOf(first), nameOf(third)].sort());
    for (const [versionKey, versions] of await bucket.versions())
      for (const version of versions) expect(await bucket.lockedUntil(versionKey, version)).toBeGreaterThan(Date.now() + 7_000_000);
    await again.close();
    bucket.close();
  }, 60_000);

  test('P8 with the agent’s own keys nothing locked is destroyed: it is read as it was, and brought back', async () => {
    const bucket = await lockedBucket(store);
    const access = vaultIn(bucket, { immutableDays: seconds(3600) });
    await bindPool(providers, bucket.pool, 'pool-1', false);
    const backend = await open(access);
    const files = await fill(backend);
    await backend.close();
    await sleep(1100);
    const then = Date.now();
    await sleep(1100);
    const refused = await bucket.attack();
    expect(refused.get('versioning')).toBe(1);
    expect(refused.get('shorten COMPLIANCE')).toBeGreaterThanOrEqual(5);
    expect(refused.get('shorten GOVERNANCE')).toBeGreaterThanOrEqual(5);
    expect(refused.get('delete version')).toBeGreaterThanOrEqual(5);

    const pool = { ...bucket.pool, id: 'pool-1' };
    const past = await open({ ...access, pool, at: then });
    for (const [kind, { name, bytes }] of files) {
      expect(await listed(past, kind)).toEqual([{ name, size: 3000 }]);
      expect(await past.load(kind, name)).toEqual(bytes);
      expect(await past.load(kind, name, { offset: 10, length: 20 })).toEqual(bytes.subarray(10, 30));
      await expect(past.save(kind, name, bytes)).rejects.toMatchObject({ code: 'POOL_NO_RIGHT' });
      await expect(past.remove(kind, name)).rejects.toMatchObject({ code: 'POOL_NO_RIGHT' });
    }
    const stray = randomBytes(50);
    await expect(past.load('index', nameOf(stray))).rejects.toMatchObject({ code: 'BACKEND_NOT_FOUND' });
    await past.close();

    const raw = await open(vaultIn(bucket));
    await raw.save('index', nameOf(stray), stray);
    await raw.close();
    const recovery = { at: then, signal, onProgress: () => undefined };
    const plan = await recoverVault(providers, { ...access, pool }, { ...recovery, dryRun: true }, {});
    expect(plan).toEqual({ putBack: 5, bytes: 15_000, hidden: 1, kept: 0, dryRun: true });
    await expect(open({ ...access, pool })).rejects.toMatchObject({ code: 'POOL_MARKER_MISSING' });
    expect(await recoverVault(providers, { ...access, pool }, { ...recovery, dryRun: false }, {})).toEqual({ ...plan, dryRun: false });
    const back = await open({ ...access, pool });
    for (const [kind, { name, bytes }] of files) {
      expect(await listed(back, kind)).toEqual([{ name, size: 3000 }]);
      expect(await back.load(kind, name)).toEqual(bytes);
      await expect(back.remove(kind, name)).rejects.toMatchObject({ code: 'VAULT_IMMUTABLE' });
    }
    await back.close();
    expect(await recoverVault(providers, { ...access, pool }, { ...recovery, dryRun: false }, {})).toMatchObject({ putBack: 0, kept: 5 });
    bucket.close();
  }, 60_000);

  test('P8 keys that may not remove versions do for everything but giving space back', async () => {
    const bucket = await lockedBucket(store);
    const { accessKey, secretKey } = await store.addUser('hides-only');
    const place = bucket.pool.place as S3Place;
    const Principal = { AWS: ['arn:aws:iam:::user/hides-only'] };
    const Resource = [`arn:aws:s3:::${place.bucket}`, `arn:aws:s3:::${place.bucket}/*`];
    const Statement = [
      { Effect: 'Allow', Principal, Resource, Action: ['s3:*'] },
      { Effect: 'Deny', Principal, Resource, Action: ['s3:DeleteObjectVersion'] },
    ];
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    await bucket.client.send(new PutBucketPolicyCommand({ Bucket: place.bucket, Policy }));
    const pool = { ...bucket.pool, credentials: { accessKey, secretKey }, objectLock: true };
    const { steps } = await probePool(providers, pool, true);
    expect(steps.filter(({ ok }) => !ok)).toEqual([]);
    const backend = await open({ pool, path: 'vault/agent', immutableDays: seconds(600) });
    const lock = randomBytes(100);
    await backend.save('locks', nameOf(lock), lock);
    await backend.remove('locks', nameOf(lock));
    expect(await listed(backend, 'locks')).toEqual([]);
    await backend.save('data', nameOf(lock), lock);
    expect(await backend.locking!.extend('data', () => true, signal)).toEqual({ extended: 0, hurt: [] });
    await backend.close();
    bucket.close();
  }, 60_000);

  test('P8 a bucket without Object Lock, and a directory, are refused; one that is made for it has it', async () => {
    const plain = await lockedBucket(store, false);
    await expect(open(vaultIn(plain, { immutableDays: 1 }))).rejects.toMatchObject({ code: 'POOL_NO_OBJECT_LOCK' });
    await expect(bindPool(providers, { ...plain.pool, objectLock: true }, 'x', true)).rejects.toMatchObject({
      code: 'POOL_NO_OBJECT_LOCK',
    });
    const place = { ...plain.pool.place, bucket: 'made-with-lock' };
    await bindPool(providers, { ...plain.pool, place, objectLock: true } as LockedBucket['pool'], 'x', true);
    await (await open({ ...vaultIn(plain), pool: { ...plain.pool, place } as LockedBucket['pool'], immutableDays: 1 })).close();
    const directory: VaultAccess = { pool: { place: { type: 'local', path: memory }, bandwidth: 0 }, path: 'a/b', immutableDays: 1 };
    await expect(open(directory)).rejects.toMatchObject({ code: 'POOL_NO_OBJECT_LOCK' });
    plain.close();
  });
});
