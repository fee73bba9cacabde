// The second page of the story: a source becomes a tree. Entries are walked in order, contents go to the workers
// (read → chunk → hash → known? → compress → encrypt → verify → pack), what the parent backup has already is taken over unread.

import { createPace, type Pace, paceSettings } from '../base/pace.ts';
import type { BackupSummary } from '../model/backup.ts';
import type { Node, NodeMeta, NodeTime } from '../model/node.ts';
import type { Limits } from '../model/plan.ts';
import type { BlobId } from '../ports/blob.ts';
import type { Entry, Source, Warn } from '../ports/source.ts';
import { fileSaver } from './file-saver.ts';
import type { Added } from './jobs.ts';
import type { Lock } from './lock.ts';
import { type BlobReader, isDamage } from './read-blob.ts';
import { readTree, treeSink } from './tree-store.ts';
import { uploader } from './uploader.ts';
import type { OpenState } from './vault-state.ts';
import { createCredits, startWorkers } from './workers.ts';

export interface SaveOptions {
  /** Root tree of the backup whose unchanged files need not be read again. */
  readonly parentTree?: BlobId;
  /** Mark every block that is relied upon (full backup). */
  readonly mark: boolean;
  /** Of what is read, and of processor time; none if left out. */
  readonly limits?: Limits | undefined;
  readonly warn: Warn;
  readonly onProgress: (done: { readonly bytes: number; readonly files: number; readonly current: string }) => void;
  readonly signal: AbortSignal;
}

export interface Saved {
  readonly tree: BlobId;
  readonly summary: BackupSummary;
}

/** Entries of one directory that wait for their contents before it lets them go. */
const window = 512;

type Slot = Node | Promise<Node | undefined>;

/** Stores all that `source` shows. When it resolves every pack is durable and indexed. Throws on any trouble with the vault. */
export async function saveSource(state: OpenState, lock: Lock, reader: BlobReader, source: Source, options: SaveOptions): Promise<Saved> {
  const credits = createCredits();
  const upload = uploader(state, lock, () => stop());
  const { limits } = options;
  const pace = paceSettings(limits && { bytesPerSecond: limits.readBytesPerSecond, cpuPercent: limits.cpuPercent });
  const pool = startWorkers(state, credits, (pack) => upload.take(pack, () => pool.release()), pace);
  const stop = () => void pool.close();
  options.signal.addEventListener('abort', stop);
  try {
    // Where files are locked, the packs that a backup relies on are to be known afterwards.
    const mark = options.mark || state.backend.locking !== undefined;
    const run = saveRun(state, reader, pool, { ...options, mark }, pace && createPace(pace));
    await source.gather?.(run.store);
    const { done } = await run.directory(source.list(), options.parentTree, '');
    const tree = await done;
    await source.finish();
    await pool.flush();
    await upload.finish();
    return { tree, summary: run.summary() };
  } catch (error) {
    options.signal.throwIfAborted();
    throw upload.error ?? error; // when an upload failed, everything else fails because of it
  } finally {
    options.signal.removeEventListener('abort', stop);
    await pool.close();
  }
}

