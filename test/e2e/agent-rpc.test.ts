import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConnection } from '../../src/config/connection.ts';
import type { Task } from '../../src/rpc/schemas.ts';
import { newHome, type RunningAgent, removeHome, startAgent } from './agent-bench.ts';

const canary = 'canary-secret-7f3a';
let home: string;
let agent: RunningAgent;
let recoveryKey: string;

beforeAll(async () => {
  home = newHome();
  agent = await startAgent(home);
  mkdirSync(join(home, 'pool'));
  const credentials = { accessKey: `${canary}-access`, secretKey: `${canary}-secret` };
  await agent.client.call('poolBind', { body: { name: 'here', place: { type: 'local', path: join(home, 'pool') }, credentials } });
  ({ recoveryKey } = await agent.client.call('vaultCreate', { body: { name: 'v1' } }));
});

afterAll(async () => {
  await agent?.stop('SIGKILL');
  removeHome(home);
});

/** A plan whose command tells the fake task what to do, run once. */
async function run(wish: string, plan = `plan-${wish}`): Promise<Task> {
  const { client } = agent;
  const plans = await client.call('planList', { query: { name: plan } });
  if (plans.total === 0) await client.call('planCreate', { body: { name: plan, vault: 'v1', source: { kind: 'command', shell: wish } } });
  return client.call('backupRun', { body: { plan } });
}

