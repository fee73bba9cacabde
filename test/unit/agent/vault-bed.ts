// An agent in memory: its whole state and its methods, with tasks that end when and how the test says.
import { hostname } from 'node:os';
import type { AgentContext } from '../../../src/agent/context.ts';
import { createDeletions } from '../../../src/agent/deletions.ts';
import { createEvents } from '../../../src/agent/events.ts';
import { applyOutcome } from '../../../src/agent/outcomes.ts';
import type { NewTask, TaskDesk } from '../../../src/agent/task-desk.ts';
import type { TaskRequest } from '../../../src/agent/task-requests.ts';
import type { Problem } from '../../../src/base/errors.ts';
import { createLog } from '../../../src/base/log.ts';
import { createSealer } from '../../../src/config/secrets.ts';
import { defaultSettings } from '../../../src/config/settings.ts';
import { type Plan, planDefaults } from '../../../src/model/plan.ts';
import type { Place } from '../../../src/model/pool.ts';
import type { TaskResult } from '../../../src/model/task.ts';
import type { PoolRow } from '../../../src/state/pools.ts';
import { newId, openState } from '../../../src/state/state.ts';
import { oneOf } from '../../../src/state/table.ts';
import { noCare, type VaultRow } from '../../../src/state/vaults.ts';

export const gib = 1024 ** 3;
const start = Date.UTC(2026, 2, 1);

export type Bed = ReturnType<typeof openBed>;

export function openBed() {
  const state = openState(':memory:');
  let now = start;
  const clock = { now: () => now, boottime: () => now };
  const waiting = new Map<string, (result: TaskResult | undefined) => void>();
  const submitted: NewTask[] = [];
  const bandwidths: (readonly [pool: string, bytes: number])[] = [];
  const silent = { raise: () => undefined, clear: () => undefined, deliver: () => undefined, stop: async () => undefined };
  const context = {
    version: 'test',
    settings: defaultSettings,
    sealer: createSealer(Buffer.alloc(32, 1)),
    state,
    clock,
    log: createLog({ level: 'error' }),
    bootId: 'boot',
    startedAt: start,
    events: createEvents({ state, clock }),
    alarms: silent,
    // Nothing here reads the layout, or writes the trail.
  } as unknown as AgentContext;

  function submit(task: NewTask) {
    submitted.push(task);
    const { type, name, request, poolId = null, vaultId = null, planId = null, backupId = null } = task;
    const id = newId();
    const blank = { endedAt: null, progress: null, warningCount: 0, warnings: [], problem: null, result: null };
    const ids = { poolId, vaultId, planId, backupId };
    state.tasks.insert({ ...blank, ...ids, id, type, state: 'running', name, request, createdAt: now, startedAt: now });
    return state.tasks.find(id);
  }

  const ended = (id: string) =>
    new Promise<{ task: ReturnType<typeof submit>; result?: TaskResult }>((resolve) =>
      waiting.set(id, (result) => resolve({ task: state.tasks.find(id), ...(result && { result }) })),
    );
  const desk = {
    submit,
    ended,
    answer: async (task: NewTask) => (await ended(submit(task).id)).result ?? { warnings: 0 },
    live: () => undefined,
    cancel: () => undefined,
    setBandwidth: (pool: string, bytes: number) => void bandwidths.push([pool, bytes]),
    recover: () => undefined,
    stop: async () => undefined,
  } as unknown as TaskDesk;

  /** A task ends well. */
  function finish(id: string, result: Partial<TaskResult> = {}): void {
    const whole: TaskResult = { warnings: 0, ...result };
    applyOutcome(context, state.tasks.find(id), { result: whole });
    state.tasks.update(id, { state: 'done', endedAt: now });
    waiting.get(id)?.(whole);
  }

  return {
    state,
    context,
    desk,
    deletions: createDeletions(context, desk, { doubt: () => null }),
    submitted,
    bandwidths,
    pass: (milliseconds: number) => {
      now += milliseconds;
      return now;
    },
    now: () => now,
    running: () => state.tasks.where([oneOf('state', ['queued', 'running'])], 'rowid'),

    finish,
    fail(id: string, problem: Problem): void {
      applyOutcome(context, state.tasks.find(id), { problem, cancelled: false });
      state.tasks.update(id, { state: 'failed', endedAt: now, problem });
      waiting.get(id)?.(undefined);
    },
    /** A backup ends well, with so many bytes read and so many stored in the whole vault. */
    finishBackup(id: string, sizeBytes: number, storedBytes: number): void {
      const request = state.tasks.find(id).request as Extract<TaskRequest, { type: 'backup' }>;
      const { tags } = request;
      const summary = { ...noSummary, totalBytes: sizeBytes };
      const whose = { time: now, hostname: hostname(), username: 'root', paths: ['/x'] };
      const record = { id: newId(), ...whose, tree: newId(), tags, rawTags: [], summary };
      finish(id, { record, storedBytes });
    },

    pool(name: string, place: Place = { type: 'local', path: `/${name}` }, more: Partial<PoolRow> = {}): PoolRow {
      const known = { remark: '', credentials: null, bandwidth: 0, state: 'online', stateDetail: '' } as const;
      const times = { checkedAt: now, createdAt: now, updatedAt: now };
      state.pools.insert({ id: newId(), name, place, ...known, ...times, ...more });
      return state.pools.find(name);
    },
    vault(name: string, pool: PoolRow, more: Partial<VaultRow> = {}): VaultRow {
      const kind = {
        type: 'any',
        protection: 'backup',
        spec: 'application-consistent',
        policyId: null,
        immutableDays: 0,
        care: noCare,
      } as const;
      const known = {
        description: '',
        repositoryId: 'r',
        password: '',
        state: 'available',
        stateDetail: '',
        keys: [],
        recoveryKeyId: null,
      } as const;
      const sizes = { capacityGb: 100, usedBytes: 0, createdAt: now, updatedAt: now };
      state.vaults.insert({ id: newId(), name, poolId: pool.id, path: name, location: name, ...kind, ...known, ...sizes, ...more });
      return state.vaults.find(name);
    },
    plan(name: string, vault: VaultRow, source: Plan['source'], more: Partial<Plan> = {}): Plan {
      const choice = { freeze: false, otherwise: 'fall-back', allowInconsistent: false, freezeLimit: 60 } as const;
      const known = {
        description: '',
        method: 'x',
        secret: null,
        consistency: choice,
        accountedUntil: now,
        createdAt: now,
        updatedAt: now,
      };
      const plan: Plan = { ...planDefaults, id: newId(), name, vaultId: vault.id, source, ...known, ...more };
      state.plans.insert(plan);
      return plan;
    },
  };
}

export const filesOf = (...paths: string[]) =>
  ({ kind: 'files', paths, excludes: [], excludeFiles: [], oneFileSystem: false, excludeCaches: false }) as const;
export const commandOf = (shell: string) => ({ kind: 'command', shell, fileName: 'f', minBytes: 0 }) as const;
export const mysqlOf = (method: 'logical' | 'snapshot' | 'incremental', server: { host?: string; port?: number } = {}, base?: string) =>
  ({ kind: 'mysql', method, server, databases: [], tables: [], ...(base && { base }) }) as const;

const noSummary = {
  filesNew: 0,
  filesChanged: 0,
  filesUnmodified: 0,
  dirsNew: 0,
  dirsChanged: 0,
  dirsUnmodified: 0,
  dataBlobs: 0,
  treeBlobs: 0,
  dataAdded: 0,
  dataAddedPacked: 0,
  totalFiles: 0,
};
