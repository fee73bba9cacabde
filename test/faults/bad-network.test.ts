// A bucket behind a network that refuses, stalls, answers 503 and loses answers, while real tasks work: they succeed by trying again or end
// with a clear code, and stock restic finds the vault whole.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskEnd } from '../../src/agent/task-process.ts';
import type { RecordInfo, TaskSpec, VaultAccess } from '../../src/model/task.ts';
import { type BadProxy, type Mischief, type Seen, startBadProxy } from '../beds/bad-proxy.ts';
import { backupSpec, faultHome, noFault, writeFiles } from '../beds/fault-home.ts';
import { rsyncDifferences } from '../beds/nasty-tree.ts';
import { freePort } from '../beds/programs.ts';
import { type Radosgw, startRadosgw } from '../beds/radosgw.ts';
import { type Restic, restic } from '../beds/restic.ts';
import { doorTo, newBucketIn } from '../beds/s3-door.ts';
import { intoFolder } from '../beds/vault.ts';

let store: Radosgw;
beforeAll(async () => {
  store = await startRadosgw();
});
afterAll(() => store?.stop());

/** A vault in a bucket of its own, reached through a proxy. */
async function s3Bed() {
  const bed = faultHome();
  const tree = join(bed.home, 'tree');
  const proxy = await startBadProxy(store.endpoint);
  const bucket = await newBucketIn(store);
  const access: VaultAccess = {
    pool: { ...doorTo({ ...store, endpoint: proxy.endpoint }, { bucket, prefix: 'pre' }), id: 'pool-of-the-test' },
    path: 'shop/agent',
    password: 'password of the agent',
  };
  const keys = { AWS_ACCESS_KEY_ID: store.accessKey, AWS_SECRET_ACCESS_KEY: store.secretKey };
  const straight: Restic = restic('restic', `s3:${store.endpoint}/${bucket}/pre/shop/agent`, access.password, bed.home);
  const end = (spec: TaskSpec): Promise<TaskEnd> => bed.strike(spec, noFault).then((struck) => struck.end);
  const succeed = async (spec: TaskSpec) => {
    const ended = await end(spec);
    if (ended.kind !== 'done') throw new Error(`${spec.type} ended with ${JSON.stringify(ended.problem)}`);
    return ended.result;
  };
  const backup = async (): Promise<RecordInfo> => (await succeed(backupSpec(access, tree))).record!;
  await succeed({ type: 'probe', pool: access.pool, create: false, bind: true });
  await succeed({ type: 'vault-create', vault: access, recoveryKey: 'recovery key' });
  writeFiles(tree, 0, 60, 60_000);
  return {
    access,
    tree,
    proxy,
    end,
    succeed,
    backup,
    bucket,
    restored: join(bed.home, 'restored'),
    expectClean: async () => {
      proxy.behave(() => undefined);
      expect(await straight.with(keys, 'check', '--read-data')).toContain('no errors were found');
      expect((await straight.with(keys, 'list', 'locks')).trim()).toBe('');
    },
    remove: async () => {
      await proxy.stop();
      bed.remove();
    },
  };
}

type S3Bed = Awaited<ReturnType<typeof s3Bed>>;

async function withBed(work: (bed: S3Bed) => Promise<void>): Promise<void> {
  const bed = await s3Bed();
  try {
    await work(bed);
  } finally {
    await bed.remove();
  }
}

/** What went wrong is told, so that a test knows that it had its trouble. */
function trouble(proxy: BadProxy, choose: (seen: Seen, count: number) => Mischief | undefined): { readonly met: Mischief[] } {
  const met: Mischief[] = [];
  let count = 0;
  proxy.behave((seen) => {
    const mischief = choose(seen, ++count);
    if (mischief) met.push(mischief);
    return mischief;
  });
  return { met };
}

const slowDown: Mischief = { type: 'status', status: 503, code: 'SlowDown' };
const changes = (seen: Seen) => seen.method === 'PUT' || seen.method === 'DELETE' || seen.method === 'POST';

/** Trouble of every kind that passes: each request in turn may be hit, no two in a row. */
const everything = (seen: Seen, count: number): Mischief | undefined => {
  if (count % 19 === 0) return slowDown;
  if (count % 23 === 0) return { type: 'drop' };
  if (count % 13 === 0 && changes(seen)) return { type: 'lose' };
  if (count % 29 === 0 && seen.method === 'GET') return { type: 'cut', after: 40 };
  if (count % 37 === 0) return { type: 'status', status: 500, code: 'InternalError' };
  return undefined;
};

