// The contents of files on their way to the workers: small files in batches, big ones in stretches that several workers read at once.
import { fail } from '../base/errors.ts';
import { gate } from '../base/lane.ts';
import type { NodeMeta, NodeTime } from '../model/node.ts';
import type { Chunking } from '../ports/blob.ts';
import type { Content, Entry, Store, Warn } from '../ports/source.ts';
import { contentChunker, maxChunk } from './chunker.ts';
import type { Added, ReadItem, ReadOutcomes } from './jobs.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface SavedFile {
  /** Hex ids. */
  readonly content: readonly string[];
  readonly size: number;
  /** As it was when reading began, where the source is a regular file. */
  readonly mtime?: NodeTime;
}

export interface FileSaver {
  /** Resolves at once unless too much is under way. The promise inside gives undefined for a file that could not be read (warned about). */
  save(entry: Extract<Entry, { kind: 'file' }>, path: string): Promise<{ readonly saved: Promise<SavedFile | undefined> }>;
  readonly store: Store;
  readonly added: Added;
}

/** A content-cut file is read in stretches of this size, each cut by itself, so that two workers can share a big file. */
const contentStretch = 128 << 20;
const fixedStretch = 32 << 20;
const batchFiles = 64;
const batchBytes = 4 << 20;
/** Bytes and files under way. A file counts at least as 256 KiB, so a flood of small ones is bounded too. */
const underWay = 256 << 20;
const least = 256 << 10;
/** Of streams: blocks that wait to be stored, all together, and how many entries are read side by side. */
const flying = 32 << 20;
const streams = 8;
/** Small blocks of a stream go to a worker together. */
const oneMessage = 1 << 20;
const smallWindow = 1 << 20;

export interface FileSaverOptions {
  readonly pool: WorkerPool;
  readonly polynomial: string;
  /** Marks blocks that are relied upon, for the full backup. */
  readonly mark: boolean;
  readonly warn: Warn;
  readonly onBytes: (bytes: number) => void;
  /** Of streams; workers keep to it by themselves. */
  readonly pace?: ((bytes: number) => Promise<void>) | undefined;
}

/** What came of one item. */
interface ReadOutcome {
  readonly ids: Buffer;
  readonly bytes: number;
  readonly mtime: bigint;
  readonly changed: boolean;
  readonly error: string | undefined;
}

interface Pending {
  readonly item: ReadItem;
  readonly resolve: (outcome: ReadOutcome) => void;
  readonly reject: (error: unknown) => void;
}

export function fileSaver({ pool, polynomial, mark, warn, onBytes, pace }: FileSaverOptions): FileSaver {
  const added: Added = { blobs: 0, bytes: 0, packed: 0 };
  const room = gate(underWay);
  const flight = gate(flying);
  const turn = gate(streams);
  const cutStream = streamCutter(contentChunker(polynomial));
  let batch: Pending[] = [];
  let bytes = 0;
  let scheduled = false;

  const count = (more: Added) => {
    added.blobs += more.blobs;
    added.bytes += more.bytes;
    added.packed += more.packed;
  };

  const sendBatch = () => {
    if (batch.length === 0) return;
    const sent = batch;
    batch = [];
    bytes = 0;
    pool.run({ type: 'read', items: sent.map((one) => one.item), mark }).then(
      (outcomes) => {
        count(outcomes.added);
        onBytes(outcomes.bytes.reduce((sum, size) => sum + size, 0));
        for (const [i, outcome] of outcomesOf(outcomes).entries()) sent[i]!.resolve(outcome);
      },
      (error) => {
        for (const one of sent) one.reject(error);
      },
    );
  };

  const read = (item: ReadItem): Promise<ReadOutcome> =>
    new Promise((resolve, reject) => {
      batch.push({ item, resolve, reject });
      bytes += item.length;
      if (batch.length >= batchFiles || bytes >= batchBytes) sendBatch();
      else if (!scheduled) {
        scheduled = true;
        setImmediate(() => {
          scheduled = false;
          sendBatch();
        });
      }
    });

  const savePath = async (meta: NodeMeta, content: Extract<Content, { kind: 'path' }>, path: string): Promise<SavedFile | undefined> => {
    const outcomes = await Promise.all(stretches(meta, content).map(read));
    const parts: Buffer[] = [];
    let size = 0;
    let changed = false;
    for (const outcome of outcomes) {
      size += outcome.bytes;
      changed ||= outcome.changed;
      parts.push(outcome.ids);
      if (outcome.error === undefined) continue;
      if (content.required) fail('SOURCE_UNREADABLE', { path, detail: outcome.error });
      warn({ item: path, detail: outcome.error });
      return undefined;
    }
    if (content.required && size !== content.length) fail('SOURCE_UNREADABLE', { path, detail: `${size} of ${content.length} bytes came` });
    if (changed) warn({ item: path, detail: 'it changed while it was read' });
    const { mtime } = outcomes[0]!;
    return { content: hexIds(Buffer.concat(parts)), size, ...(content.regular ? { mtime: timeOf(mtime) } : {}) };
  };

  const storeBlocks = async (blobs: Buffer[]): Promise<string[]> => {
    const stored = await pool.run(
      { type: 'store', blobType: 'data', blobs, mark },
      blobs.map((blob) => blob.buffer as ArrayBuffer),
    );
    count(stored.added);
    return stored.ids.map((id) => Buffer.from(id).toString('hex'));
  };

  const store: Store = async (stream, chunking) => {
    const ids: Promise<string[]>[] = [];
    let together: Buffer[] = [];
    let waiting = 0;
    let size = 0;
    const send = async () => {
      const [blocks, length] = [together, waiting];
      together = [];
      waiting = 0;
      await flight.enter(length);
      const one = storeBlocks(blocks);
      one.then(
        () => flight.leave(length),
        () => flight.leave(length),
      );
      ids.push(one);
    };
    for await (const block of cutStream(pace ? paced(stream, pace) : stream, chunking)) {
      const { length } = block; // 0 as soon as its memory is the worker's
      size += length;
      onBytes(length);
      together.push(block);
      waiting += length;
      if (waiting >= oneMessage) await send();
    }
    if (waiting > 0) await send();
    return { kind: 'stored', content: (await Promise.all(ids)).flat(), size };
  };

  return {
    added,
    store,
    save: async ({ meta, content }, path) => {
      if (content.kind === 'stored') return { saved: Promise.resolve(content) };
      if (content.kind === 'stream') {
        await turn.enter(1);
        const saved = store(content.open(), content.chunking).then((stored) => (content.leftOut?.() ? undefined : stored));
        return { saved: saved.finally(() => turn.leave(1)) };
      }
      const units = Math.min(Math.max(content.length, least), underWay);
      await room.enter(units);
      const saved = savePath(meta, content, path);
      saved.then(
        () => room.leave(units),
        () => room.leave(units),
      );
      return { saved };
    },
  };
}