/** GET without our client, to see the wire. */
function raw(path: string, withCertificate: boolean): Promise<{ status: number; type: string; text: string }> {
  const { host, port, ca, cert, key } = readConnection(agent.layout);
  return new Promise((resolve, reject) => {
    const identity = withCertificate ? { cert, key } : {};
    const outgoing = request({ host, port, path, ca, servername: 'localhost', agent: false, ...identity }, (answer) => {
      let text = '';
      answer.on('data', (part) => (text += part));
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, type: answer.headers['content-type'] ?? '', text }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

describe('the way in', () => {
  it('B1 refuses who shows no certificate of this installation', async () => {
    await expect(raw('/v1/status', false)).rejects.toThrow(/certificate|ECONNRESET|socket hang up|EPIPE/);
    expect((await raw('/v1/status', true)).status).toBe(200);
  });

  it('B1 describes itself as OpenAPI 3.1', async () => {
    const document = JSON.parse((await raw('/v1/openapi.json', true)).text);
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(document.paths['/v1/backups/{id}/restore'].post.operationId).toBe('backupRestore');
    expect(document.paths['/v1/vaults'].post.requestBody.content['application/json'].schema.properties.capacityGb.minimum).toBe(10);
  });

  it('B1 answers faults as problem documents that name the fault', async () => {
    const { status, type, text } = await raw('/v1/backups?limit=0', true);
    expect(status).toBe(400);
    expect(type).toMatch(/^application\/problem\+json/);
    expect(JSON.parse(text)).toMatchObject({ code: 'USAGE', detail: expect.stringContaining('limit'), retry: 'never', exit: 2 });
    expect((await raw('/v1/nothing', true)).status).toBe(404);
    const body = { name: 'x', source: { kind: 'files', paths: ['/etc'], exclude: [] } } as never;
    await expect(agent.client.call('planCreate', { body })).rejects.toMatchObject({
      code: 'USAGE',
      message: 'source has an unknown key exclude',
    });
  });
});

describe('secrets', () => {
  it('P2 leaves no secret readable by others and none in clear anywhere', async () => {
    const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const password =
      agent
        .notes()
        .find((line) => line.startsWith('password '))
        ?.slice(9) ?? '';
    expect(password.length).toBeGreaterThan(40);
    for (const file of files) {
      const path = join(file.parentPath, file.name);
      if (/\.key$|agent\.db/.test(file.name)) expect([file.name, statSync(path).mode & 0o077]).toEqual([file.name, 0]);
      if (file.name === 'fake-notes' || path.includes('node-cache')) continue;
      const content = readFileSync(path);
      for (const secret of [canary, recoveryKey, password]) expect([file.name, content.includes(secret)]).toEqual([file.name, false]);
    }
    const pools = await raw('/v1/pools', true);
    expect(pools.text).not.toContain(canary);
    expect(agent.output()).not.toContain(canary);
  });

  it('P6 tells a recovery key once: a repeated request does not get it again', async () => {
    const ask = () => agent.client.call('vaultRecoveryKey', { params: { id: 'v1' } }, { idempotencyKey: 'again-1' });
    expect((await ask()).recoveryKey).toMatch(/^([A-Z2-7]{4}-){7}[A-Z2-7]{4}$/);
    await expect(ask()).rejects.toMatchObject({ code: 'IDEMPOTENCY_SPENT' });
  });
});

describe('pools and vaults', () => {
  it('P1 names the right that is missing and keeps nothing', async () => {
    const place = { type: 'local', path: join(home, 'no-delete') } as const;
    await expect(agent.client.call('poolBind', { body: { place } })).rejects.toMatchObject({
      code: 'POOL_NO_RIGHT',
      message: expect.stringContaining('may not delete'),
    });
    expect((await agent.client.call('poolList', { query: {} })).total).toBe(1);
  });

  it('P1 takes other certificates for a bucket once they work, and none for a directory', async () => {
    const place = { type: 's3', endpoint: 'https://s3.example.org', bucket: 'dbs', caPem: 'the first' } as const;
    const { pool } = await agent.client.call('poolBind', { body: { name: 'bucket', place } });
    const update = (id: string, caPem: string) => agent.client.call('poolUpdate', { params: { id }, body: { caPem } });
    await expect(update('bucket', 'a stranger')).rejects.toMatchObject({ code: 'POOL_NO_RIGHT' });
    expect((await agent.client.call('poolShow', { params: { id: 'bucket' } })).place).toEqual(pool.place);
    expect(await update('bucket', 'the second')).toMatchObject({ id: pool.id, place: { ...pool.place, caPem: 'the second' } });
    await expect(update('here', 'the second')).rejects.toMatchObject({ code: 'USAGE', message: expect.stringContaining('bucket') });
    await agent.client.call('poolUnbind', { params: { id: 'bucket' } });
  });

  it('P7 tells who attaches a vault that another host may still write there', async () => {
    const body = { pool: 'here', path: 'taken/over', recoveryKey: 'right', name: 'taken' };
    const { warnings, vault } = await agent.client.call('vaultAttach', { body });
    expect(warnings).toEqual([{ item: '/vault', detail: 'the host other is working in it now' }]);
    const task = await agent.client.call('vaultDelete', { params: { id: vault.id } });
    await agent.wait(task);
  });

  it('P1 unbinds no pool that a vault uses', async () => {
    await expect(agent.client.call('poolUnbind', { params: { id: 'here' } })).rejects.toMatchObject({ code: 'IN_USE' });
  });

  it('P4 shows the location for restic and refuses bad names', async () => {
    const vault = await agent.client.call('vaultShow', { params: { id: 'v1' } });
    const { agentId } = await agent.client.call('status', {});
    expect(vault).toMatchObject({ location: join(home, 'pool', 'v1', agentId), capacityGb: 100, state: 'available' });
    await expect(agent.client.call('vaultCreate', { body: { name: 'a b' } })).rejects.toMatchObject({ code: 'NAME_INVALID' });
    await expect(agent.client.call('vaultCreate', { body: { name: 'v1' } })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('P6 leaves nothing behind when the key of an attach is wrong', async () => {
    const body = { location: '/somewhere/else/agent', recoveryKey: 'wrong' };
    await expect(agent.client.call('vaultAttach', { body })).rejects.toMatchObject({ code: 'REPO_WRONG_KEY' });
    expect((await agent.client.call('poolList', { query: {} })).total).toBe(1);
    expect((await agent.client.call('vaultList', { query: {} })).total).toBe(1);
  });
});

describe('tasks', () => {
  it('B11 follows a backup from its start to the catalogue', async () => {
    const task = await agent.wait(await run('warn'));
    expect(task).toMatchObject({ state: 'warnings', warningCount: 1, warnings: [{ item: '/a', detail: 'it vanished' }] });
    expect(task.progress).toMatchObject({ bytesDone: 10, bytesTotal: 100 });
    const backup = await agent.client.call('backupShow', { params: { id: task.backupId?.slice(0, 8) ?? '' } });
    expect(backup).toMatchObject({ state: 'available', planName: 'plan-warn', warnings: 1, taskId: task.id });
    const second = await agent.wait(await run('warn'));
    const next = await agent.client.call('backupShow', { params: { id: second.backupId ?? '' } });
    expect(next.parent).toBe(backup.id);
  });

  it('B11 repeats the answer, not the backup, for the same idempotency key', async () => {
    await run('warn');
    const ask = (name: string) => agent.client.call('backupRun', { body: { plan: 'plan-warn', name } }, { idempotencyKey: 'key-1' });
    const first = await ask('one');
    expect((await ask('one')).id).toBe(first.id);
    await expect(ask('two')).rejects.toMatchObject({ code: 'IDEMPOTENCY_REUSED' });
  });

  it('P5 refuses to start into a full vault, until it is expanded', async () => {
    const { client } = agent;
    const { vault } = await client.call('vaultCreate', { body: { name: 'small', capacityGb: 10 } });
    const source = { kind: 'command', shell: 'fill' } as const;
    await client.call('planCreate', { body: { name: 'filler', vault: 'small', source } });
    expect(await agent.wait(await run('fill', 'filler'))).toMatchObject({ state: 'done' });
    await expect(run('fill', 'filler')).rejects.toMatchObject({ code: 'VAULT_FULL', message: expect.stringMatching(/10/) });
    expect((await client.call('backupList', { query: { vault: 'small' } })).total).toBe(1);
    await client.call('vaultUpdate', { params: { id: vault.id }, body: { capacityGb: 11 } });
    expect(await agent.wait(await run('fill', 'filler'))).toMatchObject({ state: 'done' });
  });

  it('B11 cancels what runs and what waits', async () => {
    const running = await run('hang');
    const waiting = await run('hang');
    expect(waiting.state).toBe('queued');
    await agent.client.call('taskCancel', { params: { id: waiting.id } });
    await agent.client.call('taskCancel', { params: { id: running.id } });
    expect((await agent.wait(running)).state).toBe('cancelled');
    expect((await agent.wait(waiting)).problem?.code).toBe('TASK_CANCELLED');
    expect((await agent.client.call('backupList', { query: { plan: 'plan-hang' } })).total).toBe(0);
  });

  it('B11 tells a dead task from a failed one and removes the lock it left', async () => {
    const task = await agent.wait(await run('die'));
    expect(task).toMatchObject({ state: 'died', problem: { code: 'TASK_DIED', detail: expect.stringContaining('SIGKILL') } });
    expect((await agent.client.call('backupShow', { params: { id: task.backupId ?? '' } })).state).toBe('error');
    const lock = agent
      .notes()
      .findLast((line) => line.startsWith('lock '))
      ?.slice(5);
    await expect.poll(() => agent.notes()).toContain(`unlock ${lock}`);
  });
});

describe('looking inside', () => {
  async function someBackup(): Promise<string> {
    return (await agent.wait(await run('warn'))).backupId ?? '';
  }

  it('B11 streams lines, and an error as the last of them', async () => {
    const id = await someBackup();
    const all = await Array.fromAsync(agent.client.lines('backupLs', { params: { id }, query: {} }));
    expect(all).toEqual([{ path: '/one' }, { path: '/two' }]);
    const seen: unknown[] = [];
    const broken = async () => {
      for await (const line of agent.client.lines('backupLs', { params: { id }, query: { path: '/broken' } })) seen.push(line);
    };
    await expect(broken()).rejects.toMatchObject({ code: 'REPO_DAMAGED' });
    expect(seen).toEqual([{ path: '/one' }]);
  });

  it('B11 never lets a broken download look complete', async () => {
    const id = await someBackup();
    const good = await agent.client.bytes('backupCat', { params: { id }, query: { path: '/file' } });
    expect((await good.toArray()).join('')).toBe('{"path":"/one"}\n{"path":"/two"}\n');
    const broken = await agent.client.bytes('backupCat', { params: { id }, query: { path: '/broken' } });
    await expect(broken.toArray()).rejects.toMatchObject({ code: 'REPO_DAMAGED' });
    await expect(raw(`/v1/backups/${id}/cat?path=/broken`, true)).rejects.toThrow();
  });
});

describe('restart', () => {
  it('B11 keeps what waited, tells what died, removes its lock and refuses a second agent', async () => {
    await expect(startAgent(home)).rejects.toThrow('runs already');
    const died = await run('hang');
    const waited = await run('slow');
    expect(waited.state).toBe('queued');
    await expect.poll(async () => (await agent.client.call('taskShow', { params: { id: died.id } })).progress).not.toBeNull();
    const lock = agent
      .notes()
      .findLast((line) => line.startsWith('lock '))
      ?.slice(5);
    await agent.stop('SIGKILL');
    agent = await startAgent(home);
    expect(await agent.client.call('taskShow', { params: { id: died.id } })).toMatchObject({
      state: 'died',
      problem: { code: 'TASK_DIED' },
    });
    expect((await agent.wait(waited)).state).toBe('done');
    expect(agent.notes()).toContain(`unlock ${lock}`);
  });

  it('B11 stops gracefully: running tasks end, its files are gone, the exit code is 0', async () => {
    const running = await run('hang');
    expect(await agent.stop()).toBe(0);
    expect(() => readConnection(agent.layout)).toThrow('does not answer');
    agent = await startAgent(home);
    expect((await agent.client.call('taskShow', { params: { id: running.id } })).state).toBe('died');
  });
});
