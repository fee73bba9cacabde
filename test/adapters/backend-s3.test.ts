import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutBucketPolicyCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { localPool } from '../../src/backends/local-pool.ts';
import { bindPool, openBackend, poolMarker, probePool } from '../../src/backends/open.ts';
import type { OpenDeps, PoolDoor, Providers } from '../../src/backends/provider.ts';
import { s3Pool } from '../../src/backends/s3-pool.ts';
import type { S3Place } from '../../src/model/pool.ts';
import { connectS3 } from '../../src/s3/client.ts';
import { startBadProxy } from '../beds/bad-proxy.ts';
import { run } from '../beds/programs.ts';
import { type Radosgw, startRadosgw } from '../beds/radosgw.ts';
import { type DoorChanges, doorTo, newBucketIn } from '../beds/s3-door.ts';
import { selfSigned } from '../beds/self-signed.ts';
import { backendContract, listed, nameOf } from '../contract/backend.ts';

const providers: Providers = { local: async () => localPool, s3: async () => s3Pool };
let store: Radosgw;

beforeAll(async () => {
  store = await startRadosgw();
});
afterAll(async () => {
  await store?.stop();
});

const door = (changes: DoorChanges) => doorTo(store, changes);
const newBucket = () => newBucketIn(store);
const open = (pool: PoolDoor, deps: OpenDeps = {}) => openBackend(providers, { pool, path: 'vault/agent' }, deps);

const bytes = randomBytes(200_000);
const name = nameOf(bytes);

backendContract('s3', async () => {
  const backend = await open(door({ bucket: await newBucket() }));
  return { backend, cleanup: () => backend.close() };
});

