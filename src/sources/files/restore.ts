// The restore itself: one walk through the backup's tree, directories as they come, files handed to the writer, hard links in between.
import { readFileSync } from 'node:fs';
import { errnoOf, failure } from '../../base/errors.ts';
import { statAtIfAny } from '../../base/libc-stat.ts';
import type { Node } from '../../model/node.ts';
import type { FileToWrite, FileWritten, RestoreCounts } from '../../ports/target.ts';
import { type BitSet, bitSet } from './bit-set.ts';
import { decide, validName } from './decision.ts';
import { childPath, type Directory, directoryKeeper } from './directory.ts';
import { enterDirectory } from './enter.ts';
import { hardLinks, makeLink, type PendingLink } from './hard-links.ts';
import { markerName, removeMarker, writeMarker } from './marker.ts';
import { adjustMeta, createOther } from './others.ts';
import { abandonFile, finishFile, type PendingFile, putFile } from './put-file.ts';
import { clearTheWay, isGuarded } from './removal.ts';
import type { FilesRun } from './request.ts';
import type { Selection } from './selection.ts';

interface Frame {
  readonly directory: Directory;
  readonly selection: Selection;
  readonly nodes: AsyncIterator<Node>;
  /** What belongs here, where the rest is to be deleted. */
  readonly names: Set<string> | undefined;
}

export interface Restored {
  readonly counts: RestoreCounts;
  /** Files that must now be equal to the backup, by their number in the order of the walk. */
  readonly verifiable: BitSet;
  /** Directories of the target that could not be entered, and those whose list in the backup broke off. */
  readonly refused: ReadonlySet<string>;
  readonly damaged: ReadonlySet<string>;
}

/** Hard links that may wait for their first names before the writer is let run dry. */
const maxLinks = 20_000;

