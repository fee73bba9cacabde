// The agent, its task or both are killed while a backup runs: after a restart the agent knows what died, its lock is gone from the vault,
// and everything goes on.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { isTemporaryName } from '../../src/backends/local-files.ts';
import { chosen, each, full, noFault, scripts, writeFiles } from '../beds/fault-home.ts';
import { rsyncDifferences } from '../beds/nasty-tree.ts';
import type { FaultSettings } from '../beds/rdtask-faulty.ts';
import { type Restic, restic } from '../beds/restic.ts';
import { newHome, type RunningAgent, removeHome, startAgent } from '../e2e/agent-bench.ts';

type Victims = FaultSettings['victims'];

/** Files of one backup; each becomes a pack and a few operations. */
const filesEach = full ? 280 : 90;
const fault: FaultSettings = { ...noFault, packSize: 3 << 10 };

/** A home whose agent runs tasks that can be told to kill; its vault, its plan, its data. */
async function agentBed() {
  const home = newHome();
  const beds = mkdtempSync(join(tmpdir(), 'kill-agent-'));
  const tree = join(beds, 'tree');
  let files = 0;
  const start = () => startAgent(home, { AGENT_TASK_SCRIPT: scripts.faulty });
  let agent: RunningAgent = await start();
  await agent.client.call('poolBind', { body: { name: 'here', place: { type: 'local', path: join(beds, 'pool') }, create: true } });
  const { recoveryKey, vault } = await agent.client.call('vaultCreate', { body: { name: 'v1' } });
  writeFiles(tree, 0, 5, 4096);
  await agent.client.call('planCreate', { body: { name: 'p', source: { kind: 'files', paths: [tree] } } });
  const stock: Restic = restic('restic', vault.location, recoveryKey, beds);
  // What was cut off while it was written is in no list, and goes by itself a day later.
  const folder = join(vault.location, 'locks');
  const locks = () => (existsSync(folder) ? readdirSync(folder).filter((name) => !isTemporaryName(name)) : []);

  return {
    get agent() {
      return agent;
    },
    beds,
    tree,
    stock,
    locks,
    moreFiles: () => {
      writeFiles(tree, files, files + filesEach, 4096);
      files += filesEach;
    },
    arm: (settings: FaultSettings) => writeFileSync(join(home, 'fault.json'), JSON.stringify(settings)),
    disarm: () => rmSync(join(home, 'fault.json'), { force: true }),
    run: () => agent.client.call('backupRun', { body: { plan: 'p' } }),
    /** After the agent's death. */
    restart: async () => {
      await agent.stop('SIGKILL');
      agent = await start();
    },
    remove: async () => {
      await agent.stop('SIGKILL');
      removeHome(home);
      rmSync(beds, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

type AgentBed = Awaited<ReturnType<typeof agentBed>>;

/** Kills at operation n of a backup, then expects what an operator expects. */
async function strike(bed: AgentBed, n: number, victims: Victims): Promise<void> {
  bed.moreFiles();
  bed.arm({ ...fault, dieAt: n, moment: (['before', 'during', 'after'] as const)[n % 3]!, victims });
  const task = await bed.run();
  if (victims.includes('agent')) {
    await died(bed.agent);
    await bed.restart();
    const seen = await bed.agent.client.call('taskShow', { params: { id: task.id } });
    expect(seen).toMatchObject({ state: 'died', problem: { code: 'TASK_DIED', detail: expect.stringContaining('the agent stopped') } });
  } else {
    const seen = await bed.agent.wait(task);
    expect(seen).toMatchObject({ state: 'died', problem: { code: 'TASK_DIED', detail: expect.stringContaining('SIGKILL') } });
  }
  await expectWell(bed, task.backupId ?? '');
}

async function died(agent: RunningAgent): Promise<void> {
  if (agent.process.exitCode === null && agent.process.signalCode === null)
    await new Promise((resolve) => agent.process.once('exit', resolve));
  expect(agent.process.signalCode).toBe('SIGKILL');
}

async function expectWell(bed: AgentBed, killed: string): Promise<void> {
  await expect.poll(bed.locks, { timeout: 30_000, interval: 50 }).toEqual([]);
  const known = await bed.stock.snapshots();
  const catalogue = await bed.agent.client.call('backupList', { query: { state: 'available', limit: 1000 } });
  for (const { id } of catalogue.items) expect(known.map((record) => record.id)).toContain(id);
  expect(catalogue.items.map(({ id }) => id)).not.toContain(killed);

  bed.arm(fault); // small packs, no fault
  const next = await bed.agent.wait(await bed.run());
  bed.disarm();
  expect(next).toMatchObject({ state: 'done' });
  await bed.stock.check();
  const target = join(bed.beds, 'restored');
  const restore = await bed.agent.client.call('backupRestore', {
    params: { id: next.backupId! },
    body: { target: { kind: 'files', path: target } },
  });
  expect(await bed.agent.wait(restore)).toMatchObject({ state: 'done' });
  expect(await rsyncDifferences(bed.tree, join(target, bed.tree))).toBe('');
  rmSync(target, { recursive: true });
}

describe('SIGKILL while a backup runs', () => {
  const minutes = full ? 240 : 8;

  it(
    'B11 P7 of the agent, of its task and of both at the n-th operation: told, cleaned up, and it goes on',
    async () => {
      const counting = await agentBed();
      counting.moreFiles();
      counting.arm(fault);
      expect(await counting.agent.wait(await counting.run())).toMatchObject({ state: 'done' });
      const { length } = operationsOf(counting.agent.home);
      expect(length).toBeGreaterThan(filesEach + 20);
      await counting.remove();

      const whom: readonly Victims[] = [['agent'], ['task', 'agent'], ['task']];
      // The task alone dies at every operation of kill-task.test.ts already.
      const strikes = chosen(length - 10, Math.ceil(length / 6)).flatMap((n) =>
        full ? whom.slice(0, 2).map((victims) => ({ n, victims })) : [{ n, victims: whom[n % 3]! }],
      );
      // A vault that grew by hundreds of runs would be slow to check.
      const groups = Array.from({ length: Math.ceil(strikes.length / 10) }, (_, i) => strikes.slice(i * 10, i * 10 + 10));
      await each(groups, async (group) => {
        const bed = await agentBed();
        try {
          for (const { n, victims } of group) await strike(bed, n, victims);
        } finally {
          await bed.remove();
        }
      });
    },
    minutes * 60_000,
  );

  it(
    'B11 P7 of the agent by another hand, at any moment of a slow backup',
    async () => {
      const bed = await agentBed();
      try {
        await bed.agent.client.call('poolUpdate', { params: { id: 'here' }, body: { bandwidth: 200_000 } });
        for (const milliseconds of full ? [0, 50, 200, 400, 700, 1000, 1300, 1700, 2100] : [30, 600, 1200]) {
          bed.moreFiles();
          bed.arm(fault);
          const task = await bed.run();
          await sleep(milliseconds);
          await bed.restart();
          bed.disarm();
          const seen = await bed.agent.client.call('taskShow', { params: { id: task.id } });
          expect(['died', 'queued', 'running', 'done']).toContain(seen.state);
          if (seen.state === 'died')
            expect(seen.problem).toMatchObject({ code: 'TASK_DIED', hint: expect.stringContaining('rdagent.log') });
          else await bed.agent.wait(task); // it had not begun, so it runs now
          await expectWell(bed, seen.state === 'died' ? (task.backupId ?? '') : '');
        }
      } finally {
        await bed.remove();
      }
    },
    minutes * 60_000,
  );
});

/** All operations of the tasks of this home so far. */
const operationsOf = (home: string): string[] => readFileSync(join(home, 'operations'), 'utf8').trim().split('\n');