function outcomesOf({ ids, blocks, bytes, mtimes, changed, errors }: ReadOutcomes): ReadOutcome[] {
  const reasons = new Map(errors);
  let at = 0;
  return Array.from(blocks, (count, i) => {
    const own = Buffer.from(ids.buffer, ids.byteOffset + at, count * 32);
    at += count * 32;
    return { ids: own, bytes: bytes[i]!, mtime: mtimes[i]!, changed: changed[i] === 1, error: reasons.get(i) };
  });
}

function stretches(meta: NodeMeta, content: Extract<Content, { kind: 'path' }>): ReadItem[] {
  const { path, chunking, regular, required, identity = meta } = content;
  const size = chunking.kind === 'fixed' ? fixedStretch : contentStretch;
  const known = regular ? { inode: identity.inode, deviceId: identity.deviceId } : {};
  const items: ReadItem[] = [];
  for (let at = 0; at < content.length || items.length === 0; at += size) {
    const length = Math.min(size, content.length - at);
    const last = at + size >= content.length;
    items.push({ path, offset: content.offset + at, length, toEnd: regular && !required && last, chunking, ...known });
  }
  return items;
}

async function* paced(stream: AsyncIterable<Uint8Array>, pace: (bytes: number) => Promise<void>): AsyncGenerator<Uint8Array> {
  for await (const piece of stream) {
    await pace(piece.length);
    yield piece;
  }
}

/** Cuts streams into blocks, each in memory of its own. */
function streamCutter(contentCutter: ReturnType<typeof contentChunker>) {
  /** Windows of streams that have ended: new ones for each would lie about until V8 looks for them. */
  const spare: Buffer[] = [];
  const largest = 2 * maxChunk;

  return async function* (stream: AsyncIterable<Uint8Array>, chunking: Chunking): AsyncGenerator<Buffer> {
    const least = chunking.kind === 'fixed' ? chunking.size : maxChunk;
    // Most streams are short.
    let window: Buffer = Buffer.allocUnsafeSlow(chunking.kind === 'fixed' ? Math.max(2 * least, smallWindow) : smallWindow);
    let from = 0;
    let filled = 0;
    const next = (): Buffer => {
      const length = chunking.kind === 'fixed' ? Math.min(least, filled - from) : contentCutter.cut(window, from, filled);
      const block = Buffer.allocUnsafeSlow(length);
      window.copy(block, 0, from, from + length);
      from += length;
      return block;
    };
    const makeRoom = () => {
      const to = from > 0 ? window : (spare.pop() ?? Buffer.allocUnsafeSlow(largest));
      window.copy(to, 0, from, filled);
      window = to;
      filled -= from;
      from = 0;
    };
    try {
      for await (const piece of stream) {
        for (let at = 0; at < piece.length; ) {
          if (filled === window.length) makeRoom();
          const part = Math.min(piece.length - at, window.length - filled);
          window.set(piece.subarray(at, at + part), filled);
          filled += part;
          at += part;
          while (filled - from >= least) yield next();
        }
      }
      while (filled > from) yield next();
    } finally {
      if (window.length === largest && spare.length < streams) spare.push(window);
    }
  };
}

const hexIds = (ids: Buffer): string[] => {
  const hex = ids.toString('hex');
  return Array.from({ length: ids.length / 32 }, (_, i) => hex.slice(i * 64, i * 64 + 64));
};

const timeOf = (ns: bigint): NodeTime => {
  const nanos = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { seconds: Number((ns - nanos) / 1_000_000_000n), nanos: Number(nanos) };
};