describe('P1 a pool that is a bucket', () => {
  test('P1 restic writes a repository at our location, and we find its files by name and content', async () => {
    const bucket = await newBucket();
    const folder = await mkdtemp(join(tmpdir(), 'restic-'));
    await writeFile(join(folder, 'file'), randomBytes(3_000_000));
    const backend = await open(door({ bucket }));
    expect(backend.location).toBe(`s3:${store.endpoint}/${bucket}/some/prefix/vault/agent`);
    const env = { AWS_ACCESS_KEY_ID: store.accessKey, AWS_SECRET_ACCESS_KEY: store.secretKey, RESTIC_PASSWORD: 'x' };
    const restic = (...args: string[]) => run('restic', ['-r', backend.location, '--no-cache', ...args], { env });
    await restic('init');
    await restic('backup', folder);
    await rm(folder, { recursive: true });

    expect((await listed(backend, 'config')).map((file) => file.name)).toEqual(['config']);
    let files = 0;
    for (const kind of ['keys', 'snapshots', 'index', 'data'] as const) {
      for (const file of await listed(backend, kind)) {
        const stored = await backend.load(kind, file.name);
        expect(nameOf(stored)).toBe(file.name);
        expect(stored.length).toBe(file.size);
        files++;
      }
    }
    expect(files).toBeGreaterThanOrEqual(5);
    const [snapshot] = await listed(backend, 'snapshots');
    await backend.remove('snapshots', snapshot!.name);
    expect(JSON.parse(await restic('snapshots', '--json'))).toEqual([]);
    await backend.close();
  });

  test('P1 binding marks the bucket below its prefix; opening another pool id or a place without a marker is refused', async () => {
    const bucket = await newBucket();
    await expect(open(door({ bucket, id: 'one' }))).rejects.toMatchObject({ code: 'POOL_MARKER_MISSING' });
    expect(await poolMarker(providers, door({ bucket }))).toBeUndefined();
    await bindPool(providers, door({ bucket }), 'one', false);
    await bindPool(providers, door({ bucket }), 'one', false);
    await expect(bindPool(providers, door({ bucket }), 'two', false)).rejects.toMatchObject({ code: 'POOL_MARKER_FOREIGN' });
    await expect(open(door({ bucket, id: 'two' }))).rejects.toMatchObject({ code: 'POOL_MARKER_FOREIGN' });
    expect(await poolMarker(providers, door({ bucket }))).toBe('one');
    expect((await probePool(providers, door({ bucket }), false)).poolId).toBe('one');
    expect(await poolMarker(providers, door({ bucket, prefix: '' }))).toBeUndefined();
    await (await open(door({ bucket, id: 'one' }))).close();
  });

  test('P1 of five agents that bind one bucket at a time exactly one wins', async () => {
    const bucket = await newBucket();
    const ids = [1, 2, 3, 4, 5].map((i) => `agent-${i}`);
    const results = await Promise.allSettled(ids.map((id) => bindPool(providers, door({ bucket }), id, false)));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    expect(results.filter((r) => r.status === 'rejected').map((r) => r.reason.code)).toEqual(Array(4).fill('POOL_MARKER_FOREIGN'));
  });

  test('P1 virtual-host addressing asks for the bucket by its host name', async () => {
    const bucket = await newBucket();
    const asked: string[] = [];
    const lookup = ((host: string, options: { all?: boolean }, done: (...args: unknown[]) => void) => {
      asked.push(host);
      done(null, ...(options.all ? [[{ address: '127.0.0.1', family: 4 }]] : ['127.0.0.1', 4]));
    }) as unknown as typeof import('node:dns').lookup;
    const place = { bucket, endpoint: `http://${store.dnsName}:${store.port}`, addressing: 'virtual-host' } as const;
    const backend = await open(door(place), { network: { lookup } });
    await backend.save('data', name, bytes);
    await backend.close();
    expect(new Set(asked)).toEqual(new Set([`${bucket}.${store.dnsName}`]));
    const byPath = await open(door({ bucket }));
    expect(await byPath.load('data', name)).toEqual(bytes);
    await byPath.close();
  });

  test('P1 an authority of the pool itself is trusted, an unknown one is named as the trouble', async () => {
    const tls = selfSigned();
    const secure = await startBadProxy(store.endpoint, tls);
    const bucket = await newBucket();
    const trusting = await open(door({ bucket, endpoint: secure.endpoint, caPem: tls.cert }));
    await trusting.save('data', name, bytes);
    expect(await trusting.load('data', name)).toEqual(bytes);
    await trusting.close();
    const wary = await open(door({ bucket, endpoint: secure.endpoint }));
    await expect(wary.save('data', name, bytes)).rejects.toMatchObject({ code: 'POOL_CERTIFICATE', retry: 'never' });
    await wary.close();
    await secure.stop();
  });

  test('P3 connections leave from the source address that is set', async () => {
    const seen: (string | undefined)[] = [];
    const { createServer } = await import('node:http');
    const server = createServer((request, response) => {
      seen.push(request.socket.remoteAddress);
      response.writeHead(404, { 'content-type': 'application/xml' }).end('<Error><Code>NoSuchKey</Code></Error>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    const backend = await open(door({ bucket: 'b', endpoint }), { network: { localAddress: '127.0.0.77' } });
    await expect(backend.load('data', name)).rejects.toMatchObject({ code: 'BACKEND_NOT_FOUND' });
    expect(seen).toEqual(['127.0.0.77']);
    await backend.close();
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('P1 what a bind check says', () => {
  test('P1 all rights, the pool clock, nothing left behind; a missing bucket is made only when asked', async () => {
    const bucket = 'dbs';
    await expect(probePool(providers, door({ bucket }), false)).rejects.toMatchObject({ code: 'POOL_NOT_FOUND' });
    const { steps, poolTime } = await probePool(providers, door({ bucket }), true);
    expect(steps.map(({ right, ok }) => `${right}:${ok}`)).toEqual(
      ['create', 'put', 'list', 'get', 'range', 'delete'].map((r) => `${r}:true`),
    );
    expect(Math.abs(poolTime! - Date.now())).toBeLessThan(5_000);
    expect(JSON.parse(await store.admin('bucket', 'list', `--bucket=${bucket}`))).toEqual([]);
    expect((await probePool(providers, door({ bucket }), true)).steps.every((step) => step.ok)).toBe(true);
  });

  test('P1 a key without one right: the probe names exactly that right', async () => {
    const bucket = await newBucket();
    const user = await store.addUser('second');
    const { client, close } = connectS3(door({ bucket }).place as S3Place, store);
    const rights = { put: 's3:PutObject', list: 's3:ListBucket', get: 's3:GetObject', delete: 's3:DeleteObject' };
    const missing: Record<string, string[]> = {};
    for (const right of Object.keys(rights) as (keyof typeof rights)[]) {
      const Principal = { AWS: ['arn:aws:iam:::user/second'] };
      const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
      const Statement = [
        { Effect: 'Allow', Principal, Resource, Action: Object.values(rights) },
        { Effect: 'Deny', Principal, Resource, Action: rights[right] },
      ];
      await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) }));
      const { steps } = await probePool(providers, door({ bucket, user }), false);
      missing[right] = steps.filter((step) => !step.ok).map((step) => step.right);
    }
    expect(missing).toEqual({ put: ['put'], list: ['list'], get: ['get', 'range'], delete: ['delete'] });
    close();

    const backend = await open(door({ bucket, user }));
    await backend.save('locks', name, bytes);
    await expect(backend.remove('locks', name)).rejects.toMatchObject({
      code: 'POOL_NO_RIGHT',
      message: `the credentials may not delete in ${backend.location}`,
    });
    await backend.close();
  });

  test('P1 a wrong secret, an unknown key, no credentials', async () => {
    const bucket = await newBucket();
    const wrong = { accessKey: store.accessKey, secretKey: `${store.secretKey.slice(1)}x` };
    const unknown = { accessKey: 'NOBODY', secretKey: store.secretKey };
    for (const user of [wrong, unknown]) {
      const backend = await open(door({ bucket, user }));
      const failed = await backend.save('data', name, bytes).catch((error: unknown) => error);
      expect(failed).toMatchObject({ code: 'POOL_CREDENTIALS' });
      expect(JSON.stringify(failed) + String((failed as Error).stack) + String((failed as Error).cause)).not.toContain(user.secretKey);
      await expect(listed(backend, 'data')).rejects.toMatchObject({ code: 'POOL_CREDENTIALS' });
      await expect(backend.stat('data', name)).rejects.toMatchObject({ code: 'POOL_CREDENTIALS' });
      await backend.close();
      await expect(probePool(providers, door({ bucket, user }), false)).rejects.toMatchObject({ code: 'POOL_CREDENTIALS' });
      await expect(open(door({ bucket, user, id: 'one' }))).rejects.toMatchObject({ code: 'POOL_CREDENTIALS' });
    }
    const { credentials: _, ...bare } = door({ bucket });
    await expect(open(bare)).rejects.toMatchObject({ code: 'POOL_CREDENTIALS' });
  });

  test('P1 a missing bucket, a spent quota, a clock that is an hour wrong', async () => {
    const missing = await open(door({ bucket: 'no-such-bucket' }));
    await expect(missing.save('data', name, bytes)).rejects.toMatchObject({ code: 'POOL_NOT_FOUND' });
    await expect(listed(missing, 'data')).rejects.toMatchObject({ code: 'POOL_NOT_FOUND' });
    await expect(missing.load('data', name)).rejects.toMatchObject({ code: 'POOL_NOT_FOUND' });
    await expect(missing.stat('data', name)).rejects.toMatchObject({ code: 'POOL_NOT_FOUND' });
    await missing.close();

    const bucket = await newBucket();
    await store.admin('quota', 'set', '--quota-scope=bucket', `--bucket=${bucket}`, '--uid=first', '--max-size=100K');
    await store.admin('quota', 'enable', '--quota-scope=bucket', `--bucket=${bucket}`, '--uid=first');
    const small = await open(door({ bucket }));
    await expect(small.save('data', name, bytes)).rejects.toMatchObject({ code: 'POOL_FULL' });
    expect(await listed(small, 'data')).toEqual([]);
    await small.close();

    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    try {
      await expect(open(door({ bucket, id: 'one' }))).rejects.toMatchObject({ code: 'POOL_CLOCK' });
    } finally {
      vi.useRealTimers();
    }
  });
});
