// The paths of a backup as one tree: /a/b and /a/c become "a" with the children "b" and "c", as restic stores them.
import { resolve } from 'node:path';

export interface RootNode {
  /** Absolute path, text. */
  readonly path: string;
  /** Keys are the names' bytes as latin1 characters, like all names in this folder. */
  readonly children: ReadonlyMap<string, RootNode>;
  /** A path that was asked for: everything below it is taken, and `children` is empty. */
  readonly whole: boolean;
}

interface Growing {
  readonly path: string;
  readonly children: Map<string, Growing>;
  whole: boolean;
}

/** Absolute paths without "." and "..", each once, in the order given. */
export function normalizePaths(paths: readonly string[]): string[] {
  return [...new Set(paths.map((path) => resolve('/', path)))];
}

/** `paths` from normalizePaths; one that lies below another is covered by it. */
export function rootTree(paths: readonly string[]): RootNode {
  const root: Growing = { path: '/', children: new Map(), whole: false };
  for (const path of paths) {
    let node = root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      const key = Buffer.from(name).toString('latin1');
      let child = node.children.get(key);
      if (child === undefined) {
        child = { path: `${node.path === '/' ? '' : node.path}/${name}`, children: new Map(), whole: false };
        node.children.set(key, child);
      }
      node = child;
    }
    node.whole = true;
  }
  prune(root);
  return root;
}

function prune(node: Growing): void {
  if (node.whole) node.children.clear();
  for (const child of node.children.values()) prune(child);
}
