import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { restic } from '../beds/restic.ts';
import { type RunningAgent, startAgent } from './agent-bench.ts';

const script = fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url));

describe("the agent's own files", () => {
  let top: string;
  let agent: RunningAgent;
  beforeEach(async () => {
    top = mkdtempSync(join(tmpdir(), 'own-files-'));
    mkdirSync(join(top, 'srv'));
    writeFileSync(join(top, 'srv/file'), 'data');
    mkdirSync(join(top, 'agent'));
    agent = await startAgent(join(top, 'agent'), { AGENT_TASK_SCRIPT: script });
  });
  afterEach(async () => {
    await agent.stop();
    rmSync(top, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });

  it('B8 S3 what it works in and a vault are in no backup of what lies around them, and no restore deletes them', async () => {
    const { client } = agent;
    await client.call('poolBind', { body: { name: 'here', place: { type: 'local', path: join(top, 'pool') }, create: true } });
    const { vault, recoveryKey } = await client.call('vaultCreate', { body: { name: 'v' } });
    await client.call('planCreate', { body: { name: 'all', source: { kind: 'files', paths: [top] } } });
    const made = await agent.wait(await client.call('backupRun', { body: { plan: 'all' } }));
    expect(made).toMatchObject({ state: 'done' });

    const stock = restic('restic', vault.location, recoveryKey, top);
    const listed = (await stock.run('ls', 'latest')).split('\n').filter((line) => line.startsWith(top));
    expect(listed).toEqual(expect.arrayContaining([join(top, 'srv/file'), join(top, 'agent/conf')]));
    for (const own of ['agent/data', 'agent/tmp', 'agent/run', 'pool'])
      expect(listed.filter((path) => path.startsWith(join(top, own)))).toEqual([]);

    writeFileSync(join(top, 'srv/later'), 'not in the backup');
    const target = { kind: 'files' as const, path: '/', include: [top], delete: true };
    const back = await client.call('backupRestore', { params: { id: made.backupId! }, body: { target } });
    expect(await agent.wait(back)).toMatchObject({ state: 'done' });
    expect(readdirSync(join(top, 'srv'))).toEqual(['file']);
    expect(existsSync(agent.layout.database)).toBe(true);
    expect(existsSync(agent.layout.runFile)).toBe(true);
    expect(existsSync(vault.location)).toBe(true);
  });
});
