// Gives the space of what no record needs back. What is needed is found first; nothing is touched unless all of it is there.
import { fail } from '../base/errors.ts';
import { backgroundLane } from '../base/lane.ts';
import type { PruneReport } from '../model/task.ts';
import { derivedSize } from './check-packs.ts';
import { copyFinder } from './copies.ts';
import { entriesOf } from './index-file.ts';
import type { Lock } from './lock.ts';
import { type PackUse, type PrunePlan, planPrune } from './prune-plan.ts';
import type { BlobReader } from './read-blob.ts';
import { readRecords } from './records.ts';
import { refuseDamage, rewritePacks } from './repack.ts';
import type { OpenState } from './vault-state.ts';
import { verifyEntries } from './verify.ts';
import { markUsed } from './walk.ts';

export interface PruneOptions {
  /** Only the report: no byte is changed and a shared lock will do. */
  readonly dryRun: boolean;
  /** Unused bytes may stay in data packs up to this share of all that stays (0..100). */
  readonly maxUnusedPercent: number;
  readonly signal: AbortSignal;
  /** Bytes of packs to repack. */
  readonly onProgress?: (done: { readonly bytes: number; readonly bytesTotal: number }) => void;
}

/** restic's bound for a small pack (restic ≥ 0.19, internal/repository/prune.go): 80 % of 4 MiB. */
const smallShare = 0.8;
const smallest = 4 << 20;

/**
 * Under an exclusive lock, with the whole index freshly loaded; it is stale afterwards. Throws REPO_INCOMPLETE (blocks are missing),
 * REPO_DAMAGED (an index file, a record, a tree or a block is); then nothing that anybody needs was changed.
 */
export async function pruneRepository(
  state: OpenState,
  blobs: BlobReader,
  damagedIndexes: readonly { readonly name: string; readonly error: unknown }[],
  lock: Lock,
  options: PruneOptions,
): Promise<PruneReport> {
  const { index, packs } = state;
  const { signal, dryRun, onProgress = () => undefined } = options;
  if (damagedIndexes[0]) throw damagedIndexes[0].error; // its packs would look like nobody's
  const sizes = new Map<string, number>();
  for await (const file of state.backend.list('data')) sizes.set(file.name, file.size);

  await markNeeded(state, blobs, signal);
  const broken = await chooseCopies(state, sizes, !dryRun, signal);
  const uses = packs.names.map((_, pack) => useOf(state, pack, sizes, broken));
  const smallPack = smallShare * Math.min(smallest, state.options.packSize);
  const full = planPrune(uses, { maxUnusedPercent: options.maxUnusedPercent, smallPack });
  const nobodys = [...sizes.keys()].filter((name) => !packs.numbers.has(name));
  const namesOf = (numbers: readonly number[]) => numbers.map((pack) => packs.names[pack]!);
  const locked = await lockedOf(state, [...namesOf(full.drop), ...namesOf(full.repack), ...nobodys], signal);
  const plan = withoutLocked(full, uses, (pack) => locked.has(packs.names[pack]!) && !broken.has(pack));
  const unlisted = nobodys.filter((name) => !locked.has(name));

  const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, number) => total + number, 0);
  const sizeOf = (name: string) => sizes.get(name) ?? 0;
  const unlistedBytes = sum(unlisted.map(sizeOf));
  const report = {
    packsBefore: sizes.size,
    packsRemoved: plan.drop.length + unlisted.length,
    packsRepacked: plan.repack.length,
    bytesBefore: sum(sizes.values()),
    bytesUnused: sum(uses.map((use) => use.unusedBytes)) + unlistedBytes,
    bytesFreed: plan.freed + unlistedBytes,
    blobsUsed: sum(uses.map((use) => use.usedBlobs)),
    blobsUnused: sum(uses.map((use) => use.unusedBlobs)),
    dryRun,
    ...(locked.size > 0 && { packsLocked: locked.size }),
  };
  if (dryRun) return report;

  const bytesTotal = sum(plan.repack.map((pack) => uses[pack]!.usedBytes));
  let bytes = 0;
  const written = await rewritePacks(state, lock, {
    ...plan,
    unlisted,
    keeps: index.isMarked,
    damaged: refuseDamage(state),
    signal,
    onBytes: (more) => {
      bytes = Math.min(bytes + more, bytesTotal);
      onProgress({ bytes, bytesTotal });
    },
  });
  await state.backend.locking?.sweep(signal);
  const removed = sum([...plan.drop, ...plan.repack].map((pack) => sizeOf(packs.names[pack]!)));
  return { ...report, bytesFreed: removed + unlistedBytes - written };
}

/** Packs that nobody can remove yet. */
async function lockedOf({ backend }: OpenState, names: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
  const { locking } = backend;
  const locked = new Set<string>();
  if (!locking) return locked;
  const lane = backgroundLane(Math.max(2, backend.connections));
  for (const name of names)
    lane.add(async () => {
      signal.throwIfAborted();
      if ((await locking.lockedUntil('data', name)) > 0) locked.add(name);
    });
  await lane.idle();
  return locked;
}

