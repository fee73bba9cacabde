// Entries that exist only inside a backup: the directories above a disk or a dump, the file that a command's output becomes.
import type { NodeMeta, NodeTime } from '../model/node.ts';
import type { Entry } from './source.ts';

export function virtualMeta(name: string, type: 'file' | 'dir', time: NodeTime, size = 0): NodeMeta {
  return {
    name: Buffer.from(name),
    type,
    mode: type === 'dir' ? 0o700 : 0o600,
    mtime: time,
    atime: time,
    ctime: time,
    uid: 0,
    gid: 0,
    user: 'root',
    group: 'root',
    inode: 0n,
    deviceId: 0n,
    links: 1n,
    size,
    xattrs: [],
  };
}

export function virtualDir(name: string, time: NodeTime, children: readonly Entry[]): Entry {
  return {
    kind: 'dir',
    meta: virtualMeta(name, 'dir', time),
    list: async function* () {
      yield* sorted(children);
    },
  };
}

export const sorted = (entries: readonly Entry[]): Entry[] => [...entries].sort((a, b) => a.meta.name.compare(b.meta.name));

/** A tree of virtual directories that holds each leaf at its absolute path. */
export function treeOf(leaves: readonly { readonly path: string; readonly entry: (name: string) => Entry }[], time: NodeTime): Entry[] {
  const groups = Map.groupBy(leaves, ({ path }) => path.split('/')[1]!);
  return [...groups].map(([name, members]) => {
    const leaf = members.find(({ path }) => path === `/${name}`);
    if (leaf) return leaf.entry(name);
    const below = members.map((member) => ({ ...member, path: member.path.slice(name.length + 1) }));
    return virtualDir(name, time, treeOf(below, time));
  });
}
