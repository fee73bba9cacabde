import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { localPool } from '../../src/backends/local-pool.ts';
import { openBackend } from '../../src/backends/open.ts';
import type { OpenDeps, PoolDoor, Providers } from '../../src/backends/provider.ts';
import { s3Pool } from '../../src/backends/s3-pool.ts';
import { bandwidthLimit, type LimitClock } from '../../src/base/limit.ts';
import { type BadProxy, inTurn, startBadProxy } from '../beds/bad-proxy.ts';
import { type Radosgw, startRadosgw } from '../beds/radosgw.ts';
import { type DoorChanges, doorTo, newBucketIn } from '../beds/s3-door.ts';
import { listed, nameOf } from '../contract/backend.ts';

const providers: Providers = { local: async () => localPool, s3: async () => s3Pool };
let store: Radosgw;
let proxy: BadProxy;

beforeAll(async () => {
  store = await startRadosgw();
  proxy = await startBadProxy(store.endpoint);
});
afterAll(async () => {
  await proxy?.stop();
  await store?.stop();
});

const door = (changes: DoorChanges) => doorTo(store, changes);
const newBucket = () => newBucketIn(store);
const open = (pool: PoolDoor, deps: OpenDeps = {}) => openBackend(providers, { pool, path: 'vault/agent' }, deps);

/** Patience whose pauses take no time, on a clock of their own. */
function fakePatience() {
  const slept: number[] = [];
  let time = 0;
  const sleep = async (milliseconds: number) => {
    slept.push(milliseconds);
    time += milliseconds;
  };
  return { slept, patience: { sleep, now: () => time, random: () => 0.5 } };
}

const bytes = randomBytes(200_000);
const name = nameOf(bytes);

describe('P1 a bad line', () => {
  const throughProxy = async (deps: OpenDeps = {}) => open(door({ bucket: await newBucket(), endpoint: proxy.endpoint }), deps);

  test('P1 a save outlasts 503, 500, a dropped connection and a lost answer, with growing pauses, and stores the file once', async () => {
    const { slept, patience } = fakePatience();
    const backend = await throughProxy({ patience });
    proxy.behave(
      inTurn(
        'PUT',
        { type: 'status', status: 503, code: 'SlowDown' },
        { type: 'status', status: 500, code: 'InternalError' },
        { type: 'drop' },
        { type: 'lose' },
      ),
    );
    await backend.save('data', name, bytes);
    expect(slept).toEqual([500, 850, 1445, 2457]);
    expect(await listed(backend, 'data')).toEqual([{ name, size: bytes.length }]);
    proxy.behave(inTurn('DELETE', { type: 'lose' }));
    await backend.remove('data', name);
    expect(await listed(backend, 'data')).toEqual([]);
    await backend.close();
  });

  test('P1 a load outlasts an answer cut off in its body, a silence before it and a silence in its middle', async () => {
    const { slept, patience } = fakePatience();
    const backend = await throughProxy({ patience, network: { idleTimeout: 150 } });
    await backend.save('data', name, bytes);
    proxy.behave(inTurn('GET', { type: 'cut', after: 100_000 }, { type: 'stall' }, { type: 'stick', after: 50_000 }));
    expect(await backend.load('data', name)).toEqual(bytes);
    expect(slept).toHaveLength(3);
    proxy.behave(inTurn('GET', { type: 'cut', after: 10 }, { type: 'cut', after: 0 }));
    expect(await backend.load('data', name, { offset: 1000, length: 5000 })).toEqual(bytes.subarray(1000, 6000));
    proxy.behave(inTurn('PUT', { type: 'stall' }));
    await backend.save('data', name, bytes);
    await backend.close();
  });

  test('P1 a listing of several pages that breaks between and within pages yields each file once', async () => {
    const { slept, patience } = fakePatience();
    const backend = await throughProxy({ patience });
    proxy.behave(() => undefined);
    const names = Array.from({ length: 1020 }, (_, i) => nameOf(Buffer.from(`${i}`))).sort();
    for (let at = 0; at < names.length; at += 30) {
      await Promise.all(names.slice(at, at + 30).map((one) => backend.save('locks', one, Buffer.from(one))));
    }
    const pages = proxy.seen.length;
    let left = [undefined, 'status', undefined, 'cut'] as ('status' | 'cut' | undefined)[];
    proxy.behave(() => {
      const next = left.shift();
      if (next === 'status') return { type: 'status', status: 503, code: 'ServiceUnavailable' };
      return next === 'cut' ? { type: 'cut', after: 200 } : undefined;
    });
    const found = await Array.fromAsync(backend.list('locks'));
    expect(found.map((file) => file.name).sort()).toEqual(names);
    expect(slept).toHaveLength(2);
    expect(proxy.seen.length - pages).toBe(6);
    left = [];
    await backend.close();
  });

  test('P1 after 15 minutes of trouble the pool is offline; refusals are not tried again', async () => {
    const { slept, patience } = fakePatience();
    const backend = await throughProxy({ patience });
    proxy.behave(() => ({ type: 'status', status: 503, code: 'SlowDown' }));
    await expect(backend.save('data', name, bytes)).rejects.toMatchObject({ code: 'POOL_OFFLINE', retry: 'later' });
    const total = slept.reduce((sum, one) => sum + one, 0);
    expect(total).toBeLessThanOrEqual(15 * 60_000);
    expect(total).toBeGreaterThan(14 * 60_000);
    slept.length = 0;
    proxy.behave(() => ({ type: 'status', status: 403, code: 'AccessDenied' }));
    await expect(backend.load('data', name)).rejects.toMatchObject({ code: 'POOL_NO_RIGHT' });
    expect(slept).toEqual([]);
    await backend.close();
    proxy.behave(() => undefined);
  });

  test('P1 closing the backend ends the pauses of an operation under way', async () => {
    const backend = await open(door({ bucket: 'b', endpoint: 'http://127.0.0.1:1' }));
    const failed = expect(backend.save('data', name, bytes)).rejects.toMatchObject({ code: 'POOL_OFFLINE' });
    setTimeout(() => backend.close(), 100);
    await failed;
  });
});

describe('P3 the bandwidth limit on S3', () => {
  test('P3 an upload goes piece by piece at the rate of the moment; a changed rate is felt by the one under way', async () => {
    let time = 0;
    let wake: (() => void) | undefined;
    const clock: LimitClock = {
      now: () => time,
      after(milliseconds, call) {
        wake = () => {
          time += milliseconds;
          call();
        };
        return () => {
          wake = undefined;
        };
      },
    };
    const turn = () => new Promise((resolve) => setTimeout(resolve, 10));
    const limit = bandwidthLimit(64 * 1024, clock);
    const backend = await open(door({ bucket: await newBucket() }), { limit });
    let done = false;
    const saved = backend.save('data', name, bytes).then(() => {
      done = true;
    });
    for (let i = 0; i < 5; i++) {
      await turn();
      wake?.();
    }
    await turn();
    expect(time).toBeGreaterThan(900);
    expect(time).toBeLessThan(1500);
    expect(done).toBe(false);
    limit.setRate(0);
    await saved;
    const before = time;
    limit.setRate(100_000);
    let loaded: Buffer | undefined;
    const loading = backend.load('data', name).then((got) => {
      loaded = got;
    });
    while (loaded === undefined) {
      await turn();
      wake?.();
    }
    await loading;
    expect(loaded).toEqual(bytes);
    expect(time - before).toBeGreaterThan(1700);
    expect(time - before).toBeLessThan(2300);
    await backend.close();
  });
});