export async function restore({ target, selection, backup, reader, warn, signal, onFile, guard }: FilesRun): Promise<Restored> {
  const { overwrite } = target;
  const counts: RestoreCounts = { files: 0, dirs: 0, others: 0, skipped: 0, deleted: 0, bytesWritten: 0, bytesTotal: 0 };
  const keeper = directoryKeeper({
    warn: (item, detail) => warn({ item, detail }),
    deleted: (count) => {
      counts.deleted += count;
    },
    guarded: (path) => isGuarded(guard, path),
  });
  const wholeTrees = (directory: Directory, name: Buffer) => target.delete && !isGuarded(guard, childPath(directory.path, name));
  const rules = { overwrite, wholeTrees, inPlace: target.path === '/' };
  const groups = hardLinks();
  const verifiable = bitSet();
  const refused = new Set<string>();
  const damaged = new Set<string>();
  const stack: Frame[] = [];
  const links: PendingLink[] = [];
  const maxOpen = openLimit();
  let marked: Directory | undefined;
  let failures = 0;
  let fatal: Error | undefined;
  /** Files that are written in place, open as long as the writer has them. */
  let opened = 0;
  let index = 0;
  let done = 0;

  const wrong = (directory: Directory, name: Buffer, error: unknown): void => {
    const path = childPath(directory.path, name);
    const code = errnoOf(error) ?? errnoOf((error as { cause?: unknown } | null)?.cause);
    failures++;
    if (code === 'ENOSPC' || code === 'EDQUOT') fatal ??= failure('TARGET_FULL', { path }, { cause: error });
    else warn({ item: path, detail: error instanceof Error ? error.message : String(error) });
  };
  const imperfect = (directory: Directory, name: Buffer, details: readonly string[]): void => {
    for (const detail of details) warn({ item: childPath(directory.path, name), detail: `cannot set ${detail}` });
  };
  const mark = (directory: Directory): void => {
    if (marked !== undefined) return;
    writeMarker(directory, { record: backup.record, started: new Date().toISOString() });
    marked = directory;
  };
  const advance = (directory: Directory, node: Node): void => {
    onFile(++done, childPath(directory.path, node.name));
  };

  function push(directory: Directory, at: Selection, tree: string, crossed: boolean): void {
    // A file system mounted here was perhaps not part of the backup (which holds an empty directory then).
    const names = target.delete && at.complete && !crossed ? new Set<string>([markerName.toString('latin1')]) : undefined;
    stack.push({ directory, selection: at, nodes: reader.tree(tree)[Symbol.asyncIterator](), names });
  }

  function file(directory: Directory, node: Node): FileToWrite | undefined {
    const number = index++;
    const size = (node.content ?? []).reduce((sum, id) => sum + reader.blobSize(id), 0);
    counts.bytesTotal += size;
    const first = groups.firstOf(node);
    if (first !== undefined) {
      directory.hold();
      links.push({ directory, node, first });
      return undefined;
    }
    const existing = directory.fresh ? undefined : statAtIfAny(directory.fd, node.name);
    const decision = decide(node, existing, overwrite, directory.fd);
    if (decision === 'leave' || decision === 'keep') {
      counts.skipped++;
      if (decision === 'keep') {
        groups.begin(directory, node);
        verifiable.add(number);
        imperfect(directory, node.name, adjustMeta(directory.fd, node, existing!));
      }
      advance(directory, node);
      return undefined;
    }
    groups.begin(directory, node);
    const prepared = putFile(directory, node, size, number, existing, wholeTrees);
    directory.hold();
    if (prepared.open.kind === 'fd') opened++;
    return prepared;
  }

  function other(directory: Directory, node: Node): void {
    if (node.type === 'socket') return;
    const existing = directory.fresh ? undefined : statAtIfAny(directory.fd, node.name);
    const decision = decide(node, existing, overwrite, directory.fd);
    if (decision === 'leave' || decision === 'keep') {
      counts.skipped++;
      if (decision === 'keep') imperfect(directory, node.name, adjustMeta(directory.fd, node, existing!));
      return;
    }
    if (existing !== undefined) clearTheWay(directory.fd, node.name, existing, wholeTrees(directory, node.name));
    try {
      imperfect(directory, node.name, createOther(directory.fd, node));
      counts.others++;
    } catch (error) {
      // Only root may make device nodes; whoever restores without knows.
      if (errnoOf(error) !== 'EPERM') throw error;
      warn({ item: childPath(directory.path, node.name), detail: `a ${node.type} cannot be made without root's rights` });
    }
  }

  function enter(frame: Frame, node: Node, at: Selection): void {
    if (node.subtree === undefined)
      throw failure('REPO_DAMAGED', { kind: 'directory', name: node.name.toString(), detail: 'it has no tree' });
    const directory = enterDirectory(keeper, frame.directory, node, at, rules);
    if (at.whole) mark(directory);
    counts.dirs++;
    push(directory, at, node.subtree, frame.selection.complete && (directory.mounted || frame.names === undefined));
  }

  function place(frame: Frame, node: Node): FileToWrite | undefined {
    const { directory } = frame;
    const at = frame.selection.child(node.name.toString('latin1'));
    frame.names?.add(node.name.toString('latin1'));
    if (at === undefined) return undefined;
    try {
      if (!validName(node.name))
        throw failure('REPO_DAMAGED', { kind: 'name', name: node.name.toString(), detail: 'it cannot be a file name' });
      if (node.type === 'dir') enter(frame, node, at);
      else if (at.whole) {
        mark(directory);
        if (node.type === 'file') return file(directory, node);
        other(directory, node);
      }
    } catch (error) {
      if (node.type === 'dir') refused.add(childPath(directory.path, node.name));
      wrong(directory, node.name, error);
    }
    return undefined;
  }

  /** Files to write, until all is walked or so much is under way that the writer must run dry first. */
  async function* files(): AsyncGenerator<FileToWrite> {
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      if (fatal !== undefined || signal.aborted) return;
      if (keeper.count() - stack.length + opened >= maxOpen || links.length >= maxLinks) return;
      let next: IteratorResult<Node> | undefined;
      try {
        next = await frame.nodes.next();
      } catch (error) {
        // A damaged directory: what can be read of the others is still worth having, and nothing here may be taken for superfluous.
        damaged.add(frame.directory.path);
        wrong(frame.directory, Buffer.from('.'), error);
      }
      if (next !== undefined && next.done !== true) {
        const prepared = place(frame, next.value);
        if (prepared !== undefined) yield prepared;
        continue;
      }
      stack.pop();
      if (next !== undefined) frame.directory.keep = frame.names;
      frame.directory.release();
    }
  }

  function written(result: FileWritten): void {
    const pending = result.tag as PendingFile;
    const { directory, node } = pending;
    counts.bytesWritten += result.written;
    if (pending.way.kind === 'inside') opened--;
    try {
      if (result.error !== undefined) {
        groups.failed(node);
        abandonFile(pending);
        throw result.error;
      }
      imperfect(directory, node.name, [...result.warnings, ...finishFile(pending)]);
      counts.files++;
      verifiable.add(pending.index);
    } catch (error) {
      wrong(directory, node.name, error);
    }
    advance(directory, node);
    directory.release();
  }

  function linkAll(): void {
    for (const link of links.splice(0)) {
      try {
        if (link.first.failed)
          throw failure('TARGET_FAILED', { path: link.node.name.toString(), detail: 'its other name could not be restored' });
        if (makeLink(link, overwrite, wholeTrees)) counts.files++;
        else counts.skipped++;
      } catch (error) {
        wrong(link.directory, link.node.name, error);
      }
      advance(link.directory, link.node);
      link.directory.release();
    }
  }

  const top = keeper.top(target.path, target.plain === true);
  if (!rules.inPlace) mark(top);
  push(top, selection, backup.root, false);
  try {
    while (stack.length > 0 && fatal === undefined && !signal.aborted) {
      await reader.writeFiles(files(), written);
      linkAll();
    }
    signal.throwIfAborted();
    if (fatal !== undefined) throw fatal;
    if (marked !== undefined && failures === 0) removeMarker(marked);
    marked?.release();
    return { counts, verifiable, refused, damaged };
  } catch (error) {
    await abandon(stack, marked);
    throw error;
  }
}

/** What an interrupted walk still holds: nothing is deleted and no metadata applied, for these directories are not complete. */
async function abandon(stack: readonly Frame[], marked: Directory | undefined): Promise<void> {
  for (const { directory, nodes } of stack.toReversed()) {
    incomplete(directory);
    await nodes.return?.().catch(() => undefined);
    directory.release();
  }
  if (marked === undefined) return;
  incomplete(marked);
  marked.release();
}

function incomplete(directory: Directory): void {
  directory.keep = undefined;
  directory.meta = undefined;
}

/** Directories and files that may stay open while something is pending; a quarter of what the process may open (the soft limit, proc(5)). */
function openLimit(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return Math.min(2048, Math.floor(Number(limit ?? 1024) / 4));
}
