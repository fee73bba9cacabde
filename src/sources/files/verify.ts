// Reading restored files again and comparing them, byte by byte, with the backup.
import { readSync } from 'node:fs';
import { errnoOf, fail } from '../../base/errors.ts';
import { close, open, openAt } from '../../base/libc.ts';
import { openDirectory } from '../../base/libc-dir.ts';
import type { Node } from '../../model/node.ts';
import type { ContentReader } from '../../ports/target.ts';
import { validName } from './decision.ts';
import { childPath, openTarget } from './directory.ts';
import type { FilesRun } from './request.ts';
import type { Restored } from './restore.ts';
import type { Selection } from './selection.ts';

/** Throws TARGET_VERIFY if any file differs; each is told to `warn`. Walks as the restore did, so that the numbers agree. */
export async function verify(run: FilesRun, { verifiable, refused, damaged }: Restored): Promise<void> {
  const { target, selection, backup, reader, warn, signal } = run;
  let index = 0;
  let differing = 0;

  async function directory(dirfd: number, shown: string, tree: string, at: Selection): Promise<void> {
    for await (const node of readable(shown, tree)) {
      signal.throwIfAborted();
      const below = at.child(node.name.toString('latin1'));
      if (below === undefined || !validName(node.name)) continue;
      if (node.type === 'dir' && node.subtree !== undefined) await descend(dirfd, childPath(shown, node.name), node, below);
      else if (node.type === 'file' && below.whole && verifiable.has(index++)) await compare(dirfd, childPath(shown, node.name), node);
    }
  }

  /** What the restore could read of a damaged directory; it told of the damage. */
  async function* readable(shown: string, tree: string): AsyncGenerator<Node> {
    try {
      yield* reader.tree(tree);
    } catch (error) {
      if (!damaged.has(shown)) throw error;
    }
  }

  async function descend(dirfd: number, shown: string, node: Node, at: Selection): Promise<void> {
    if (refused.has(shown)) return;
    const fd = at.whole ? openDirectory(dirfd, node.name) : openAt(dirfd, node.name, open.readOnly | open.directory);
    try {
      await directory(fd, shown, node.subtree!, at);
    } finally {
      close(fd);
    }
  }

  async function compare(dirfd: number, shown: string, node: Node): Promise<void> {
    const detail = await difference(dirfd, node, reader).catch((error: unknown) => `cannot compare it: ${errnoOf(error) ?? error}`);
    if (detail === undefined) return;
    differing++;
    warn({ item: shown, detail });
  }

  const top = openTarget(target.path, target.plain);
  try {
    await directory(top, target.path, backup.root, selection);
  } finally {
    close(top);
  }
  if (differing > 0) fail('TARGET_VERIFY', { count: differing });
}

/** In words, or undefined where there is none. */
async function difference(dirfd: number, node: Node, reader: ContentReader): Promise<string | undefined> {
  const fd = openAt(dirfd, node.name, open.readOnly | open.noFollow | open.nonBlock);
  try {
    let position = 0;
    for await (const expected of reader.stream(node.content ?? [])) {
      const found = Buffer.allocUnsafe(expected.length);
      let got = 0;
      while (got < found.length) {
        const read = readSync(fd, found, got, found.length - got, position + got);
        if (read === 0) return `it ends after ${position + got} bytes`;
        got += read;
      }
      if (!found.equals(expected)) return `it differs from the backup between bytes ${position} and ${position + got}`;
      position += got;
    }
    return readSync(fd, Buffer.alloc(1), 0, 1, position) === 0 ? undefined : `it is longer than the ${position} bytes of the backup`;
  } finally {
    close(fd);
  }
}
