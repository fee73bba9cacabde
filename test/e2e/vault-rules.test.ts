// The rules of vaults, the gateway and the quotas as a person meets them, against a real agent with real tasks.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningAgent, startAgent } from './agent-bench.ts';
import { agentcliScript, runFor } from './cli-run.ts';

const script = fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url));
const top = mkdtempSync(join(tmpdir(), 'vault-rules-e2e-'));
const inTop = (name: string) => join(top, name);
let agent: RunningAgent;

const cli = (...words: string[]) => runFor(agent, top, [agentcliScript, ...words]);
/** Answers what it printed; it must succeed. */
async function done(...words: string[]): Promise<string> {
  const { code, out, err } = await cli(...words);
  expect({ code, err: code === 0 ? '' : err }, words.join(' ')).toEqual({ code: 0, err: '' });
  return out;
}
const told = async (...words: string[]) => JSON.parse(await done(...words, '--json'));
/** Answers code and message; it must be refused. */
async function refused(...words: string[]): Promise<readonly [string, string]> {
  const { code, err } = await cli(...words, '--json');
  expect(code, words.join(' ')).not.toBe(0);
  const problem = JSON.parse(err) as { readonly code: string; readonly detail: string };
  return [problem.code, problem.detail];
}

beforeAll(async () => {
  for (const folder of ['etc', 'srv']) {
    mkdirSync(inTop(folder));
    writeFileSync(inTop(`${folder}/file`), folder);
  }
  agent = await startAgent(inTop('agent'), { AGENT_TASK_SCRIPT: script });
  await done('pool', 'bind', 'disk', '--type', 'local', '--path', inTop('pool'), '--create');
  const { client } = agent;
  await client.call('vaultCreate', { body: { name: 'main', type: 'file', spec: 'server', capacityGb: 10 } });
  await client.call('vaultCreate', { body: { name: 'other', type: 'file' } });
  await client.call('vaultCreate', { body: { name: 'copies', protection: 'replication' } });
  for (const name of ['etc', 'srv'])
    await client.call('planCreate', { body: { name, vault: 'main', source: { kind: 'files', paths: [inTop(name)] } } });
  await done('backup', 'run', 'etc', '--wait');
}, 120_000);

