// What a kind of pool must offer: opening a repository's place in it, trying what the credentials may do, marking it as ours.
import type { Patience } from '../base/backoff.ts';
import { failure } from '../base/errors.ts';
import type { Limit } from '../base/limit.ts';
import type { Place, PoolAccess } from '../model/pool.ts';
import type { RecoverReport } from '../model/task.ts';
import type { Backend, ProbeReport } from '../ports/backend.ts';
import type { Network } from '../ports/network.ts';

/** A pool as `recover` and `vault attach` know it, too: without an id its marker is not asked for. */
export type PoolDoor = Omit<PoolAccess, 'id'> & { readonly id?: string };

/** One repository in a pool. */
export interface VaultAccess {
  readonly pool: PoolDoor;
  /** `<vault>/<agent-id>`, or '' where the place itself is the repository. */
  readonly path: string;
  /** See model/task.ts. */
  readonly immutableDays?: number;
  readonly at?: number;
}

export interface Recovery {
  readonly at: number;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number) => void;
}

export interface PoolDeps {
  readonly limit: Limit;
  readonly network?: Network;
  /** The repository is opened to give space back: on a full pool it may use what the adapter keeps for that. */
  readonly spendReserve?: boolean;
  /** Directory for what is known of locks from task to task. */
  readonly lockMemory?: string;
}

/** Methods throw passing trouble as Transient; open.ts tries again. */
export interface PoolProvider {
  readonly type: Place['type'];
  /** Throws POOL_MARKER_MISSING, POOL_MARKER_FOREIGN and what Backend throws. */
  open(vault: VaultAccess, deps: PoolDeps): Promise<Backend>;
  /** Tries every right with an object of its own, which it removes; `create` makes the bucket or the directory first. */
  probe(pool: PoolDoor, create: boolean, deps: PoolDeps): Promise<ProbeReport>;
  /** Writes the marker with `id`. Throws POOL_NOT_FOUND (only `create` makes a directory) and POOL_MARKER_FOREIGN. */
  bind(pool: PoolDoor, id: string, create: boolean, deps: PoolDeps): Promise<void>;
  /** The id in the pool's marker, undefined where there is none. */
  markerOf(pool: PoolDoor, deps: PoolDeps): Promise<string | undefined>;
  /** Makes the repository what it was at a moment, and marks the pool again; for pools that keep versions. */
  recover?(vault: VaultAccess, recovery: Recovery, deps: PoolDeps): Promise<RecoverReport>;
}

/** The adapters by type, loaded when one is needed: an SDK weighs more than the process that never uses it. */
export type Providers = { readonly [type in Place['type']]: () => Promise<PoolProvider> };

/** Optional parts of opening; what is left out is the system's. */
export interface OpenDeps {
  /** Default: a limit of the pool's own bandwidth, which nobody can change later. */
  readonly limit?: Limit;
  readonly network?: Network;
  readonly patience?: Patience;
  /** See PoolDeps; default: no. */
  readonly spendReserve?: boolean;
  /** See PoolDeps; default: what is known of locks is forgotten. */
  readonly lockMemory?: string;
}

/** The place as the adapter's own kind; a wrong entry in the table of providers is a defect. */
export function placeOf<T extends Place['type']>(pool: PoolDoor, type: T): Extract<Place, { type: T }> {
  if (pool.place.type !== type) throw failure('INTERNAL', { detail: `a ${pool.place.type} pool was given to the ${type} adapter` });
  return pool.place as Extract<Place, { type: T }>;
}
