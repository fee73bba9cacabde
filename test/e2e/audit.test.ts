// The audit trail of a real agent: what the RPC did is recorded, with who and how it ended; agentcli shows, proves and switches it.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditEntry } from '../../src/rpc/schemas-audit.ts';
import { newHome, type RunningAgent, removeHome, startAgent } from './agent-bench.ts';
import { agentcliScript, runFor } from './cli-run.ts';

const canary = 'canary-audit-7731';
let home: string;
let bed: string;
let agent: RunningAgent;

const cli = (...words: readonly string[]) => runFor(agent, bed, [agentcliScript, ...words]);
const traces = async (query = {}): Promise<readonly AuditEntry[]> =>
  (await agent.client.call('auditList', { query: { limit: 1000, ...query } })).items.toReversed();

beforeAll(async () => {
  home = newHome();
  bed = mkdtempSync(join(tmpdir(), 'audit-'));
  agent = await startAgent(home);
}, 60_000);

afterAll(async () => {
  await agent.stop('SIGKILL');
  removeHome(home);
  rmSync(bed, { recursive: true, force: true });
});

describe('the audit trail', () => {
  it('M5 records every operation with its trace name, who, from where, on what and how it ended', async () => {
    const { client } = agent;
    const credentials = { accessKey: `${canary}-a`, secretKey: `${canary}-s` };
    const place = { type: 'local', path: join(bed, 'pool') } as const;
    const { pool } = await client.call('poolBind', { body: { name: 'here', place, credentials, create: true } });
    const { vault } = await client.call('vaultCreate', { body: { name: 'v1' } });
    await client.call('vaultUpdate', { params: { id: 'v1' }, body: { description: canary } });
    const plan = await client.call('planCreate', {
      body: { name: 'p', vault: 'v1', source: { kind: 'command', shell: `echo ${canary}` } },
    });
    const task = await client.call('backupRun', { body: { plan: 'p' } });
    await agent.wait(task);
    await client.call('planList', { query: {} });
    await expect(client.call('poolUnbind', { params: { id: 'here' } })).rejects.toMatchObject({ code: 'IN_USE' });
    await expect(client.call('vaultDelete', { params: { id: 'nothing' } })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(client.call('planCreate', { body: { name: 'bad', sauce: canary } as never })).rejects.toMatchObject({ code: 'USAGE' });

    const mine = { actor: userInfo().username, address: '127.0.0.1' };
    const asked = (await traces()).filter(({ actor }) => actor === mine.actor);
    expect(asked).toMatchObject([
      { ...mine, trace: 'bindPool', resourceType: 'pool', resourceId: pool.id, resourceName: 'here', result: 'ok', code: null },
      { ...mine, trace: 'createVault', resourceType: 'vault', resourceId: vault.id, resourceName: 'v1', result: 'ok' },
      { ...mine, trace: 'updateVault', resourceId: vault.id, resourceName: 'v1', result: 'ok', detail: 'with description' },
      { ...mine, trace: 'createPlan', resourceType: 'plan', resourceId: plan.id, resourceName: 'p', result: 'ok' },
      {
        ...mine,
        trace: 'createVaultBackup',
        resourceType: 'vault',
        resourceId: vault.id,
        resourceName: 'v1',
        detail: `plan p; task ${task.id}`,
      },
      { ...mine, trace: 'unbindPool', resourceId: pool.id, resourceName: 'here', result: 'failed', code: 'IN_USE' },
      { ...mine, trace: 'deleteVault', resourceId: 'nothing', result: 'failed', code: 'NOT_FOUND' },
      { ...mine, trace: 'createPlan', resourceName: 'bad', result: 'failed', code: 'USAGE', detail: '' },
    ]);
    expect(JSON.stringify(asked)).not.toContain(canary);
  });

  it('M5 is listed with filters', async () => {
    const list = async (...words: readonly string[]) =>
      JSON.parse((await cli('audit', 'list', '--json', ...words)).out).items as AuditEntry[];
    expect((await list('--result', 'failed')).map(({ trace }) => trace)).toEqual(['createPlan', 'deleteVault', 'unbindPool']);
    expect((await list('--trace', 'updateVault', '--resource', 'v1')).map(({ resourceName }) => resourceName)).toEqual(['v1']);
    expect(await list('--actor', 'nobody-else')).toEqual([]);
    expect(await list('--to', '2020-01-01')).toEqual([]);
    const { out } = await cli('audit', 'list', '--resource', 'pool');
    expect(out).toMatch(/bindPool +pool here +ok/);
    expect(out).toMatch(/unbindPool +pool here +IN_USE/);
  });

  it('M5 can be switched off and on; that is recorded, survives a SIGKILL, and old entries can be read meanwhile', async () => {
    expect((await cli('audit', 'off')).code).not.toBe(0);
    expect((await cli('audit', 'off', '--yes')).out).toContain('audit trail off');
    await agent.client.call('vaultUpdate', { params: { id: 'v1' }, body: { description: 'unseen' } });
    await agent.stop('SIGKILL');
    agent = await startAgent(home);
    expect((await cli('audit', 'status')).out).toContain('audit trail off');
    await agent.client.call('vaultUpdate', { params: { id: 'v1' }, body: { description: 'unseen' } });
    expect((await traces({ trace: 'updateVault' })).length).toBe(1);
    expect((await cli('audit', 'on')).out).toContain('audit trail on');
    await agent.client.call('vaultUpdate', { params: { id: 'v1' }, body: { description: 'seen' } });
    expect((await traces()).slice(-3).map(({ trace, detail }) => `${trace} ${detail}`)).toEqual([
      'setTracker off',
      'setTracker on',
      'updateVault with description',
    ]);
    const { code, out } = await cli('audit', 'verify');
    expect([code, out]).toEqual([0, expect.stringMatching(/the audit trail is whole: \d+ entries, .* to /)]);
  });

  it('M5 tells that an entry was removed, and holds no secret', async () => {
    await agent.stop();
    const text = readFileSync(join(home, 'data', 'audit.head'), 'utf8');
    expect(text).not.toContain(canary);
    const database = new DatabaseSync(join(home, 'data', 'agent.db'));
    const rows = JSON.stringify(database.prepare('SELECT * FROM audit').all());
    expect(rows).not.toContain(canary);
    database.exec('DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)');
    database.close();
    agent = await startAgent(home);
    const { code, err } = await cli('audit', 'verify');
    expect(code).not.toBe(0);
    expect(err).toMatch(/the audit trail is not whole: entry \d+ is missing/);
  });
});
