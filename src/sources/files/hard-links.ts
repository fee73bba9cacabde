// Files that had several names when they were backed up get them again: the first name is restored, the others are linked to it.
import { linkAt, renameAt, unlinkAt } from '../../base/libc.ts';
import { statAt, statAtIfAny } from '../../base/libc-stat.ts';
import type { Node } from '../../model/node.ts';
import type { Overwrite } from '../../ports/target.ts';
import { decide } from './decision.ts';
import { type Directory, isDirectory, type WholeTrees } from './directory.ts';
import { partName } from './part-name.ts';
import { clearTheWay } from './removal.ts';

export interface PendingLink {
  readonly directory: Directory;
  readonly node: Node;
  readonly first: FirstName;
}

export interface FirstName {
  readonly directory: Directory;
  readonly name: Buffer;
  /** Names of the group not yet seen; at 0 the group is forgotten. */
  left: bigint;
  failed: boolean;
}

export interface HardLinks {
  /** The first name of the file that `node` is another name of; undefined if it is the first. */
  firstOf(node: Node): FirstName | undefined;
  /** `node` is about to be restored as the first name of its file. */
  begin(directory: Directory, node: Node): void;
  failed(node: Node): void;
}

/** Grouped as restic groups them: by inode and device as they were when backed up. */
export function hardLinks(): HardLinks {
  const groups = new Map<string, FirstName>();
  const key = (node: Node) => `${node.deviceId}:${node.inode}`;
  return {
    firstOf(node) {
      if (node.links < 2n) return undefined;
      const first = groups.get(key(node));
      if (first !== undefined && --first.left === 0n) groups.delete(key(node));
      return first;
    },
    begin(directory, node) {
      if (node.links > 1n) groups.set(key(node), { directory, name: node.name, left: node.links - 1n, failed: false });
    },
    failed(node) {
      const first = groups.get(key(node));
      if (first !== undefined) first.failed = true;
    },
  };
}

/** Gives the first name's file the name of `link`. Returns false where that name was there already or is to be left alone. */
export function makeLink(link: PendingLink, overwrite: Overwrite, wholeTrees: WholeTrees): boolean {
  const { directory, node, first } = link;
  const existing = directory.fresh ? undefined : statAtIfAny(directory.fd, node.name);
  if (existing !== undefined && decide(node, existing, overwrite, undefined) === 'leave') return false;
  return first.directory.reopen((from) => {
    if (existing === undefined) {
      linkAt(from, first.name, directory.fd, node.name);
      return true;
    }
    const source = statAt(from, first.name);
    if (existing.inode === source.inode && existing.device === source.device) return false;
    const part = partName(node.name);
    if (statAtIfAny(directory.fd, part) !== undefined) unlinkAt(directory.fd, part);
    linkAt(from, first.name, directory.fd, part);
    if (isDirectory(existing)) clearTheWay(directory.fd, node.name, existing, wholeTrees(directory, node.name));
    renameAt(directory.fd, part, directory.fd, node.name);
    return true;
  });
}
