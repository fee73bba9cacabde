// A dry run: what a restore would do, from the backup's tree and what is in the target now. Writes nothing.
import { asStillpointError } from '../../base/errors.ts';
import { atCwd, close, open, openAt } from '../../base/libc.ts';
import { namesIn, openDirectory } from '../../base/libc-dir.ts';
import { type FileStat, statAtIfAny, statFd } from '../../base/libc-stat.ts';
import { openPlainDirectory } from '../../base/plain-directory.ts';
import type { Node } from '../../model/node.ts';
import type { RestoreStep } from '../../ports/target.ts';
import { decide, validName } from './decision.ts';
import { childPath, isDirectory } from './directory.ts';
import { markerName } from './marker.ts';
import { isGuarded } from './removal.ts';
import type { FilesRun } from './request.ts';
import type { Selection } from './selection.ts';

export async function* planSteps({ target, selection, backup, reader, guard, warn }: FilesRun): AsyncGenerator<RestoreStep> {
  const { overwrite } = target;

  async function* directory(
    dirfd: number | undefined,
    path: string,
    tree: string,
    at: Selection,
    deleting: boolean,
  ): AsyncGenerator<RestoreStep> {
    const names = deleting && dirfd !== undefined ? new Set([markerName.toString('latin1')]) : undefined;
    for await (const node of reader.tree(tree)) {
      names?.add(node.name.toString('latin1'));
      const below = at.child(node.name.toString('latin1'));
      if (below === undefined || !validName(node.name) || node.type === 'socket') continue;
      const shown = childPath(path, node.name);
      const existing = dirfd === undefined ? undefined : statAtIfAny(dirfd, node.name);
      if (node.type === 'dir') yield* descend(dirfd, shown, node, below, existing, at.complete, deleting);
      else if (below.whole) yield step(node, shown, existing, dirfd);
    }
    if (names === undefined || dirfd === undefined) return;
    for (const name of namesIn(dirfd, '.')) {
      const other = childPath(path, Buffer.from(name, 'latin1'));
      if (!names.has(name) && !isGuarded(guard, other)) yield { action: 'delete', path: other, bytes: 0 };
    }
  }

  async function* descend(
    dirfd: number | undefined,
    shown: string,
    node: Node,
    below: Selection,
    existing: FileStat | undefined,
    inComplete: boolean,
    deleting: boolean,
  ): AsyncGenerator<RestoreStep> {
    if (node.subtree === undefined) return;
    const found = existing !== undefined && isDirectory(existing);
    if (below.whole || !found) yield { action: found ? 'update' : existing === undefined ? 'create' : 'replace', path: shown, bytes: 0 };
    if (!found || dirfd === undefined) {
      yield* directory(undefined, shown, node.subtree, below, false);
      return;
    }
    const fd = openDirectory(dirfd, node.name);
    try {
      // As the restore does it: nothing is deleted on a file system that is mounted below a directory of the backup.
      const stat = statFd(fd);
      const spared = inComplete && (!deleting || stat.mountRoot || stat.device !== statFd(dirfd).device);
      yield* directory(fd, shown, node.subtree, below, target.delete && below.complete && !spared);
    } finally {
      close(fd);
    }
  }

  function step(node: Node, path: string, existing: FileStat | undefined, dirfd: number | undefined): RestoreStep {
    const decision = decide(node, existing, overwrite, dirfd);
    return { action: decision === 'leave' ? 'keep' : decision, path, bytes: node.type === 'file' ? node.size : 0 };
  }

  let top: number | undefined;
  try {
    top = target.plain ? openPlainDirectory(target.path) : openAt(atCwd, target.path, open.readOnly | open.directory);
  } catch (error) {
    // Not there yet: all is created.
    if ((error as { code?: unknown }).code !== 'ENOENT') warn({ item: target.path, detail: asStillpointError(error).message });
  }
  try {
    yield* directory(top, target.path, backup.root, selection, target.delete && selection.complete);
  } finally {
    if (top !== undefined) close(top);
  }
}
