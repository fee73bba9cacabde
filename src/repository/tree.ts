// Trees: `{"nodes":[…]}` and a newline, the nodes in strictly increasing order of the raw bytes of their names. A tree's id is the
// SHA-256 of exactly these bytes. Written and read node by node, as a directory may hold millions. Sources: restic's doc/design.rst
// "Trees and Data", internal/data/tree.go.
import { fail } from '../base/errors.ts';
import type { Node } from '../model/node.ts';
import { quote } from './go-text.ts';
import { type Damaged, nodeJson, parseNode } from './node-json.ts';

/** The JSON of one node as Go writes it. Throws INTERNAL. */
export const encodeNode = (node: Node): Buffer => Buffer.from(nodeJson(node), 'utf8');

export interface TreeEncoder {
  /** The next bytes of the tree. Throws INTERNAL if the name does not come after the one before. */
  add(node: Node): Buffer;
  /** The same as text. */
  text(node: Node): string;
  /** The last bytes; call once. */
  end(): Buffer;
}

export function treeEncoder(): TreeEncoder {
  let previous: Buffer | undefined;
  const encoder: TreeEncoder = {
    add: (node) => Buffer.from(encoder.text(node), 'utf8'),
    text(node) {
      if (previous !== undefined && Buffer.compare(previous, node.name) >= 0)
        fail('INTERNAL', { detail: `in a tree "${quote(node.name)}" was to follow "${quote(previous)}"` });
      const before = previous === undefined ? '{"nodes":[' : ',';
      previous = node.name;
      return before + nodeJson(node);
    },
    end: () => Buffer.from(previous === undefined ? '{"nodes":[]}\n' : ']}\n'),
  };
  return encoder;
}

/** The nodes of a tree, one after the other; holds one node's text and a slice of the tree. Throws REPO_DAMAGED, which names `id`. */
export async function* decodeTree(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, id?: string): AsyncGenerator<Node> {
  const damaged = damagedTree(id);
  const splitter = nodeSplitter(damaged);
  for await (const chunk of chunks) {
    for (const slice of slices(chunk)) for (const text of splitter.push(slice)) yield parseNode(text, damaged);
  }
  splitter.end();
}

/** The same for a tree at hand. */
export function decodeTreeSync(bytes: Uint8Array, id?: string): Node[] {
  const damaged = damagedTree(id);
  const splitter = nodeSplitter(damaged);
  const nodes: Node[] = [];
  for (const slice of slices(bytes)) for (const text of splitter.push(slice)) nodes.push(parseNode(text, damaged));
  splitter.end();
  return nodes;
}

const damagedTree =
  (id = 'of unknown id'): Damaged =>
  (detail) =>
    fail('REPO_DAMAGED', { kind: 'tree', name: id, detail });

/** Bytes split at a time, so that a large tree is never held as text as a whole. */
const SLICE = 256 * 1024;

function* slices(bytes: Uint8Array): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += SLICE)
    yield Buffer.from(bytes.buffer, bytes.byteOffset + at, Math.min(SLICE, bytes.length - at));
}

interface NodeSplitter {
  /** The texts of the nodes that end in these bytes. */
  push(bytes: Buffer): string[];
  end(): void;
}

const HEAD_LIMIT = 256;
const headForm = /^\s*\{\s*"nodes"\s*:\s*\[$/;
const emptyForm = /^\s*\{\s*"nodes"\s*:\s*null\s*\}\s*$/;

/** Finds where nodes begin and end by counting braces outside of strings; whether a node is sound is for JSON.parse to say. */
function nodeSplitter(damaged: Damaged): NodeSplitter {
  let state: 'head' | 'first' | 'after' | 'next' | 'node' | 'tail' | 'done' = 'head';
  let head = '';
  let depth = 0;
  let inString = false;
  let escaped = false;
  /** What earlier slices held of the node that is being read. */
  let parts: Buffer[] = [];

  /** Reads on inside a node; the place after its end, or the slice's length if it goes on. */
  function scanNode(bytes: Buffer, from: number): number {
    let [level, quoted, skip] = [depth, inString, escaped];
    let at = from;
    while (at < bytes.length) {
      const byte = bytes[at++]!;
      if (skip) skip = false;
      else if (quoted) {
        if (byte === 0x5c) skip = true;
        else if (byte === 0x22) quoted = false;
      } else if (byte === 0x22) quoted = true;
      else if (byte === 0x7b) level++;
      else if (byte === 0x7d && --level === 0) break;
    }
    [depth, inString, escaped] = [level, quoted, skip];
    return at;
  }

  function readHead(bytes: Buffer): number {
    const bracket = bytes.indexOf(0x5b);
    const end = bracket < 0 ? bytes.length : bracket + 1;
    head += bytes.toString('latin1', 0, Math.min(end, HEAD_LIMIT));
    if (head.length >= HEAD_LIMIT || (bracket >= 0 && !headForm.test(head))) damaged('it does not begin with {"nodes":[');
    if (bracket >= 0) state = 'first';
    return end;
  }

  /** A byte between nodes or behind the last one; false if a node begins with it. */
  function isBetween(byte: number): boolean {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return true;
    if (byte === 0x7b && (state === 'first' || state === 'next')) state = 'node';
    else if (byte === 0x2c && state === 'after') state = 'next';
    else if (byte === 0x5d && (state === 'first' || state === 'after')) state = 'tail';
    else if (byte === 0x7d && state === 'tail') state = 'done';
    else damaged(`"${quote(Buffer.of(byte))}" stands ${state === 'done' ? 'behind its end' : 'where a node should begin or the list end'}`);
    return state !== 'node';
  }

  return {
    push(bytes) {
      const texts: string[] = [];
      let at = state === 'head' ? readHead(bytes) : 0;
      while (at < bytes.length) {
        if (state !== 'node' && isBetween(bytes[at]!)) {
          at++;
          continue;
        }
        const end = scanNode(bytes, at);
        if (depth > 0) {
          parts.push(Buffer.from(bytes.subarray(at, end)));
        } else {
          texts.push(
            parts.length === 0 ? bytes.toString('utf8', at, end) : Buffer.concat([...parts, bytes.subarray(at, end)]).toString('utf8'),
          );
          parts = [];
          state = 'after';
        }
        at = end;
      }
      return texts;
    },
    end() {
      if (state !== 'done' && !(state === 'head' && emptyForm.test(head))) damaged('it ends too early');
    },
  };
}
