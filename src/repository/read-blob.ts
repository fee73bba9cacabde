// Single blobs for the main thread (trees, small files, cat). Neighbours in a pack are read together: trees of one backup lie side by side.
import { exits } from '../base/error-codes.ts';
import { fail, isCode, StillpointError } from '../base/errors.ts';
import type { BlobId } from '../ports/blob.ts';
import type { BlobLocation } from './blob-index.ts';
import { type CopyFinder, copyFinder } from './copies.ts';
import type { BlobType } from './pack.ts';
import { openBlob } from './unpack.ts';
import type { OpenState } from './vault-state.ts';

export interface BlobReader {
  /** The plain bytes. Throws REPO_BLOB_MISSING, REPO_DAMAGED. */
  load(id: BlobId, type: BlobType): Promise<Buffer>;
  /** Decrypted bit by bit, but still as zstd left it; for compressed blobs too big to unpack at once. */
  loadPacked(id: BlobId, type: BlobType): Promise<Iterable<Buffer>>;
}

/** Bytes read at once around a blob, and how many such windows are kept. */
const windowSize = 1 << 20;
const windows = 24;

/** Where a blob lies, with the name of its pack and its entry in the index. */
export interface Located extends BlobLocation {
  readonly entry: number;
  readonly name: string;
}

export function locate(state: OpenState, id: BlobId, type: BlobType): Located {
  const location = locationOf(state, state.index.find(Buffer.from(id, 'hex'), type === 'tree'));
  return location ?? fail('REPO_BLOB_MISSING', { id });
}

/** Where further copies of a blob lie that is known to be in the index. */
export function locateOthers(state: OpenState, copies: CopyFinder, id: Uint8Array, type: BlobType): Located[] {
  const others = copies.others(state.index.find(id, type === 'tree'));
  return others.map((entry) => locationOf(state, entry)).filter((location) => location !== undefined);
}

function locationOf({ index, packs }: OpenState, entry: number): Located | undefined {
  if (entry < 0) return undefined;
  const location = index.location(entry);
  const name = packs.names[location.pack];
  return name === undefined ? undefined : { ...location, name, entry };
}

export function blobReader(state: OpenState): BlobReader {
  const copies = copyFinder(() => state.index);
  const cache = new Map<string, Promise<{ readonly start: number; readonly bytes: Buffer }>>();

  /** The part of a pack from a window's start to the end of the window or of the blob, whichever is further. */
  const windowOf = (location: Located) => {
    const start = location.offset - (location.offset % windowSize);
    const key = `${location.name}/${start}`;
    const cached = cache.get(key);
    if (cached) {
      cache.delete(key);
      cache.set(key, cached); // most recently used last
      return cached;
    }
    const end = Math.min(packEnd(state, location.pack), start + windowSize);
    const length = Math.max(end, location.offset + location.length) - start;
    const loading = state.backend.load('data', location.name, { offset: start, length }).then((bytes) => ({ start, bytes }));
    cache.set(key, loading);
    loading.catch(() => cache.delete(key));
    if (cache.size > windows) cache.delete(cache.keys().next().value!);
    return loading;
  };

  const envelopeAt = async (location: Located): Promise<Buffer> => {
    if (location.length <= windowSize) {
      const window = await windowOf(location).catch((error: unknown) => {
        if (!isCode(error, 'BACKEND_SHORT')) throw error;
        return undefined; // the pack was cut; this blob may be whole
      });
      const from = location.offset - (window?.start ?? 0);
      if (window && from + location.length <= window.bytes.length) return window.bytes.subarray(from, from + location.length);
    }
    return state.backend.load('data', location.name, { offset: location.offset, length: location.length });
  };

  /** Opens the first copy of a blob that is sound. Throws what was wrong with the one that the index gives first. */
  const firstSound = async <T>(id: BlobId, type: BlobType, open: (envelope: Buffer, location: Located) => T): Promise<T> => {
    const first = locate(state, id, type);
    try {
      return open(await envelopeAt(first), first);
    } catch (error) {
      if (!isDamage(error)) throw error;
      for (const other of locateOthers(state, copies, Buffer.from(id, 'hex'), type)) {
        try {
          return open(await envelopeAt(other), other);
        } catch (another) {
          if (!isDamage(another)) throw another;
        }
      }
      throw error;
    }
  };

  return {
    load: (id, type) =>
      firstSound(id, type, (bytes, { length, plainLength }) =>
        openBlob(state.cipher, bytes, { id: Buffer.from(id, 'hex'), offset: 0, length, plainLength }),
      ),
    loadPacked: (id, type) => firstSound(id, type, (bytes) => state.cipher.openParts([bytes], type, id)),
  };
}

/** Trouble with what is stored, where another copy may help. */
export const isDamage = (error: unknown): error is StillpointError => error instanceof StillpointError && error.exit === exits.damaged;

/** Where the last blob of a pack ends. */
function packEnd(state: OpenState, pack: number): number {
  const entries = state.packs.entries[pack]!;
  const last = 'first' in entries ? entries.first + entries.count - 1 : entries[entries.length - 1]!;
  const { offset, length } = state.index.location(last);
  return offset + length;
}
