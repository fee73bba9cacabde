// Disks that fill up: the vault's in the middle of a backup, the agent's own while it works.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scripts, writeFiles } from '../beds/fault-home.ts';
import { rsyncDifferences } from '../beds/nasty-tree.ts';
import { restic } from '../beds/restic.ts';
import { type SmallDisk, smallDisk } from '../beds/small-disk.ts';
import { newHome, type RunningAgent, removeHome, startAgent } from '../e2e/agent-bench.ts';

const mib = 1 << 20;

describe('no space left', () => {
  let beds: string;
  let tree: string;
  let disk: SmallDisk;
  let agent: RunningAgent;

  beforeEach(async () => {
    beds = mkdtempSync(join(tmpdir(), 'no-space-'));
    tree = join(beds, 'tree');
    disk = await smallDisk(48 * mib);
    writeFiles(tree, 0, 20, 100_000);
  });
  afterEach(async () => {
    await agent.stop('SIGKILL');
    removeHome(agent.home);
    await disk.remove();
    rmSync(beds, { recursive: true, force: true });
  });

  /** An agent with a vault in `pool` and a plan for the tree. */
  async function setUp(home: string, pool: string) {
    agent = await startAgent(home, { AGENT_TASK_SCRIPT: scripts.plain });
    await agent.client.call('poolBind', { body: { name: 'here', place: { type: 'local', path: pool }, create: true } });
    const { vault, recoveryKey } = await agent.client.call('vaultCreate', { body: { name: 'v1' } });
    await agent.client.call('planCreate', { body: { name: 'p', source: { kind: 'files', paths: [tree] } } });
    return { vault, stock: restic('restic', vault.location, recoveryKey, beds), locks: () => readdirSync(join(vault.location, 'locks')) };
  }
  const run = async () => await agent.wait(await agent.client.call('backupRun', { body: { plan: 'p' } }));
  const restore = async (id: string) => {
    const body = { target: { kind: 'files', path: join(beds, 'restored') } } as const;
    return await agent.wait(await agent.client.call('backupRestore', { params: { id }, body }));
  };
  const expectEqual = async (from: string) => expect(await rsyncDifferences(from, join(beds, 'restored', from))).toBe('');

  it('P7 in the vault, in the middle of a backup: told, and nothing is lost', async () => {
    const { vault, stock, locks } = await setUp(newHome(), join(disk.path, 'pool'));
    const first = await run();
    expect(first.state).toBe('done');
    const small = join(tree, 'big');
    writeFiles(small, 100, 180, 1_000_000);

    const problem = { code: 'POOL_FULL', retry: 'later', exit: 7, hint: expect.stringContaining('nothing stored is lost') };
    expect(await run()).toMatchObject({ state: 'failed', problem });
    await expect.poll(locks, { timeout: 20_000 }).toEqual([]);
    const stored = readdirSync(vault.location, { recursive: true, encoding: 'utf8' });
    expect(stored.filter((name) => name.includes('-tmp-'))).toEqual([]);
    expect(await stock.run('check', '--read-data', '--no-lock')).toContain('no errors were found');
    expect((await stock.snapshots()).map(({ id }) => id)).toEqual([first.backupId]);

    disk.fill(); // not even a lock fits
    expect(await run()).toMatchObject({ state: 'failed', problem });
    rmSync(small, { recursive: true });
    const restored = await restore(first.backupId!);
    expect(restored).toMatchObject({ state: 'warnings', warnings: [{ detail: expect.stringContaining('without a lock: no space left') }] });
    await expectEqual(join(tree, 'folder-1'));

    disk.free();
    const next = await run();
    expect(next).toMatchObject({ state: 'done' });
    rmSync(join(beds, 'restored'), { recursive: true });
    expect(await restore(next.backupId!)).toMatchObject({ state: 'done' });
    await expectEqual(tree);
    await stock.check();
  });

  it('P7 in a vault without a free byte: backups can be deleted and pruned all the same, and then there is room', async () => {
    const { stock } = await setUp(newHome(), join(disk.path, 'pool'));
    const first = await run();
    writeFiles(join(tree, 'big'), 100, 120, 1_000_000);
    const second = await run();
    expect([first.state, second.state]).toEqual(['done', 'done']);
    disk.fill();
    await expect(stock.run('forget', second.backupId!)).rejects.toThrow('no space left'); // stock restic cannot even begin

    const remove = await agent.client.call('backupDelete', { params: { id: second.backupId! }, query: { now: true } });
    expect(await agent.wait(remove.task!)).toMatchObject({ state: 'done' });
    const pruned = await agent.wait(await agent.client.call('vaultPrune', { params: { id: 'v1' }, body: { maxUnusedPercent: 0 } }));
    expect(pruned).toMatchObject({ state: 'done', result: { prune: { dryRun: false } } });
    expect(pruned.result!.prune!.bytesFreed).toBeGreaterThan(19_000_000);
    expect(statSync(join(disk.path, 'pool/.stillpoint-reserve')).size).toBe(4 * mib);
    await stock.check();
    expect(await stock.run('check', '--read-data')).toContain('no errors were found');
    expect((await stock.snapshots()).map(({ id }) => id)).toEqual([first.backupId]);
    rmSync(join(tree, 'big'), { recursive: true });
    expect(await run()).toMatchObject({ state: 'done' });
  });

  it('B11 in the home of the agent: told as what it is, the agent goes on by itself, nothing is lost', async () => {
    const { stock, locks } = await setUp(join(disk.path, 'home'), join(beds, 'pool'));
    expect(await run()).toMatchObject({ state: 'done' });
    const full = { code: 'STATE_FULL', hint: expect.stringContaining('AGENT_HOME') };
    let refused = 0;
    for (const spare of [0, 8_192, 20_000, 40_000, 65_536, 90_000, 130_000]) {
      disk.fill(spare);
      const freeing = setTimeout(() => disk.free(), 3000);
      try {
        const task = await run();
        // With some room a task may begin; then it ends once there is room for its end.
        if (task.state !== 'done') expect(task.problem).toMatchObject(full);
      } catch (error) {
        expect(error).toMatchObject(full);
        refused++;
      }
      clearTimeout(freeing);
      disk.free();
      // Whatever had begun has ended by itself soon after.
      const idle = async () => (await agent.client.call('status', {})).tasks;
      await expect.poll(idle, { timeout: 20_000 }).toMatchObject({ running: 0, queued: 0 });
      expect(await run()).toMatchObject({ state: 'done' });
      await expect.poll(locks, { timeout: 20_000 }).toEqual([]);
    }
    expect(refused).toBeGreaterThan(0);
    const { items } = await agent.client.call('backupList', { query: { state: 'available' } });
    expect((await stock.snapshots()).map(({ id }) => id).sort()).toEqual(expect.arrayContaining(items.map(({ id }) => id).sort()));
    await stock.check();

    // A start on a full disk says why it is none.
    disk.fill();
    expect(await agent.stop()).toBe(0);
    const again = await startAgent(agent.home, { AGENT_TASK_SCRIPT: scripts.plain }).catch((error: Error) => error);
    if (again instanceof Error) expect(again.message).toMatch(/no space left|ENOSPC/);
    else agent = again;
    disk.free();
    if (again instanceof Error) agent = await startAgent(agent.home, { AGENT_TASK_SCRIPT: scripts.plain });
    expect(await run()).toMatchObject({ state: 'done' });
  });
});
