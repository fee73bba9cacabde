// A tree of what came in an order of its own.
import type { NodeMeta, NodeTime } from '../model/node.ts';
import type { Content, Entry } from './source.ts';
import { virtualMeta } from './virtual-entry.ts';

export interface Gathered {
  /** `path`: names below the root, outermost first. Throws if it is there already. */
  file(path: readonly string[], content: Content, meta?: Partial<NodeMeta>): void;
  /** An empty one too; its metadata, where it matters. */
  dir(path: readonly string[], meta?: Partial<NodeMeta>): void;
  link(path: readonly string[], target: string, meta?: Partial<NodeMeta>): void;
  list(): AsyncIterable<Entry>;
}

interface Dir {
  meta: Partial<NodeMeta>;
  readonly dirs: Map<string, Dir>;
  readonly leaves: Map<string, Entry>;
}

const emptyDir = (): Dir => ({ meta: {}, dirs: new Map(), leaves: new Map() });

/** All entries carry `time` unless told otherwise: the same for the same content makes the same tree. */
export function gathered(time: NodeTime): Gathered {
  const root = emptyDir();
  const dirAt = (path: readonly string[]): Dir => {
    let dir = root;
    for (const name of path) {
      const next = dir.dirs.get(name) ?? emptyDir();
      dir.dirs.set(name, next);
      dir = next;
    }
    return dir;
  };
  const leaf = (path: readonly string[], entryOf: (name: string) => Entry): void => {
    const name = path.at(-1)!;
    const { leaves, dirs } = dirAt(path.slice(0, -1));
    if (leaves.has(name) || dirs.has(name)) throw new Error(`${path.join('/')} came twice`);
    leaves.set(name, entryOf(name));
  };
  async function* entries({ dirs, leaves }: Dir): AsyncGenerator<Entry> {
    const below = [...dirs].map(
      ([name, dir]): Entry => ({
        kind: 'dir',
        meta: { ...virtualMeta(name, 'dir', time), ...dir.meta },
        list: () => entries(dir),
      }),
    );
    yield* [...leaves.values(), ...below].sort((a, b) => a.meta.name.compare(b.meta.name));
  }
  return {
    file: (path, content, meta = {}) => {
      const size = content.kind === 'stored' ? content.size : 0;
      leaf(path, (name) => ({ kind: 'file', meta: { ...virtualMeta(name, 'file', time, size), ...meta }, content }));
    },
    dir: (path, meta = {}) => {
      dirAt(path).meta = meta;
    },
    link: (path, target, meta = {}) => {
      const linkTarget = Buffer.from(target);
      leaf(path, (name) => ({
        kind: 'other',
        meta: { ...virtualMeta(name, 'file', time), mode: 0o777, ...meta, type: 'symlink', linkTarget },
      }));
    },
    list: () => entries(root),
  };
}
