// Single blobs proven where they lie, pack by pack: only the stretches needed are read, or the whole pack when that is most of it.
import { isCode } from '../base/errors.ts';
import { backgroundLane, gate } from '../base/lane.ts';
import { derivedSize } from './check-packs.ts';
import { blobsToLoad, ownMemory, packRanges } from './pack-ranges.ts';
import { provePackTwice } from './prove-pack.ts';
import type { OpenState } from './vault-state.ts';
import { within, withVerifiers } from './verifiers.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface Verified {
  /** Entries that cannot be read or are not what their ids say, with what is wrong. */
  readonly damaged: ReadonlyMap<number, string>;
  /** Numbers of packs with something wrong in them. */
  readonly broken: ReadonlySet<number>;
}

/** Bytes loaded at a time. */
const inFlight = 96 << 20;
/** From this share of a pack on it is read whole, which proves its name and header too. */
const mostOfPack = 0.5;

/** `entries` in any order. A second reading must agree before anything is called damaged. */
export async function verifyEntries(state: OpenState, entries: Iterable<number>, signal: AbortSignal): Promise<Verified> {
  const damaged = new Map<number, string>();
  const broken = new Set<number>();
  const byPack = groupByPack(state, entries);
  if (byPack.size === 0) return { damaged, broken };

  const condemn = (entry: number, pack: number, detail: string) => {
    damaged.set(entry, detail);
    broken.add(pack);
  };

  const verifyWhole = async (pool: WorkerPool, pack: number, wanted: readonly number[]) => {
    const proof = await provePackTwice(state, pool, pack);
    if (proof.trouble !== undefined || proof.damaged.size > 0) broken.add(pack);
    for (const entry of wanted) if (proof.damaged.has(entry)) condemn(entry, pack, proof.damaged.get(entry)!);
  };

  const verifyRange = async (pool: WorkerPool, pack: number, wanted: readonly number[], offset: number, length: number): Promise<void> => {
    const bad = await damagedIn(state, pool, pack, wanted, offset, length);
    for (const [entry] of bad) {
      const { offset: own, length: ownLength } = state.index.location(entry);
      const again = await damagedIn(state, pool, pack, [entry], own, ownLength);
      for (const [, detail] of again) condemn(entry, pack, detail);
    }
  };

  await withVerifiers(state, signal, async (pool) => {
    const room = gate(inFlight);
    const lane = backgroundLane(Math.max(2, state.backend.connections));
    for (const [pack, wanted] of byPack) {
      const size = derivedSize(state, pack);
      const bytes = wanted.reduce((sum, entry) => sum + state.index.location(entry).length, 0);
      if (bytes >= size * mostOfPack) lane.add(() => within(room, size, signal, () => verifyWhole(pool, pack, wanted)));
      else
        for (const { offset, length, entries: some } of packRanges(state.index, wanted))
          lane.add(() => within(room, length, signal, () => verifyRange(pool, pack, some, offset, length)));
    }
    await lane.idle();
  });
  return { damaged, broken };
}

function groupByPack({ index, packs }: OpenState, entries: Iterable<number>): Map<number, number[]> {
  const byPack = new Map<number, number[]>();
  for (const entry of entries) {
    const { pack } = index.location(entry);
    if (packs.names[pack] === undefined) continue; // on its way
    const known = byPack.get(pack);
    if (known) known.push(entry);
    else byPack.set(pack, [entry]);
  }
  return byPack;
}

async function damagedIn(
  state: OpenState,
  pool: WorkerPool,
  pack: number,
  entries: readonly number[],
  offset: number,
  length: number,
): Promise<readonly (readonly [number, string])[]> {
  const name = state.packs.names[pack]!;
  try {
    const bytes = await state.backend.load('data', name, { offset, length });
    const { damaged } = await pool.run(
      { type: 'verify', bytes, pack: name, blobs: blobsToLoad(state.index, entries, offset) },
      ownMemory(bytes),
    );
    return damaged.map(({ number, detail }) => [entries[number]!, detail] as const);
  } catch (error) {
    if (!isCode(error, 'BACKEND_NOT_FOUND', 'BACKEND_SHORT')) throw error;
    return entries.map((entry) => [entry, (error as Error).message] as const);
  }
}
