// Everything that trees need: each distinct tree is read once, whatever number of records holds it. What is found is marked in the index,
// so the walk needs no memory of its own but for the trees still to be read (a few bytes each).
import { backgroundLane } from '../base/lane.ts';
import type { Node } from '../model/node.ts';
import type { BlobId } from '../ports/blob.ts';
import type { BlobType } from './pack.ts';
import type { BlobReader } from './read-blob.ts';
import { readTree } from './tree-store.ts';
import { plainSize } from './unpack.ts';
import type { OpenState } from './vault-state.ts';

export interface WalkVisitor {
  /** A block that no index lists. */
  missing(id: BlobId, type: BlobType): void;
  /** A tree that cannot be read or is not what a tree must be; what lies below it stays unknown. Another error ends the walk. */
  unreadable(tree: BlobId, error: unknown): void;
  /** A node that contradicts itself or its neighbours. */
  odd(tree: BlobId, detail: string): void;
}

/** Marks the entries of all blobs that the trees `roots` need. Clear the marks first. */
export async function markUsed(
  state: OpenState,
  blobs: BlobReader,
  roots: readonly BlobId[],
  visitor: WalkVisitor,
  signal: AbortSignal,
): Promise<void> {
  const { index } = state;
  let pending: number[] = [];

  const need = (id: BlobId, type: BlobType): number => {
    const entry = index.find(Buffer.from(id, 'hex'), type === 'tree');
    if (entry < 0) visitor.missing(id, type);
    else if (!index.isMarked(entry)) {
      index.mark(entry);
      if (type === 'tree') pending.push(entry);
    }
    return entry;
  };

  const visitNode = (tree: BlobId, node: Node) => {
    if (node.subtree !== undefined) need(node.subtree, 'tree');
    if (node.content === undefined) return;
    let bytes = 0;
    let complete = true;
    for (const id of node.content) {
      const entry = need(id, 'data');
      if (entry < 0) complete = false;
      else bytes += plainSize(index.location(entry));
    }
    if (complete && bytes !== node.size) visitor.odd(tree, `the file ${shown(node.name)} has ${node.size} bytes, its blocks have ${bytes}`);
  };

  const visitTree = async (entry: number) => {
    signal.throwIfAborted();
    const id = index.idOf(entry).toString('hex');
    let previous: Buffer | undefined;
    try {
      for await (const node of readTree(state, blobs, id)) {
        if (previous && Buffer.compare(previous, node.name) >= 0) visitor.odd(id, `${shown(node.name)} stands behind ${shown(previous)}`);
        previous = node.name;
        visitNode(id, node);
      }
    } catch (error) {
      visitor.unreadable(id, error);
    }
  };

  for (const root of roots) need(root, 'tree');
  while (pending.length > 0) {
    const level = inPackOrder(state, pending);
    pending = [];
    const lane = backgroundLane(Math.max(2, state.backend.connections));
    for (const entry of level) lane.add(() => visitTree(entry));
    await lane.idle();
  }
}

/** Trees that lie side by side are read together. */
function inPackOrder({ index }: OpenState, entries: readonly number[]): number[] {
  return entries
    .map((entry) => ({ entry, ...index.location(entry) }))
    .sort((a, b) => a.pack - b.pack || a.offset - b.offset)
    .map(({ entry }) => entry);
}

const shown = (name: Buffer): string => JSON.stringify(name.toString('utf8').slice(0, 80));
