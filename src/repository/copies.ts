// Second copies of a blob: two hosts that stored it at once, or a prune that was cut short. Rare, and worth gold when one copy is damaged.
import type { BlobIndex, SharedIndex } from './blob-index.ts';

export interface CopyFinder {
  /** The other copies of the blob whose entry `find` gives. */
  others(entry: number): readonly number[];
  /** Every blob that has more than one copy, by the entry that `find` gives. */
  all(): ReadonlyMap<number, readonly number[]>;
}

/** Looks through the index when first asked, and again once it has changed. `index` gives the current one. */
export function copyFinder(index: () => BlobIndex): CopyFinder {
  let copies = new Map<number, number[]>();
  let shared: SharedIndex | undefined;
  let count = 0;

  const all = () => {
    const now = index();
    if (now.shared !== shared || now.count() !== count) {
      shared = now.shared;
      count = now.count();
      copies = findCopies(now, count);
    }
    return copies;
  };
  return { all, others: (entry) => all().get(entry) ?? [] };
}

function findCopies(index: BlobIndex, count: number): Map<number, number[]> {
  const copies = new Map<number, number[]>();
  for (let entry = 0; entry < count; entry++) {
    const found = index.find(index.idOf(entry), index.isTree(entry));
    if (found < 0 || found === entry) continue; // hidden, or the only one so far
    const known = copies.get(found);
    if (known) known.push(entry);
    else copies.set(found, [entry]);
  }
  return copies;
}
