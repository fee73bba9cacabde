// Which records need damaged blocks. A second walk, done only when there are any.
import type { BlobId } from '../ports/blob.ts';
import type { BlobReader } from './read-blob.ts';
import type { RecordFile } from './record.ts';
import { readTree } from './tree-store.ts';
import type { OpenState } from './vault-state.ts';

export interface BadBlobs {
  readonly data: ReadonlySet<BlobId>;
  readonly tree: ReadonlySet<BlobId>;
}

/** So many blocks are named for each record; the rest says nothing new. */
export const namedPerRecord = 1000;

/**
 * Record id → the bad blocks that it needs. Marks are used for trees that need none, so that each tree is read once whatever number of
 * records holds it; they are cleared before and after.
 */
export async function findHurt(
  state: OpenState,
  blobs: BlobReader,
  records: readonly RecordFile[],
  bad: BadBlobs,
  signal: AbortSignal,
): Promise<Record<string, readonly BlobId[]>> {
  const { index } = state;
  const hurtTrees = new Map<number, ReadonlySet<BlobId>>();
  const none: ReadonlySet<BlobId> = new Set();

  const below = async (tree: BlobId): Promise<ReadonlySet<BlobId>> => {
    signal.throwIfAborted();
    const entry = index.find(Buffer.from(tree, 'hex'), true);
    if (entry < 0 || bad.tree.has(tree)) return new Set([tree]);
    if (index.isMarked(entry)) return none;
    const known = hurtTrees.get(entry);
    if (known) return known;
    const found = new Set<BlobId>();
    const add = (id: BlobId) => found.size < namedPerRecord && found.add(id);
    const children = new Set<BlobId>();
    try {
      for await (const node of readTree(state, blobs, tree)) {
        if (node.subtree !== undefined) children.add(node.subtree);
        for (const id of node.content ?? []) if (bad.data.has(id)) add(id);
      }
    } catch {
      add(tree); // the first walk has said why
    }
    for (const child of children) for (const id of await below(child)) add(id);
    if (found.size > 0) hurtTrees.set(entry, found);
    else index.mark(entry);
    return found;
  };

  const hurt: Record<string, readonly BlobId[]> = {};
  index.clearMarks();
  for (const { id, tree } of records) {
    const found = await below(tree);
    if (found.size > 0) hurt[id] = [...found].sort();
  }
  index.clearMarks();
  return hurt;
}
