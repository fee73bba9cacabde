// Trees in and out of the vault. A tree may be far larger than memory likes (a directory of a million entries makes 400 MB of JSON):
// going out it is hashed and compressed as it grows, coming in it is unpacked and parsed as it is used.
import { createHash } from 'node:crypto';
import { collector } from '../base/collect.ts';
import { fail } from '../base/errors.ts';
import { joined } from '../base/own-memory.ts';
import type { Node } from '../model/node.ts';
import type { BlobId } from '../ports/blob.ts';
import { hugeTree, type TreeSinkDeps, unzipped } from './huge-tree.ts';
import { type BlobReader, locate } from './read-blob.ts';
import { decodeTree, decodeTreeSync, treeEncoder } from './tree.ts';
import type { OpenState } from './vault-state.ts';

/** Trees up to this size (bytes of JSON) are handled in one piece. */
const onePiece = 8 << 20;
/** Bytes of a larger one that are passed on at a time. */
const streamStep = 1 << 20;
const leastBuffer = 4096;

/** Told of the bytes of trees that pass through this thread. */
const passed = collector(8 << 20);
/** Told of the bytes of trees too large for one piece: their nodes live long enough to be garbage that only a major collection takes. */
const streamed = collector(4 << 20, 'major');

export interface TreeSink {
  /** Nodes in the order of their names. */
  add(node: Node): void | Promise<void>;
  end(): Promise<BlobId>;
}

export function treeSink(deps: TreeSinkDeps): TreeSink {
  const encoder = treeEncoder();
  // One buffer for all nodes: a Buffer for each would be garbage by the million.
  let buffer = Buffer.alloc(0);
  let filled = 0;
  let stream: ReturnType<typeof hugeTree> | undefined;

  const put = (text: string): void => {
    const most = filled + 3 * text.length;
    if (most > buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(most, 2 * buffer.length, leastBuffer));
      buffer.copy(larger, 0, 0, filled);
      buffer = larger;
    }
    filled += buffer.write(text, filled, 'utf8');
  };
  const writeOut = async (): Promise<void> => {
    stream ??= hugeTree(deps);
    streamed(filled);
    await stream.write(buffer.subarray(0, filled));
    if (buffer.length > 2 * streamStep) buffer = Buffer.alloc(0);
    filled = 0;
  };

  return {
    add: (node) => {
      put(encoder.text(node));
      if (filled < (stream ? streamStep : onePiece) || deps.state.config.version < 2) return; // format 1 has no compression to stream through
      return writeOut();
    },
    end: async () => {
      put(encoder.end().toString());
      if (stream) return stream.end(buffer.subarray(0, filled));
      const whole = joined([buffer.subarray(0, filled)]);
      passed(whole.length);
      const { ids, added } = await deps.pool.run({ type: 'store', blobType: 'tree', blobs: [whole], mark: deps.mark }, [whole.buffer]);
      deps.count(added);
      return Buffer.from(ids[0]!).toString('hex');
    },
  };
}

/** The nodes of a tree in order. Throws REPO_BLOB_MISSING, REPO_DAMAGED. */
export async function* readTree(state: OpenState, reader: BlobReader, id: BlobId): AsyncGenerator<Node> {
  const location = locate(state, id, 'tree');
  passed(location.plainLength);
  if (location.plainLength <= onePiece) {
    yield* decodeTreeSync(await reader.load(id, 'tree'), id);
    return;
  }
  streamed(location.length);
  const digest = createHash('sha256');
  const hashed = async function* (): AsyncGenerator<Buffer> {
    for await (const piece of unzipped(await reader.loadPacked(id, 'tree'))) {
      digest.update(piece);
      streamed(piece.length);
      yield piece;
    }
  };
  yield* decodeTree(hashed(), id);
  if (digest.digest('hex') !== id) fail('REPO_DAMAGED', { kind: 'tree', name: id, detail: 'its content does not match its name' });
}
