// Whole packs read and proven, as `restic check --read-data` does.
import { backgroundLane, gate } from '../base/lane.ts';
import type { Findings } from './findings.ts';
import { provePackTwice } from './prove-pack.ts';
import type { OpenState } from './vault-state.ts';
import { within, withVerifiers } from './verifiers.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface PacksRead {
  readonly packs: number;
  readonly packsTotal: number;
  readonly bytes: number;
  readonly bytesTotal: number;
}

interface ReadingOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (done: PacksRead) => void;
  readonly findings: Findings;
  readonly badEntries: Set<number>;
}

/** Bytes of packs held at a time. */
const inFlight = 96 << 20;

/** Reads these packs (all of them exist); returns the bytes read. */
export async function readPacks(
  state: OpenState,
  chosen: readonly number[],
  sizes: ReadonlyMap<string, number>,
  { signal, onProgress, findings, badEntries }: ReadingOptions,
): Promise<number> {
  if (chosen.length === 0) return 0;
  const { packs, index } = state;
  const sizeOf = (pack: number) => sizes.get(packs.names[pack]!)!;
  const done = { packs: 0, packsTotal: chosen.length, bytes: 0, bytesTotal: chosen.reduce((sum, pack) => sum + sizeOf(pack), 0) };

  const read = async (pool: WorkerPool, pack: number) => {
    const name = packs.names[pack]!;
    const proof = await provePackTwice(state, pool, pack);
    if (proof.trouble !== undefined) findings.error('data', name, proof.trouble);
    for (const [entry, detail] of proof.damaged) {
      badEntries.add(entry);
      findings.error(index.isTree(entry) ? 'tree' : 'block', index.idOf(entry).toString('hex'), `${detail} (pack ${name})`);
    }
    done.packs++;
    done.bytes += sizeOf(pack);
    onProgress(done);
  };

  await withVerifiers(state, signal, async (pool) => {
    const room = gate(inFlight);
    const lane = backgroundLane(Math.max(2, state.backend.connections));
    for (const pack of chosen) lane.add(() => within(room, sizeOf(pack), signal, () => read(pool, pack)));
    await lane.idle();
  });
  return done.bytes;
}