function saveRun(
  state: OpenState,
  reader: BlobReader,
  pool: ReturnType<typeof startWorkers>,
  options: SaveOptions,
  pace: Pace | undefined,
) {
  const check = () => options.signal.throwIfAborted();
  const paced = pace && ((bytes: number) => pace.before(bytes, check));
  const trees: Added = { blobs: 0, bytes: 0, packed: 0 };
  const counts = {
    filesNew: 0,
    filesChanged: 0,
    filesUnmodified: 0,
    dirsNew: 0,
    dirsChanged: 0,
    dirsUnmodified: 0,
    totalFiles: 0,
    totalBytes: 0,
  };
  const progress = { bytes: 0, files: 0, current: '' };
  const onBytes = (bytes: number) => {
    progress.bytes += bytes;
    options.onProgress(progress);
  };
  const files = fileSaver({ pool, polynomial: state.config.polynomial, mark: options.mark, warn: options.warn, onBytes, pace: paced });
  const count = (added: Added) => {
    trees.blobs += added.blobs;
    trees.bytes += added.bytes;
    trees.packed += added.packed;
  };

  /** Where every block is there. Of a vault that locks its files they are marked then, as all that the backup relies on. */
  const known = (content: readonly BlobId[]): boolean => {
    const entries = content.map((id) => state.index.find(Buffer.from(id, 'hex'), false));
    if (entries.some((entry) => entry < 0)) return false;
    if (options.mark) for (const entry of entries) state.index.mark(entry);
    return true;
  };

  const finishedFile = (node: Node): Node => {
    counts.totalFiles++;
    counts.totalBytes += node.size;
    progress.files++;
    return node;
  };

  const file = async (entry: Extract<Entry, { kind: 'file' }>, before: Node | undefined, path: string): Promise<{ slot: Slot }> => {
    const { meta } = entry;
    if (before?.content && asBefore(entry, before) && known(before.content)) {
      counts.filesUnmodified++;
      onBytes(before.size);
      return { slot: finishedFile({ ...meta, size: before.size, content: before.content }) };
    }
    progress.current = path;
    const { saved } = await files.save(entry, path);
    const slot = saved.then((result) => {
      if (!result) return undefined;
      if (!before) counts.filesNew++;
      else if (sameTime(before.mtime, meta.mtime) && before.content?.join() === result.content.join()) counts.filesUnmodified++;
      else counts.filesChanged++;
      return finishedFile({
        ...meta,
        content: result.content,
        size: result.size,
        ...(result.mtime ? { mtime: result.mtime, atime: result.mtime } : {}),
      });
    });
    return { slot };
  };

  const subdirectory = async (entry: Extract<Entry, { kind: 'dir' }>, before: Node | undefined, path: string): Promise<{ slot: Slot }> => {
    const { done } = await directory(entry.list(), before?.subtree, path);
    const slot = done.then((subtree): Node => {
      if (!before) counts.dirsNew++;
      else if (before.subtree === subtree) counts.dirsUnmodified++;
      else counts.dirsChanged++;
      return { ...entry.meta, subtree };
    });
    return { slot };
  };

  /** Resolves when the directory has been walked; `done` when all it holds is stored. */
  const directory = async (entries: AsyncIterable<Entry>, parent: BlobId | undefined, path: string): Promise<{ done: Promise<BlobId> }> => {
    const sink = treeSink({ state, pool, mark: options.mark, count });
    const parentNodes = cursor(parent ? readTree(state, reader, parent) : undefined, path, options.warn);
    const slots: Slot[] = [];
    const drain = async (limit: number) => {
      while (slots.length > limit || (slots.length > 0 && !(slots[0] instanceof Promise))) {
        const node = await slots.shift();
        if (node) await sink.add(node);
      }
    };
    for await (const entry of entries) {
      check();
      if (paced) await paced(0);
      const before = await parentNodes.at(entry.meta.name);
      const below = `${path}/${printable(entry.meta.name)}`;
      const { slot } =
        entry.kind === 'file'
          ? await file(entry, before?.type === 'file' ? before : undefined, below)
          : entry.kind === 'dir'
            ? await subdirectory(entry, before?.type === 'dir' ? before : undefined, below)
            : { slot: entry.meta };
      if (slot instanceof Promise) slot.catch(() => undefined); // reported by whoever awaits it
      slots.push(slot);
      await drain(window);
    }
    await parentNodes.close();
    const done = drain(0).then(() => sink.end());
    done.catch(() => undefined);
    return { done };
  };

  const summary = (): BackupSummary => ({
    ...counts,
    dataBlobs: files.added.blobs,
    treeBlobs: trees.blobs,
    dataAdded: files.added.bytes + trees.bytes,
    dataAddedPacked: files.added.packed + trees.packed,
  });

  return { directory, summary, store: files.store };
}

/** Walks the parent's nodes beside the source's entries; both are sorted by the raw bytes of their names. */
function cursor(nodes: AsyncGenerator<Node> | undefined, path: string, warn: Warn) {
  let current: Node | undefined;
  let ended = nodes === undefined;
  const advance = async () => {
    current = undefined;
    try {
      const next = await nodes!.next();
      ended = next.done === true;
      if (!next.done) current = next.value;
    } catch (error) {
      if (!isDamage(error)) throw error;
      ended = true; // what the parent cannot tell is read again
      warn({ item: path || '/', detail: `the parent backup cannot be read here: ${error.message}` });
    }
  };
  return {
    at: async (name: Buffer): Promise<Node | undefined> => {
      if (!current && !ended) await advance();
      while (current && current.name.compare(name) < 0) await advance();
      return current?.name.equals(name) ? current : undefined;
    },
    close: async () => {
      await nodes?.return(undefined);
    },
  };
}

const sameTime = (a: NodeTime, b: NodeTime): boolean => a.seconds === b.seconds && a.nanos === b.nanos;

/** Nothing of it has to be read. */
function asBefore({ meta, content }: Extract<Entry, { kind: 'file' }>, before: Node): boolean {
  if (content.kind === 'path') return content.regular && unchanged(before, meta);
  return content.kind === 'stream' && content.same?.(before) === true;
}

/** restic's own rule: type, mtime, ctime, size and inode are as they were. */
function unchanged(before: Node, now: NodeMeta): boolean {
  return sameTime(before.mtime, now.mtime) && sameTime(before.ctime, now.ctime) && before.size === now.size && before.inode === now.inode;
}

const printable = (name: Buffer): string => name.toString('utf8').replace(/\p{C}/gu, '\ufffd');