afterAll(async () => {
  await agent?.stop();
  rmSync(top, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
});

it('P4 shows type, use and resources of vaults', async () => {
  expect(await done('vault', 'list', '--type', 'file', '--name', 'main')).toMatch(/main +available +file +disk +0\/10 GB +1 +2 +2 /);
  expect(await told('vault', 'show', 'main')).toMatchObject({
    type: 'file',
    spec: 'server',
    protection: 'backup',
    resources: 2,
    policyName: null,
  });
  const { items, ...sums } = await told('vault', 'resources', 'main');
  const [backup] = (await agent.client.call('backupList', { query: {} })).items;
  expect(sums).toEqual({ used: 2, total: 256, associatedBytes: backup?.sizeBytes });
  expect(items).toMatchObject([
    { name: `files ${inTop('etc')}`, planName: 'etc', backups: 1, sizeBytes: backup?.sizeBytes },
    { name: `files ${inTop('srv')}`, planName: 'srv', backups: 0, since: null },
  ]);
}, 60_000);

it('P4 changes a specification once, a name by the rules, a capacity upwards', async () => {
  expect(await done('vault', 'update', 'main', '--spec', 'application-consistent', '--description', 'files')).toContain(
    'application-consistent',
  );
  expect(await refused('vault', 'update', 'main', '--spec', 'server')).toEqual([
    'VAULT_SPEC_FINAL',
    'the vault main is application-consistent and stays so',
  ]);
  expect((await refused('vault', 'update', 'main', '--name', 'other'))[0]).toBe('ALREADY_EXISTS');
  const { client } = agent;
  await done('vault', 'update', 'copies', '--name', 'replicas');
  const { vault } = await client.call('vaultCreate', { body: { name: 'copies', protection: 'replication' } });
  expect(vault.path).toMatch(/^copies-0001\//);
  expect(await client.call('vaultShow', { params: { id: 'replicas' } })).toMatchObject({ path: vault.path.replace('-0001', '') });
  expect(await told('vault', 'expand', 'main', '--capacity', '20')).toMatchObject({ capacityGb: 20, state: 'available' });
  expect((await refused('vault', 'expand', 'main', '--capacity', '19'))[1]).toContain('can only be expanded');
}, 60_000);

it('P4 moves a plan, and takes one out with its backups, after a question', async () => {
  expect((await refused('vault', 'associate', 'copies', 'etc'))[1]).toBe('the vault copies is for copies of backups, not for files');
  const source = { kind: 'files' as const, paths: [inTop('etc')] };
  await expect(agent.client.call('planCreate', { body: { name: 'again', vault: 'other', source } })).rejects.toMatchObject({
    code: 'RESOURCE_TAKEN',
  });
  expect(await done('vault', 'associate', 'other', 'etc')).toBe('plan etc is associated with the vault other\n');
  await done('backup', 'run', 'etc', '--wait');
  const backups = async (vault: string) => (await agent.client.call('backupList', { query: { plan: 'etc', vault } })).items;
  expect(await backups('main')).toMatchObject([{ state: 'available' }]);
  expect(await backups('other')).toMatchObject([{ state: 'available', full: true }]);
  expect((await refused('vault', 'dissociate', 'other', 'etc'))[0]).toBe('CONFIRMATION_NEEDED');
  expect((await refused('vault', 'dissociate', 'main', 'etc', '--yes'))[0]).toBe('NOT_FOUND');
  expect(await done('vault', 'dissociate', 'other', 'etc', '--yes')).toMatch(
    /^plan etc dissociated from other, 1 backup deleted; for 24 hours/,
  );
  expect(await backups('other')).toMatchObject([{ state: 'deleting' }]);
  expect(await backups('main')).toMatchObject([{ state: 'available' }]);
  expect((await refused('backup', 'run', 'etc'))[0]).toBe('PLAN_DISSOCIATED');
  expect((await refused('vault', 'delete', 'other', '--yes'))[1]).toContain('plan etc (dissociated)');
  expect(await done('vault', 'associate', 'main', 'etc')).toContain('vault main');
  await done('vault', 'delete', 'other', '--yes', '--wait');
  expect((await refused('pool', 'unbind', 'disk', '--yes'))[0]).toBe('IN_USE');
  expect(existsSync(inTop('pool/main'))).toBe(true);
}, 120_000);

it('P3 sets, shows and removes the gateway', async () => {
  expect((await refused('gateway', 'show'))[0]).toBe('NOT_FOUND');
  expect(await done('gateway', 'set', '--address', '127.0.0.1', '--bandwidth', '20M')).toMatch(/127\.0\.0\.1[\s\S]*20\.0 MiB\/s/);
  expect((await refused('gateway', 'set', '--address', '192.0.2.1'))[0]).toBe('GATEWAY_ADDRESS');
  expect((await refused('gateway', 'set'))[0]).toBe('USAGE_ARGUMENT');
  expect(await told('gateway', 'set', '--no-address')).toMatchObject({
    address: null,
    bandwidth: 20 * 1024 ** 2,
    state: 'available',
    pools: 0,
  });
  expect((await refused('gateway', 'remove'))[0]).toBe('CONFIRMATION_NEEDED');
  expect(await done('gateway', 'remove', '--yes')).toBe('gateway gateway removed\n');
}, 60_000);

it('B15 shows the quotas', async () => {
  expect(await told('quota')).toMatchObject({ backupPolicies: { used: 0, total: 32 }, replicationPolicies: { total: 32 } });
  expect(await done('quota')).toMatch(/resources in the vault main +2\/256/);
}, 60_000);
