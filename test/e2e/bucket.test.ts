// A bucket as its operator backs it up and brings it back: agentcli, a running agent, a real object store.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Backup, Plan, Task } from '../../src/rpc/schemas.ts';
import { type Bucket, makeBucket } from '../beds/bucket.ts';
import { type Radosgw, startRadosgw } from '../beds/radosgw.ts';
import { newHome, type RunningAgent, removeHome, startAgent } from './agent-bench.ts';
import { agentcliScript, runFor } from './cli-run.ts';

let top: string;
let home: string;
let store: Radosgw;
let bucket: Bucket;
let agent: RunningAgent;

async function json<T>(...words: readonly string[]): Promise<T> {
  const { code, out, err } = await runFor(agent, top, [agentcliScript, ...words, '--json']);
  expect(err).toBe('');
  expect(code).toBe(0);
  return JSON.parse(out) as T;
}

async function backUp(plan: string): Promise<Backup> {
  const task = await json<Task>('backup', 'run', plan, '--wait');
  return json<Backup>('backup', 'show', task.backupId!);
}

beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), 'bucket-e2e-'));
  home = newHome();
  store = await startRadosgw();
  bucket = await makeBucket(store);
  for (const key of ['photos/a.jpg', 'photos/b/c.jpg', 'notes.txt']) await bucket.put(key, `of ${key}`, { ContentType: 'text/x-test' });
  writeFileSync(join(top, 'keys'), `access_key=${store.accessKey}\nsecret_key=${store.secretKey}\n`, { mode: 0o600 });
  agent = await startAgent(home, { AGENT_TASK_SCRIPT: fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url)) });
  await json('pool', 'bind', 'here', '--type', 'local', '--path', join(top, 'pool'), '--create');
  await json('vault', 'create', 'main', '--pool', 'here', '--recovery-key-file', join(top, 'main.key'));
}, 240_000);

afterAll(async () => {
  await agent?.stop();
  bucket?.close();
  await store?.stop();
  removeHome(home);
  rmSync(top, { recursive: true, force: true });
});

it('S9 B8 a plan keeps its keys to itself; what was deleted comes back, by key, to where it was', async () => {
  const place = ['--endpoint', store.endpoint, '--bucket', bucket.name, '--credentials-file', join(top, 'keys')];
  const plan = await json<Plan>('plan', 'create', 'photos', '--source', 'bucket', ...place);
  expect(plan).toMatchObject({ method: 'snapshot', source: { kind: 'bucket', place: { bucket: bucket.name } } });
  for (const file of ['agent.db', 'agent.db-wal'].map((name) => join(home, 'data', name)).filter(existsSync))
    expect(readFileSync(file, 'latin1')).not.toContain(store.secretKey);
  expect(JSON.stringify(plan)).not.toContain(store.secretKey);

  const before = await bucket.seen();
  const backup = await backUp('photos');
  expect(backup).toMatchObject({ state: 'available', source: 'bucket', consistency: 'file' });
  // A change that says nothing of the keys leaves them.
  await json('plan', 'update', 'photos', '--prefix', '');
  const again = await backUp('photos');
  expect(again.summary).toMatchObject({ filesUnmodified: before.size + 1 }); // what the backup says of itself

  await bucket.remove('photos/a.jpg');
  await bucket.put('notes.txt', 'written since');
  await json('backup', 'restore', backup.id, '--in-place', '--include', 'photos/', '--overwrite', 'if-changed', '--yes', '--wait');
  const after = await bucket.seen();
  expect(after.get('photos/a.jpg')).toEqual(before.get('photos/a.jpg'));
  expect(after.get('notes.txt')?.sha256).not.toBe(before.get('notes.txt')?.sha256);
});
