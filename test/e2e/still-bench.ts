// An agent with one pair of freeze scripts, set up for one database, and what the proofs of the still point do with it: plan, back up, restore.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openSealer } from '../../src/config/secrets.ts';
import type { FactsByName } from '../../src/model/freeze.ts';
import type { Backup, Freeze, Task } from '../../src/rpc/schemas.ts';
import { restic } from '../beds/restic.ts';
import type { SnapshotDisk } from '../beds/snapshot-disk.ts';
import { type RunningAgent, startAgent } from './agent-bench.ts';

const script = fileURLToPath(new URL('../../src/rdtask.ts', import.meta.url));

export interface StillBench {
  readonly agent: RunningAgent;
  /** What encpwd prints for `password`. */
  sealed(password: string): string;
  /** The settings on top of both scripts, as an administrator edits them. */
  set(settings: Readonly<Record<string, string>>): void;
  plan(name: string, paths: readonly string[], consistency: object): Promise<unknown>;
  /** Backs up, to the end. */
  run(plan: string): Promise<{ readonly task: Task; readonly backup: Backup }>;
  /** What the newest backup itself tells of its freeze. */
  told(): Promise<{ readonly facts: FactsByName; readonly frozenMs: number }>;
  /** Restores all of it below `target`. */
  restore(backup: Backup, target: string): Promise<void>;
  /** A freeze by RPC: resolves once it is frozen or has failed. */
  freeze(): Promise<Freeze>;
  thaw(freeze: Freeze): Promise<Freeze>;
  stop(): Promise<void>;
}

/** `pair`: `mysql` or `postgres`; the other shipped pairs are taken away. */
export async function stillBench(pair: string): Promise<StillBench> {
  const top = mkdtempSync(join(tmpdir(), 'still-bench-'));
  // Restored servers do not all run as root.
  chmodSync(top, 0o755);
  const home = join(top, 'agent');
  mkdirSync(join(home, 'conf'), { recursive: true });
  writeFileSync(join(home, 'conf/agent.yaml'), 'freezesPerHour: 1000\n');
  const agent = await startAgent(home, { AGENT_TASK_SCRIPT: script, AGENT_FREEZE_LOCK: join(top, 'lock') });
  const scripts = join(home, 'bin/thirdparty/ebk_user');
  for (const name of readdirSync(scripts)) if (!name.startsWith(pair)) rmSync(join(scripts, name));
  const { client } = agent;
  const place = { type: 'local' as const, path: join(top, 'pool') };
  const { vault, recoveryKey } = await client
    .call('poolBind', { body: { name: 'here', place, create: true } })
    .then(() => client.call('vaultCreate', { body: { name: 'v' } }))
    .catch(async (error: unknown) => {
      await agent.stop();
      throw error;
    });
  return {
    agent,
    sealed: (password) => openSealer(join(home, 'conf/installation.key')).seal('script/password', password),
    set(settings) {
      for (const verb of ['freeze', 'unfreeze']) {
        const path = join(scripts, `${pair}_${verb}.sh`);
        const edited = Object.entries(settings).reduce(
          (text, [key, value]) => text.replace(new RegExp(`^${key}='.*'$`, 'm'), `${key}='${value}'`),
          readFileSync(path, 'utf8'),
        );
        writeFileSync(path, edited);
      }
    },
    plan: (name, paths, consistency) =>
      client.call('planCreate', { body: { name, source: { kind: 'files', paths: [...paths] }, consistency } }),
    async run(plan) {
      const task = await agent.wait(await client.call('backupRun', { body: { plan } }));
      if (!task.backupId) throw new Error(`there is no backup: ${JSON.stringify(task.problem)}`);
      return { task, backup: await client.call('backupShow', { params: { id: task.backupId } }) };
    },
    async told() {
      const stock = restic('restic', vault.location, recoveryKey, top);
      return JSON.parse(await stock.run('dump', 'latest', '/.stillpoint/freeze.json')) as { facts: FactsByName; frozenMs: number };
    },
    async restore(backup, target) {
      const body = { target: { kind: 'files' as const, path: target } };
      const task = await agent.wait(await client.call('backupRestore', { params: { id: backup.id }, body }));
      if (task.state !== 'done') throw new Error(`the restore ended as ${task.state}: ${JSON.stringify([task.problem, task.warnings])}`);
    },
    async freeze() {
      let freeze = await client.call('freezeStart', { body: { limitSeconds: 60 } });
      while (freeze.state === 'freezing') {
        await pause(10);
        freeze = await client.call('freezeShow', { params: { id: freeze.id } });
      }
      return freeze;
    },
    thaw: ({ id }) => client.call('freezeThaw', { params: { id } }),
    async stop() {
      await agent.stop();
      rmSync(top, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

/** Agents of other tests look for leftovers on every btrfs of the host: one may be at it just now. */
export async function removeDisk(disk: SnapshotDisk | undefined): Promise<void> {
  for (let attempt = 1; disk; attempt++) {
    try {
      return await disk.remove();
    } catch (error) {
      if (attempt === 50) throw error;
      await pause(200);
    }
  }
}
