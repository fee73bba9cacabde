// Opening or making the directories that a restore descends into, never led astray by a symbolic link that someone planted.
import { failure } from '../../base/errors.ts';
import { applyMeta } from '../../base/libc-meta.ts';
import { type FileStat, fileType, statAtIfAny, statFd } from '../../base/libc-stat.ts';
import type { Node } from '../../model/node.ts';
import type { Overwrite } from '../../ports/target.ts';
import { type Directory, type DirectoryKeeper, isDirectory, type WholeTrees } from './directory.ts';
import { clearTheWay } from './removal.ts';
import type { Selection } from './selection.ts';

export interface EnterRules {
  readonly overwrite: Overwrite;
  readonly wholeTrees: WholeTrees;
  readonly inPlace: boolean;
}

/**
 * The directory `node` of the backup in `parent`; its metadata is set to be applied at the end if it is selected or new.
 * Throws TARGET_FAILED where something that must stay is in its place.
 */
export function enterDirectory(keeper: DirectoryKeeper, parent: Directory, node: Node, selection: Selection, rules: EnterRules): Directory {
  const existing = parent.fresh ? undefined : statAtIfAny(parent.fd, node.name);
  if (existing !== undefined && isDirectory(existing)) {
    const directory = keeper.enter(parent, node.name, false);
    if (selection.whole && rules.overwrite !== 'never') directory.meta = node;
    return directory;
  }
  if (existing !== undefined && mayFollow(parent, existing, selection, rules)) return keeper.enter(parent, node.name, true);
  if (existing !== undefined) {
    if (!selection.whole || rules.overwrite === 'never') {
      throw failure('TARGET_FAILED', { path: node.name.toString(), detail: 'something that is not a directory is in its place' });
    }
    clearTheWay(parent.fd, node.name, existing, rules.wholeTrees(parent, node.name));
  }
  const directory = keeper.create(parent, node.name);
  directory.meta = node;
  // One that only leads to what is restored is not looked at again by the next run if this one is killed.
  if (!selection.whole) applyMeta(directory.fd, node);
  return directory;
}

/**
 * A link on the way (/var/run, /bin) is the system's own if root made it where only root could; then what was backed up through it goes back
 * through it. Anything else is not followed.
 */
function mayFollow(parent: Directory, link: FileStat, selection: Selection, rules: EnterRules): boolean {
  if (selection.whole || !rules.inPlace || (link.mode & fileType.mask) !== fileType.symlink || link.uid !== 0) return false;
  const holder = statFd(parent.fd);
  return holder.uid === 0 && (holder.mode & 0o022) === 0;
}
