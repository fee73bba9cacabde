// What the engine is given by whoever wires it: adapters by capability, the task's ears and mouth, the time.
import type { Writable } from 'node:stream';
import type { Clock } from '../base/clock.ts';
import type { ReadSource, SourceSettings } from '../model/plan.ts';
import type { PoolAccess } from '../model/pool.ts';
import type { Progress, RecoverReport, RestoreTarget, TaskSpec, VaultAccess } from '../model/task.ts';
import type { Backend, ProbeReport } from '../ports/backend.ts';
import type { Restorer } from '../ports/restorer.ts';
import type { Settled } from '../ports/settled.ts';
import type { Source, Warn } from '../ports/source.ts';
import type { Repository } from '../repository/repository.ts';
import type { StartHooks } from './hooks.ts';
import type { Frozen, Ground } from './still-point.ts';

/** Of a backup's spec, what concerns the host, with the source as it is settled. */
export type GroundSpec = Pick<Extract<TaskSpec, { type: 'backup' }>, 'consistency' | 'task' | 'freezesPerHour'> & {
  readonly source: ReadSource;
};

export interface EngineDeps {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly warn: Warn;
  readonly progress: (progress: Progress) => void;
  /** Where ls, find, diff and cat write. */
  readonly out: Writable;
  /** The repository, opened with the password of `vault`. */
  openVault(vault: VaultAccess): Promise<Repository>;
  /** The place of the repository, whether or not there is one yet. */
  openBackend(vault: VaultAccess): Promise<Backend>;
  /** Makes the repository what it was at a moment (ms since the epoch). Throws POOL_NO_OBJECT_LOCK for a pool that keeps no versions. */
  recoverVault(vault: VaultAccess, at: number, dryRun: boolean): Promise<RecoverReport>;
  createVault(vault: VaultAccess, recoveryKey: string): Promise<Repository>;
  probePool(pool: PoolAccess, create: boolean, bind: boolean): Promise<ProbeReport>;
  /** What the source stands for now: the disks that a server has, anything else itself. Throws SOURCE_MISSING. */
  settle(source: SourceSettings, warn: Warn): Promise<Settled>;
  /** What the source lies on. */
  groundOf(spec: GroundSpec): Promise<Ground>;
  readonly startHooks: StartHooks;
  /** Brings the applications of this host to a still point. Throws FREEZE_…, SCRIPT_…, DATABASE_…; nothing is frozen then. */
  freeze(spec: GroundSpec, writersOf: readonly string[]): Promise<Frozen>;
  /** `placeOf`: where a live path is read; where it is if not given. */
  openSource(settings: ReadSource, warn: Warn, placeOf?: (path: string) => string): Promise<Source>;
  /** The adapter that brings data back to a target of this kind. */
  restorer(target: RestoreTarget): Promise<Restorer>;
}