/** A locked pack would only lie there twice. A broken one is rewritten all the same, and goes when its time has come. */
function withoutLocked(plan: PrunePlan, uses: readonly PackUse[], isLocked: (pack: number) => boolean): PrunePlan {
  const drop = plan.drop.filter((pack) => !isLocked(pack));
  const repack = plan.repack.filter((pack) => !isLocked(pack));
  const freed = [...drop, ...repack].reduce((total, pack) => total + uses[pack]!.size - uses[pack]!.usedBytes, 0);
  return { drop, repack, freed };
}

/** Marks what the records need. A record or tree that cannot be read may need anything: then nothing can be pruned. */
async function markNeeded(state: OpenState, blobs: BlobReader, signal: AbortSignal): Promise<void> {
  const rethrow = (_: string, error: unknown): never => {
    throw error;
  };
  const missing = new Set<string>();
  const records = await readRecords(state, rethrow);
  const roots = records.map((record) => record.tree);
  state.index.clearMarks();
  await markUsed(state, blobs, roots, { missing: (id) => missing.add(id), unreadable: rethrow, odd: () => undefined }, signal);
  if (missing.size > 0) fail('REPO_INCOMPLETE', { count: missing.size });
}

/**
 * Leaves a mark on one copy of each needed blob: on the one in the pack that is used most. Where another copy is given up for it, it is read
 * first (unless `verify` is off). Returns the packs that were found broken. Throws REPO_INCOMPLETE, REPO_DAMAGED.
 */
async function chooseCopies(
  state: OpenState,
  sizes: ReadonlyMap<string, number>,
  verify: boolean,
  signal: AbortSignal,
): Promise<Set<number>> {
  const { index, packs } = state;
  const copies = copyFinder(() => index).all();
  const broken = new Set(packs.names.keys().filter((pack) => sizes.get(packs.names[pack]!) !== derivedSize(state, pack)));
  const isThere = (entry: number) => {
    const { pack, offset, length } = index.location(entry);
    return !broken.has(pack) || offset + length <= (sizes.get(packs.names[pack]!) ?? 0);
  };

  let missing = 0;
  const usedBytes = new Float64Array(packs.names.length);
  /** What is left to choose from, by the entry that bears the mark so far. */
  let open = new Map<number, number[]>();
  for (let entry = 0; entry < index.count(); entry++) {
    if (!index.isMarked(entry)) continue;
    const candidates = [entry, ...(copies.get(entry) ?? [])].filter(isThere);
    if (candidates.length === 0) missing++;
    else if (copies.has(entry)) open.set(entry, candidates);
    else usedBytes[index.location(entry).pack]! += index.location(entry).length;
  }
  if (missing > 0) fail('REPO_INCOMPLETE', { count: missing });

  const worth = (entry: number) => (broken.has(index.location(entry).pack) ? -1 : usedBytes[index.location(entry).pack]!);
  for (const candidates of open.values()) candidates.sort((a, b) => worth(b) - worth(a) || a - b);
  while (open.size > 0) {
    const firsts = [...open.values()].map((candidates) => candidates[0]!);
    const { damaged, broken: found } = verify
      ? await verifyEntries(state, firsts, signal)
      : { damaged: new Map<number, string>(), broken: [] };
    for (const pack of found) broken.add(pack);
    const again = new Map<number, number[]>();
    for (const [marked, [first, ...rest]] of open) {
      const detail = damaged.get(first!);
      if (detail === undefined) {
        index.unmark(marked);
        index.mark(first!);
      } else if (rest.length > 0) again.set(marked, rest);
      else refuseDamage(state)(first!, detail);
    }
    open = again;
  }
  return broken;
}

function useOf(state: OpenState, pack: number, sizes: ReadonlyMap<string, number>, broken: ReadonlySet<number>): PackUse {
  const { index, packs, config } = state;
  const use = { usedBlobs: 0, usedBytes: 0, unusedBlobs: 0, unusedBytes: 0, rawTrees: false };
  let trees = 0;
  const entries = entriesOf(packs, pack);
  for (const entry of entries) {
    const { length, plainLength } = index.location(entry);
    const tree = index.isTree(entry);
    if (tree) trees++;
    if (tree && plainLength === 0 && config.version >= 2) use.rawTrees = true;
    if (index.isMarked(entry)) {
      use.usedBlobs++;
      use.usedBytes += length;
    } else {
      use.unusedBlobs++;
      use.unusedBytes += length;
    }
  }
  const kind = trees === 0 ? 'data' : trees === entries.length ? 'tree' : 'mixed';
  return { pack, size: sizes.get(packs.names[pack]!) ?? 0, kind, broken: broken.has(pack), ...use };
}
