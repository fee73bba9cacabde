// Opening, probing and binding a pool, whatever its kind: the adapter is chosen from the caller's table by the place's type, and passing
// trouble is outlasted here, once, for all of them.
import { backoff, type Patience } from '../base/backoff.ts';
import { fail } from '../base/errors.ts';
import { bandwidthLimit } from '../base/limit.ts';
import type { RecoverReport } from '../model/task.ts';
import type { Backend, ProbeReport } from '../ports/backend.ts';
import type { OpenDeps, PoolDeps, PoolDoor, Providers, Recovery, VaultAccess } from './provider.ts';
import { retrying } from './retry.ts';

/** A person waits for these: a pool that is away is told so within seconds. */
const short: Patience = { maxElapsed: 8_000 };

/** The repository's place in the pool, ready to use. Throws POOL_MARKER_MISSING, POOL_MARKER_FOREIGN and what Backend throws. */
export async function openBackend(providers: Providers, vault: VaultAccess, deps: OpenDeps = {}): Promise<Backend> {
  const provider = await providers[vault.pool.place.type]();
  const { id, ...door } = vault.pool;
  // An empty id is one that nobody knows yet.
  const asked = id ? vault : { ...vault, pool: door };
  const raw = await backoff(() => provider.open(asked, poolDeps(vault.pool, deps)), deps.patience);
  return retrying(raw, deps.patience);
}

/** Makes the repository what it was at a moment. Throws POOL_NO_OBJECT_LOCK for a pool that keeps no versions. */
export async function recoverVault(providers: Providers, vault: VaultAccess, recovery: Recovery, deps: OpenDeps): Promise<RecoverReport> {
  const provider = await providers[vault.pool.place.type]();
  if (!provider.recover) fail('POOL_NO_OBJECT_LOCK', { location: vault.path, detail: 'a directory keeps no versions' });
  return await provider.recover(vault, recovery, poolDeps(vault.pool, deps));
}

/**
 * Tries each right, and tells the id of a pool that is marked already; throws where the pool cannot be reached at all or refuses the
 * credentials.
 */
export async function probePool(providers: Providers, pool: PoolDoor, create: boolean, deps: OpenDeps = {}): Promise<ProbeReport> {
  const provider = await providers[pool.place.type]();
  const patience = { ...short, ...deps.patience };
  const report = await backoff(() => provider.probe(pool, create, poolDeps(pool, deps)), patience);
  // Without the right to list, a store answers "access denied" for an object that is not there.
  if (report.steps.some((step) => !step.ok)) return report;
  const poolId = await backoff(() => provider.markerOf(pool, poolDeps(pool, deps)), patience);
  return poolId === undefined ? report : { ...report, poolId };
}

/** Marks the pool with `id`. Throws POOL_NOT_FOUND and POOL_MARKER_FOREIGN. */
export async function bindPool(providers: Providers, pool: PoolDoor, id: string, create: boolean, deps: OpenDeps = {}): Promise<void> {
  const provider = await providers[pool.place.type]();
  await backoff(() => provider.bind(pool, id, create, poolDeps(pool, deps)), { ...short, ...deps.patience });
}

/** The id that the pool is marked with, undefined for none: on another host the same pool keeps its id. */
export async function poolMarker(providers: Providers, pool: PoolDoor, deps: OpenDeps = {}): Promise<string | undefined> {
  const provider = await providers[pool.place.type]();
  return await backoff(() => provider.markerOf(pool, poolDeps(pool, deps)), { ...short, ...deps.patience });
}

function poolDeps(pool: PoolDoor, deps: OpenDeps): PoolDeps {
  const limit = deps.limit ?? bandwidthLimit(pool.bandwidth);
  const { spendReserve, lockMemory } = deps;
  const { localAddress } = pool;
  const network = localAddress === undefined ? deps.network : { ...deps.network, localAddress };
  return { limit, ...(network && { network }), ...(spendReserve && { spendReserve }), ...(lockMemory && { lockMemory }) };
}
