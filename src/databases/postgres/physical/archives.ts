// The tar archives of a base backup, unpacked as they come into the tree of the backup.
import { extract, type Header } from 'tar-stream';
import { collector } from '../../../base/collect.ts';
import { fail } from '../../../base/errors.ts';
import { backgroundLane } from '../../../base/lane.ts';
import type { Chunking } from '../../../ports/blob.ts';
import type { Gathered } from '../../../ports/gathered.ts';
import type { Store } from '../../../ports/source.ts';
import { database } from '../failures.ts';

/** Where the entries of an archive go: the data directory, or one of its tablespaces. */
export interface Archive {
  readonly below: readonly string[];
  readonly bytes: AsyncIterable<Buffer>;
}

/** Tables and indexes: 8 KiB pages, of which a few change. */
const page = /^\d+(_[a-z]+)?(\.\d+)?$/;

function chunkingOf(path: readonly string[]): Chunking {
  const pages = path[0] !== 'data' || path[1] === 'base' || path[1] === 'global';
  return pages && page.test(path.at(-1)!) ? { kind: 'fixed', size: 64 << 10 } : { kind: 'content' };
}

/**
 * Bytes. A database has hundreds of small files: they are stored side by side, for one after another would wait for a worker each time.
 * None of them is cut, but page files.
 */
const small = 256 << 10;
const sideBySide = 16;
const whole = { kind: 'fixed', size: 512 << 10 } as const;

/** Each file, however small, is cut in a buffer of its own of about this size. */
const window = 1 << 20;
const passed = collector(8 << 20);

/** Throws DATABASE_FAILED for an entry that has no place in a data directory. */
export async function unpack({ below, bytes }: Archive, tree: Gathered, store: Store): Promise<void> {
  const entries = extract();
  const lane = backgroundLane(sideBySide);
  const feeding = feed(bytes, entries);
  feeding.catch((error: Error) => entries.destroy(error));
  try {
    for await (const entry of entries) {
      const { header } = entry as { header: Header };
      const path = [...below, ...partsOf(header.name)];
      const meta = { mode: (header.mode ?? 0o600) & 0o7777, mtime: timeOf(header) };
      if (header.type === 'directory') {
        if (path.length > below.length) tree.dir(['postgres', ...path], meta);
        entry.resume();
      } else if (header.type === 'file') {
        passed(window);
        const keep = async (bytes: AsyncIterable<Buffer>, chunking: Chunking) => {
          const content = await store(bytes, chunking);
          tree.file(['postgres', ...path], content, { ...meta, size: content.size });
        };
        const chunking = chunkingOf(path);
        if ((header.size ?? 0) > small) await keep(entry as AsyncIterable<Buffer>, chunking);
        else {
          const bytes = await bytesOf(entry as AsyncIterable<Buffer>);
          lane.add(() => keep(bytes, chunking.kind === 'fixed' ? chunking : whole));
          await lane.below(sideBySide);
        }
      } else if (header.type === 'symlink') {
        // pg_wal, where it lies elsewhere: here it is a directory.
        if (header.name.replace(/\/$/, '') !== 'pg_wal') odd(`${header.name} is a link`);
        entry.resume();
      } else odd(`${header.name} is a ${header.type}`);
    }
    await feeding;
    await lane.idle();
  } finally {
    entries.destroy();
  }
}

/** All of it, in memory. */
async function bytesOf(entry: AsyncIterable<Buffer>): Promise<AsyncIterable<Buffer>> {
  const pieces: Buffer[] = [];
  for await (const piece of entry) pieces.push(piece);
  return (async function* () {
    yield* pieces;
  })();
}

const odd = (detail: string): never => fail('DATABASE_FAILED', { database, what: 'be copied', detail });

async function feed(bytes: AsyncIterable<Buffer>, entries: ReturnType<typeof extract>): Promise<void> {
  const gone = new Promise<void>((resolve) => entries.once('close', () => resolve()));
  for await (const piece of bytes) {
    if (entries.destroyed) return;
    if (!entries.write(piece)) await Promise.race([new Promise<void>((resolve) => entries.once('drain', () => resolve())), gone]);
  }
  // Its types want a last chunk.
  entries.end(Buffer.alloc(0));
}

function partsOf(name: string): string[] {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.includes('..')) odd(`${name} lies outside`);
  return parts;
}

const timeOf = ({ mtime }: Header) => ({ seconds: Math.floor((mtime?.getTime() ?? 0) / 1000), nanos: 0 });
