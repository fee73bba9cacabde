// One task from its spec to its result: the table of what each type does, with the real adapters.
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { Writable } from 'node:stream';
import { bindPool, recoverVault as bringBack, openBackend, probePool } from '../backends/open.ts';
import { fail } from '../base/errors.ts';
import type { HostDisks } from '../base/host-disks.ts';
import type { Limit } from '../base/limit.ts';
import { systemClock } from '../base/system-clock.ts';
import { layoutOf } from '../config/layout.ts';
import { backUp } from '../engine/backup.ts';
import { check } from '../engine/check.ts';
import type { EngineDeps } from '../engine/deps.ts';
import { forget, prune } from '../engine/expire.ts';
import { cat, diff, find, ls } from '../engine/look.ts';
import { restore } from '../engine/restore.ts';
import { attachVault, createVault, deleteVault, manageKeys, recoverVault, scanVault, unlockVault } from '../engine/vault.ts';
import type { ReadSource } from '../model/plan.ts';
import type { PoolAccess } from '../model/pool.ts';
import type { Progress, RestoreTarget, TaskResult, TaskSpec, TaskType, VaultAccess } from '../model/task.ts';
import type { Backend } from '../ports/backend.ts';
import type { Restorer } from '../ports/restorer.ts';
import type { ServiceContext } from '../ports/service.ts';
import type { Source, Warn } from '../ports/source.ts';
import { createRepository, type LockKeeper, openRepository, type RepositoryOptions } from '../repository/repository.ts';
import { makeScratch } from './scratch.ts';
import { freezeApplications, groundOf } from './still-ground.ts';
import type { TaskHost } from './task-host.ts';
import { endInstance, providers, type RestorerContext, restorers, type SourceContext, settle, sources } from './wiring.ts';

export interface TaskContext {
  readonly signal: AbortSignal;
  readonly warn: Warn;
  readonly progress: (progress: Progress) => void;
  readonly out: Writable;
  readonly keeper: LockKeeper;
  readonly limit: Limit;
  readonly host: TaskHost;
  /** What tests set otherwise. */
  readonly repository?: Partial<RepositoryOptions>;
  readonly wrapBackend?: (backend: Backend) => Backend;
  readonly findDisks?: () => HostDisks;
}

const types: { readonly [T in TaskType]: (spec: Extract<TaskSpec, { type: T }>, deps: EngineDeps) => Promise<TaskResult> } = {
  probe: async (spec, deps) => ({ probe: await deps.probePool(spec.pool, spec.create, spec.bind), warnings: 0 }),
  'instance-end': async (spec) => {
    await endInstance(spec);
    return { warnings: 0 };
  },
  'vault-create': createVault,
  'vault-attach': attachVault,
  'vault-scan': scanVault,
  'vault-unlock': unlockVault,
  'vault-delete': deleteVault,
  'vault-recover': recoverVault,
  keys: manageKeys,
  backup: backUp,
  restore,
  check,
  prune,
  forget,
  ls,
  find,
  diff,
  cat,
};

/** What gives space back must work where there is none. */
const freeing: readonly TaskType[] = ['forget', 'prune', 'vault-delete'];

export async function runTask(spec: TaskSpec, context: TaskContext): Promise<TaskResult> {
  const run = types[spec.type] as (spec: TaskSpec, deps: EngineDeps) => Promise<TaskResult>;
  const scratch = lazyScratch();
  try {
    return await run(spec, engineDeps(spec, context, scratch.path));
  } finally {
    scratch.remove();
  }
}

/** A directory of the task's own, made when it is asked for. */
function lazyScratch() {
  let made: string | undefined;
  return {
    path: () => (made ??= makeScratch(tmpdir())),
    remove: () => made !== undefined && rmSync(made, { recursive: true, force: true }),
  };
}

function engineDeps(spec: TaskSpec, context: TaskContext, scratch: () => string): EngineDeps {
  const { signal, warn, progress, out, keeper, limit, wrapBackend = (backend) => backend } = context;
  const options = { keeper, ...context.repository };
  const own = [...context.host.own, ...localPools(spec)];
  const localAddress = 'vault' in spec ? spec.vault.pool.localAddress : undefined;
  const open = async (vault: VaultAccess) =>
    wrapBackend(await openBackend(providers, vault, { limit, spendReserve: freeing.includes(spec.type), lockMemory: layoutOf().tmp }));
  const service = (tell: Warn): ServiceContext => ({ warn: tell, signal, scratch, localAddress });
  return {
    clock: context.repository?.clock ?? systemClock,
    signal,
    warn,
    progress,
    out,
    openBackend: open,
    openVault: async (vault) => openRepository(await open(vault), vault.password, options),
    recoverVault: (vault, at, dryRun) => {
      const onProgress = (bytesDone: number) => progress({ bytesDone, bytesTotal: 0, filesDone: 0, filesTotal: 0, current: '' });
      return bringBack(providers, vault, { at, dryRun, signal, onProgress }, { limit });
    },
    createVault: async (vault, recoveryKey) =>
      createRepository(
        await open(vault),
        [
          { password: vault.password, kind: 'random' },
          { password: recoveryKey, kind: 'password' },
        ],
        options,
      ),
    probePool: async (pool, create, bind) => {
      const report = await probePool(providers, pool, create, { limit });
      if (pool.id === undefined || report.steps.some((step) => !step.ok)) return report;
      if (!bind) {
        assertMarker(pool, report.poolId);
        return report;
      }
      // A place that another host has marked keeps its id.
      const poolId = report.poolId ?? pool.id;
      await bindPool(providers, pool, poolId, create, { limit });
      return { ...report, poolId };
    },
    settle: (source, tell) => settle(source, { ...service(tell), pools: localPools(spec), findDisks: context.findDisks }),
    startHooks: context.host.startHooks,
    groundOf: (backup) => groundOf(backup, context.host.images, warn),
    freeze: (backup, writersOf) => freezeApplications(backup, { ...context.host.freezer, signal }, writersOf),
    openSource: (settings, tell, placeOf) =>
      openSource(settings, { ...service(tell), own, placeOf, since: spec.type === 'backup' ? spec.since : undefined }),
    restorer: (target) => openRestorer(target, { ...service(warn), own }),
  };
}

function openSource<K extends ReadSource['kind']>(settings: Extract<ReadSource, { kind: K }>, context: SourceContext): Promise<Source> {
  return sources[settings.kind as K](settings, context);
}

function openRestorer<K extends RestoreTarget['kind']>(
  target: Extract<RestoreTarget, { kind: K }>,
  context: RestorerContext,
): Promise<Restorer> {
  return restorers[target.kind as K](target, context);
}

function assertMarker(pool: PoolAccess, found: string | undefined): void {
  const params = { pool: pool.id ?? '', location: pool.place.type === 'local' ? pool.place.path : pool.place.bucket, found: found ?? '' };
  if (found === undefined) fail('POOL_MARKER_MISSING', params);
  if (found !== pool.id) fail('POOL_MARKER_FOREIGN', params);
}

/** A vault must not swallow itself. */
function localPools(spec: TaskSpec): string[] {
  if (!('vault' in spec)) return [];
  const { place } = spec.vault.pool;
  return place.type === 'local' ? [place.path] : [];
}
