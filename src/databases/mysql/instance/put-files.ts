// The files of a backup, each to where the new server looks for it.
import { dirname, join } from 'node:path';
import { errnoOf, fail } from '../../../base/errors.ts';
import { atCwd, close, open, openAt } from '../../../base/libc.ts';
import type { BlobId } from '../../../ports/blob.ts';
import type { RestoreRun } from '../../../ports/restorer.ts';
import type { FileToWrite, RestoreCounts } from '../../../ports/target.ts';
import { makeFolder } from './layout.ts';
import type { Owner } from './program.ts';

/** The absolute path of a file of the backup, by its path there; undefined: it is not needed. */
export type Place = (path: string) => string | undefined;

/** Files that wait for being written hold their folders open; so many folders at most at a time. */
const mostFolders = 64;

/** All that is below `tree`, directory by directory. Throws TARGET_FULL, TARGET_FAILED, what the vault throws, and the signal's reason. */
export async function putFiles(
  run: RestoreRun,
  tree: BlobId,
  path: string,
  place: Place,
  owner: Owner,
  counts: RestoreCounts,
): Promise<void> {
  const below: { readonly tree: BlobId; readonly path: string }[] = [];
  const folders = new Map<string, number>();
  let wrong: { readonly path: string; readonly error: Error } | undefined;

  const folder = (at: string): number => {
    const known = folders.get(at);
    if (known !== undefined) return known;
    makeFolder(at, owner);
    const fd = openAt(atCwd, at, open.readOnly | open.directory | open.noFollow);
    folders.set(at, fd);
    return fd;
  };
  async function* files(): AsyncGenerator<FileToWrite> {
    for await (const node of run.reader.tree(tree)) {
      run.signal.throwIfAborted();
      const own = `${path}/${node.name.toString('utf8')}`;
      if (node.type === 'dir') below.push({ tree: node.subtree!, path: own });
      const to = place(own);
      if (to === undefined) continue;
      if (node.type === 'dir') makeFolder(to, owner);
      if (node.type !== 'file') continue;
      if (folders.size >= mostFolders) fail('TARGET_FAILED', { path: to, detail: 'one directory of the backup goes to too many' });
      const content = node.content ?? [];
      const size = content.reduce((sum, id) => sum + run.reader.blobSize(id), 0);
      counts.bytesTotal += size;
      const meta = { ...node, uid: owner.uid, gid: owner.gid, mode: 0o660, xattrs: [] };
      yield {
        tag: to,
        content,
        size,
        open: { kind: 'create', dirfd: folder(dirname(to)), name: Buffer.from(to.slice(dirname(to).length + 1)) },
        mode: 'new',
        meta,
      };
    }
  }
  try {
    await run.reader.writeFiles(files(), ({ tag, written, warnings, error }) => {
      const to = tag as string;
      counts.bytesWritten += written;
      counts.files++;
      run.onFile(counts.files, to);
      for (const detail of warnings) run.warn({ item: to, detail: `cannot set ${detail}` });
      if (error) wrong ??= { path: to, error };
    });
  } finally {
    for (const fd of folders.values()) close(fd);
  }
  run.signal.throwIfAborted();
  if (wrong) failWriting(wrong.path, wrong.error);
  for (const one of below) await putFiles(run, one.tree, one.path, place, owner, counts);
}

function failWriting(path: string, error: Error): never {
  const errno = errnoOf(error) ?? errnoOf(error.cause);
  if (errno === undefined) throw error;
  if (errno === 'ENOSPC' || errno === 'EDQUOT') fail('TARGET_FULL', { path }, { cause: error });
  return fail('TARGET_FAILED', { path, detail: errno }, { cause: error });
}

/** A file of the backup by its path; undefined where there is none. */
export async function textOf(run: RestoreRun, path: readonly string[]): Promise<string | undefined> {
  let tree: BlobId | undefined = run.backup.root;
  for (const [i, part] of path.entries()) {
    if (tree === undefined) return undefined;
    let below: BlobId | undefined;
    for await (const node of run.reader.tree(tree)) {
      if (node.name.toString('utf8') !== part) continue;
      if (i < path.length - 1) below = node.subtree;
      else if (node.content) return textOfBlobs(run, node.content);
    }
    tree = below;
  }
  return undefined;
}

async function textOfBlobs(run: RestoreRun, content: readonly BlobId[]): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of run.reader.stream(content)) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

/** `/mysql/data/a/t.ibd` → `<data>/a/t.ibd` for the pair [`/mysql/data`, `<data>`]; the longest that fits counts. */
export function placesBy(moves: readonly (readonly [from: string, to: string | undefined])[]): Place {
  const longestFirst = moves.toSorted(([a], [b]) => b.length - a.length);
  return (path) => {
    for (const [from, to] of longestFirst) {
      if (path === from) return to;
      if (path.startsWith(`${from}/`)) return to === undefined ? undefined : join(to, path.slice(from.length));
    }
    return undefined;
  };
}
