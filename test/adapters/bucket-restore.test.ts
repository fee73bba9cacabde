import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startTaskProcess } from '../../src/agent/task-process.ts';
import { runtimeFlags, runtimeVariables } from '../../src/host/programs.ts';
import { startHere } from '../../src/host/start.ts';
import type { BucketTarget } from '../../src/model/service.ts';
import type { TaskSpec } from '../../src/model/task.ts';
import { type BadProxy, type Mischief, type Seen, startBadProxy } from '../beds/bad-proxy.ts';
import { type Bucket, inGroups, makeBucket } from '../beds/bucket.ts';
import { type Radosgw, startRadosgw } from '../beds/radosgw.ts';
import { filesOf, testVault, type Vault } from '../beds/vault.ts';

const mib = 1 << 20;
const marker = '.stillpoint-restore-incomplete';

let store: Radosgw;
let proxy: BadProxy;
let root: string;
let vault: Vault;
let from: Bucket;
let to: Bucket;
let record: string;

const keys = Array.from({ length: 60 }, (_, i) => `${i % 2 ? 'odd' : 'even'}/object-${i}`);

beforeAll(async () => {
  store = await startRadosgw();
  proxy = await startBadProxy(store.endpoint);
  from = await makeBucket(store);
  await inGroups(keys, (key) => from.put(key, `of ${key}`, { ContentType: 'text/x-mine', Metadata: { of: key }, Tagging: 'of=all' }));
  root = mkdtempSync(join(tmpdir(), 'bucket-restore-'));
  vault = testVault(join(root, 'pool'), 'v/a', 'password');
  await vault.create('recovery');
  record = (await vault.backup(from.source())).id;
});
afterAll(async () => {
  from?.close();
  await proxy?.stop();
  await store?.stop();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(async () => {
  to = await makeBucket(store);
  vault.warnings.length = 0;
});
afterEach(() => {
  proxy.behave(() => undefined);
  to.close();
});

const spec = (target: BucketTarget, dryRun = false): Extract<TaskSpec, { type: 'restore' }> => ({
  type: 'restore',
  vault: vault.access,
  record,
  target,
  dryRun,
});
const plan = async (target: BucketTarget) => (await vault.run(spec(target, true))).steps!;
const puts = ({ method, url }: Seen) => method === 'PUT' && url.includes('x-id=PutObject') && !url.includes(marker);

describe('B8 a restore into a bucket', () => {
  test('B8 if-changed sends only what is missing or differs in bytes, headers, metadata or tags; never sends only what is missing', async () => {
    const whole = await from.seen();
    await vault.restore(record, to.target());
    await to.remove(keys[0]!);
    await to.put(keys[1]!, 'another', { ContentType: 'text/x-mine', Metadata: { of: keys[1]! }, Tagging: 'of=all' });
    await to.put(keys[2]!, `of ${keys[2]}`, { ContentType: 'text/plain', Metadata: { of: keys[2]! }, Tagging: 'of=all' });
    await to.put(keys[3]!, `of ${keys[3]}`, { ContentType: 'text/x-mine', Metadata: { of: 'x' }, Tagging: 'of=all' });
    await to.put(keys[4]!, `of ${keys[4]}`, { ContentType: 'text/x-mine', Metadata: { of: keys[4]! } });
    await to.put('foreign', 'stays');

    const steps = await plan(to.target({ overwrite: 'if-changed' }));
    const actions = Object.fromEntries(steps.map(({ path, action }) => [path, action]));
    expect(keys.slice(0, 6).map((key) => actions[key])).toEqual(['create', 'replace', 'replace', 'replace', 'replace', 'keep']);
    expect(steps).toHaveLength(keys.length);
    expect((await plan(to.target({ overwrite: 'never' }))).filter(({ action }) => action !== 'keep')).toHaveLength(1);
    expect((await plan(to.target()))[0]).toMatchObject({ action: 'write' });
    expect(await to.keys()).toHaveLength(keys.length); // a plan writes nothing

    const never = await vault.restore(record, to.target({ overwrite: 'never' }));
    expect(never).toMatchObject({ files: 1, skipped: keys.length - 1 });
    const changed = await vault.restore(record, to.target({ overwrite: 'if-changed' }));
    expect(changed).toMatchObject({ files: 4, skipped: keys.length - 4 });
    const found = await to.seen();
    expect(found.delete('foreign')).toBe(true);
    expect(found).toEqual(whole);
    expect(vault.warnings).toEqual([]);
  });

  test('B8 a part of the keys goes below another prefix; a beginning that no key has is refused before anything is written', async () => {
    const counts = await vault.restore(record, to.target({ include: ['even/object-1', 'odd/object-11'] }, { prefix: 'some/where' }));
    expect(await to.keys()).toEqual(
      keys
        .filter((key) => key.startsWith('even/object-1') || key === 'odd/object-11')
        .map((key) => `some/where/${key}`)
        .sort(),
    );
    expect(counts.files).toBe(6);
    await expect(vault.restore(record, to.target({ include: ['even', 'nothing'] }, { prefix: 'x' }))).rejects.toMatchObject({
      code: 'TARGET_PATH_UNKNOWN',
    });
    await expect(plan(to.target({ include: ['nothing'] }))).rejects.toMatchObject({ code: 'TARGET_PATH_UNKNOWN' });
    const files = (await vault.backup(filesOf(fileURLToPath(new URL('../beds', import.meta.url))))).id;
    await expect(vault.restore(files, to.target())).rejects.toMatchObject({ code: 'NOT_IN_BACKUP' });
    await expect(vault.restore(record, to.target({}, { bucket: 'no-such-bucket' }))).rejects.toThrow('there is no such bucket');
    expect(await to.keys()).toHaveLength(6);
  });

  test('B8 an object that the store refuses is told, the others go on; run again, it alone is sent and the mark goes', async () => {
    const bad = keys[7]!;
    const refuse = ({ method, url }: Seen): Mischief | undefined =>
      method === 'PUT' && url.includes(`/${bad}?`) ? { type: 'status', status: 403, code: 'AccessDenied' } : undefined;
    proxy.behave(refuse);
    const via = { endpoint: proxy.endpoint };
    await expect(vault.restore(record, to.target({}, via))).rejects.toMatchObject({
      code: 'TARGET_FAILED',
      message: expect.stringContaining(`1 of ${keys.length} objects failed`),
    });
    expect(vault.warnings).toHaveLength(1);
    expect(vault.warnings[0]).toMatchObject({ item: bad, detail: expect.stringContaining('s3:PutObject') });
    expect((await to.keys()).sort()).toEqual([marker, ...keys.filter((key) => key !== bad)].sort());
    proxy.behave(() => undefined);
    const start = proxy.seen.length;
    expect(await vault.restore(record, to.target({ overwrite: 'if-changed' }, via))).toMatchObject({ files: 1 });
    expect(proxy.seen.slice(start).filter(puts)).toHaveLength(1);
    expect(await to.seen()).toEqual(await from.seen());
  });

  test('B8 a restore that is killed half-way leaves its mark; run again it sends only the rest', async () => {
    const via = { endpoint: proxy.endpoint };
    const home = mkdtempSync(join(root, 'home-'));
    const script = fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url));
    const environment = { PATH: process.env['PATH'] ?? '', AGENT_HOME: home, TMPDIR: home, ...runtimeVariables };
    const start = proxy.seen.length;
    const task = startTaskProcess(
      spec(to.target({}, via)),
      {
        start: ({ output }) => startHere({ argv: [...runtimeFlags, script], cwd: home, env: environment }, { niceness: 0, output }),
        patience: { term: 10_000, kill: 20_000 },
      },
      { onText: () => undefined, onEvent: () => undefined },
    );
    proxy.behave(() => {
      if (proxy.seen.slice(start).filter(puts).length === 30) process.kill(task.pid, 'SIGKILL');
      return undefined;
    });
    expect((await task.ended).kind).toBe('died');
    proxy.behave(() => undefined);
    const there = await to.keys();
    expect(there).toContain(marker);
    expect(there.length).toBeGreaterThan(15);
    expect(there.length).toBeLessThan(keys.length);
    const again = proxy.seen.length;
    const counts = await vault.restore(record, to.target({ overwrite: 'if-changed' }, via));
    // Some were put and not counted when it died, none is put twice.
    expect(counts.files).toBe(keys.length + 1 - there.length);
    expect(proxy.seen.slice(again).filter(puts)).toHaveLength(counts.files);
    expect(await to.seen()).toEqual(await from.seen());
  });

  test('B8 a big object goes in parts and is known again; a failed one leaves no parts behind', async () => {
    const big = await makeBucket(store);
    await big.put('big', randomBytes(65 * mib), { ContentType: 'application/x-big', Metadata: { of: 'big' }, Tagging: 'of=big' });
    const { id } = await vault.backup(big.source());
    const via = { endpoint: proxy.endpoint };
    proxy.behave(({ url }) => (url.includes('partNumber=3') ? { type: 'status', status: 403, code: 'AccessDenied' } : undefined));
    await expect(vault.restore(id, to.target({}, via))).rejects.toMatchObject({ code: 'TARGET_FAILED' });
    const { Uploads = [] } = await to.client.send(new ListMultipartUploadsCommand({ Bucket: to.name }));
    expect(Uploads).toEqual([]);
    proxy.behave(() => undefined);
    await vault.restore(id, to.target({}, via));
    expect(await to.seen()).toEqual(await big.seen());
    expect(await vault.restore(id, to.target({ overwrite: 'if-changed' }, via))).toMatchObject({ files: 0, skipped: 1 });
    big.close();
  });
});