// Each waits out its trouble, most of them a minute and all of them at once.
describe('a bucket behind a bad network', { timeout: 300_000 }, () => {
  it.concurrent('P1 P7 backup, restore, forget and prune outlast 503, cut connections and lost answers', () =>
    withBed(async (bed) => {
      const { met } = trouble(bed.proxy, everything);
      const first = await bed.backup();
      writeFiles(bed.tree, 60, 90, 60_000);
      for (let number = 0; number < 60; number += 3) rmSync(join(bed.tree, `folder-${number % 7}`, `file-${number}`));
      const second = await bed.backup();
      await bed.succeed({ type: 'restore', vault: bed.access, record: second.id, target: intoFolder(bed.restored), dryRun: false });
      expect(await rsyncDifferences(bed.tree, join(bed.restored, bed.tree))).toBe('');
      await bed.succeed({ type: 'forget', vault: bed.access, records: [first.id] });
      const { prune } = await bed.succeed({ type: 'prune', vault: bed.access, dryRun: false, maxUnusedPercent: 0 });
      expect(prune!.bytesFreed).toBeGreaterThan(15 * 60_000);
      const { check } = await bed.succeed({ type: 'check', vault: bed.access, readData: true });
      expect(check!.errors).toEqual([]);
      for (const type of ['status', 'drop', 'lose', 'cut']) expect(met.map((mischief) => mischief.type)).toContain(type);
      await bed.expectClean();
    }));

  it.concurrent('P1 P7 every single write does its work and loses its answer once', () =>
    withBed(async (bed) => {
      const done = new Set<string>();
      const { met } = trouble(bed.proxy, (seen) => {
        const request = `${seen.method} ${seen.url}`;
        if (!changes(seen) || done.has(request)) return undefined;
        done.add(request);
        return { type: 'lose' };
      });
      const record = await bed.backup();
      expect(met.length).toBeGreaterThan(40);
      await bed.succeed({ type: 'forget', vault: bed.access, records: [record.id] });
      await bed.succeed({ type: 'prune', vault: bed.access, dryRun: false, maxUnusedPercent: 0 });
      await bed.backup();
      await bed.expectClean();
    }));

  it.concurrent('P1 P7 refused for some seconds, then it goes on', () =>
    withBed(async (bed) => {
      let until = Number.POSITIVE_INFINITY;
      const { met } = trouble(bed.proxy, (_, count) => {
        if (count === 40) until = Date.now() + 5000;
        return count >= 40 && Date.now() < until ? { type: 'drop' } : undefined;
      });
      await bed.backup();
      expect(met.length).toBeGreaterThan(4);
      await bed.expectClean();
    }));

  it.concurrent('P1 P7 requests that are never answered are given up and made again', () =>
    withBed(async (bed) => {
      const stalled = new Set<string>();
      const { met } = trouble(bed.proxy, (seen) => {
        const kind = seen.url.split('/').at(-2) ?? '';
        const wanted = (seen.method === 'PUT' && seen.url.includes('/data/')) || (seen.method === 'PUT' && seen.url.includes('/index/'));
        const what = seen.url.includes('/data/') ? 'data' : kind;
        if (!wanted || stalled.has(what)) return undefined;
        stalled.add(what);
        return { type: 'stall' };
      });
      await bed.backup();
      expect(met.length).toBe(2);
      await bed.expectClean();
    }));

  it.concurrent('P1 P7 a right that is taken away in the middle: its code, no backup, nothing lost', () =>
    withBed(async (bed) => {
      const first = await bed.backup();
      writeFiles(bed.tree, 60, 120, 60_000);
      let denied = 0;
      trouble(bed.proxy, (seen) => {
        if (!(seen.method === 'PUT' && seen.url.includes('/data/') && ++denied > 20)) return undefined;
        return { type: 'status', status: 403, code: 'AccessDenied' };
      });
      const failed = await bed.end(backupSpec(bed.access, bed.tree));
      expect(failed).toMatchObject({ kind: 'failed', problem: { code: 'POOL_NO_RIGHT', detail: expect.stringContaining('may not put') } });
      bed.proxy.behave(() => undefined);
      const { records } = await bed.succeed({ type: 'vault-scan', vault: bed.access });
      expect(records!.map(({ id }) => id)).toEqual([first.id]);
      await bed.expectClean();
      await bed.backup();
      await bed.expectClean();
    }));

  it.concurrent('P1 refused credentials and a wrong address are told as what they are', () =>
    withBed(async (bed) => {
      trouble(bed.proxy, () => ({ type: 'status', status: 403, code: 'InvalidAccessKeyId' }));
      const probe = { type: 'probe', pool: bed.access.pool, create: false, bind: false } as const;
      expect(await bed.end(probe)).toMatchObject({ kind: 'failed', problem: { code: 'POOL_CREDENTIALS' } });
      expect(await bed.end(backupSpec(bed.access, bed.tree))).toMatchObject({ kind: 'failed', problem: { code: 'POOL_CREDENTIALS' } });
      const nobody = doorTo({ ...store, endpoint: `http://127.0.0.1:${await freePort()}` }, { bucket: bed.bucket });
      const offline = await bed.end({ ...probe, pool: { ...nobody, id: 'pool-of-the-test' } });
      expect(offline).toMatchObject({ kind: 'failed', problem: { code: 'POOL_OFFLINE', retry: 'later' } });
      const none = doorTo(store, { bucket: 'no-such-bucket' });
      const missing = await bed.end({ ...probe, pool: { ...none, id: 'pool-of-the-test' } });
      expect(missing).toMatchObject({ kind: 'failed', problem: { code: 'POOL_NOT_FOUND' } });
    }));
});
