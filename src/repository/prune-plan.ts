// What prune will do, decided before anything is touched. Pure: packs and what of them is needed in, packs to drop and to repack out.

/** A pack that an index lists. Bytes are those of stored envelopes. */
export interface PackUse {
  readonly pack: number;
  /** Bytes of the file as it lies there; 0 when it is missing. */
  readonly size: number;
  readonly kind: 'data' | 'tree' | 'mixed';
  readonly usedBlobs: number;
  readonly usedBytes: number;
  readonly unusedBlobs: number;
  readonly unusedBytes: number;
  /** Holds a tree that is not compressed, though the format could. */
  readonly rawTrees: boolean;
  /** Holds a damaged copy of a blob, or has not the size that the index says. */
  readonly broken: boolean;
}

export interface PlanOptions {
  /** Unused bytes may stay in data packs up to this share of all that stays (0..100). */
  readonly maxUnusedPercent: number;
  /** Packs below this size (bytes) are worth merging. */
  readonly smallPack: number;
}

export interface PrunePlan {
  /** Nothing in them is needed. */
  readonly drop: readonly number[];
  /** What is needed in them moves to new packs. */
  readonly repack: readonly number[];
  /** Stored bytes of packs that go, less the bytes that move to new packs (without the new packs' headers). */
  readonly freed: number;
}

/** restic merges small packs only when it is worth it (restic ≥ 0.19, internal/repository/prune.go). */
const smallPacksAtLeast = 10;

export function planPrune(packs: readonly PackUse[], options: PlanOptions): PrunePlan {
  const drop = packs.filter((use) => use.usedBlobs === 0);
  const needed = packs.filter((use) => use.usedBlobs > 0);
  const forced = needed.filter(mustRepack);
  const rest = needed.filter((use) => !mustRepack(use));
  const merged = [...smallOnes(rest, 'data', options), ...smallOnes(rest, 'tree', options)];
  const chosen = new Set([...forced, ...merged]);

  const used = needed.reduce((sum, use) => sum + use.usedBytes, 0);
  const allowed =
    options.maxUnusedPercent >= 100 ? Number.POSITIVE_INFINITY : (used * options.maxUnusedPercent) / (100 - options.maxUnusedPercent);
  const worstFirst = rest.filter((use) => !chosen.has(use)).sort((a, b) => unusedShare(b) - unusedShare(a) || a.pack - b.pack);
  let left = worstFirst.reduce((sum, use) => sum + use.unusedBytes, 0);
  for (const use of worstFirst) {
    if (left <= allowed || use.unusedBlobs === 0) break;
    chosen.add(use);
    left -= use.unusedBytes;
  }

  const repack = needed.filter((use) => chosen.has(use));
  const freed = [...drop, ...repack].reduce((sum, use) => sum + use.size - use.usedBytes, 0);
  return { drop: drop.map((use) => use.pack), repack: repack.map((use) => use.pack), freed };
}

/** Trees are read often, by restic's cache as whole packs: they are kept free of waste, compressed and apart from data. */
function mustRepack(use: PackUse): boolean {
  return use.broken || use.kind === 'mixed' || (use.kind === 'tree' && (use.unusedBlobs > 0 || use.rawTrees));
}

function smallOnes(packs: readonly PackUse[], kind: PackUse['kind'], { smallPack }: PlanOptions): PackUse[] {
  const small = packs.filter((use) => use.kind === kind && use.size < smallPack);
  return small.length >= smallPacksAtLeast ? small : [];
}

const unusedShare = (use: PackUse): number => use.unusedBytes / (use.usedBytes + use.unusedBytes);
