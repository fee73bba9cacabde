// Which stretches of a pack to load for some of its blobs: neighbours together.
import type { BlobIndex } from './blob-index.ts';
import type { BlobToLoad } from './jobs.ts';

/** Bytes from `offset` on that hold these entries, in the order of their offsets. */
export interface PackRange {
  readonly offset: number;
  readonly length: number;
  readonly entries: readonly number[];
}

/** A longer range pays no more; gaps up to this are cheaper to read than to skip (bytes). */
const maxRange = 16 << 20;
const maxGap = 256 << 10;

/** `entries` in any order, all of one pack. */
export function packRanges(index: BlobIndex, entries: readonly number[]): PackRange[] {
  const sorted = entries.map((entry) => ({ entry, ...index.location(entry) })).sort((a, b) => a.offset - b.offset);
  const ranges: { offset: number; length: number; entries: number[] }[] = [];
  for (const { entry, offset, length } of sorted) {
    const last = ranges.at(-1);
    if (last && offset + length - last.offset <= maxRange && offset - last.offset - last.length <= maxGap) {
      last.length = Math.max(last.length, offset + length - last.offset);
      last.entries.push(entry);
    } else ranges.push({ offset, length, entries: [entry] });
  }
  return ranges;
}

/** What a worker needs to find `entries` in bytes that were loaded from `start` on. */
export function blobsToLoad(index: BlobIndex, entries: readonly number[], start: number): BlobToLoad[] {
  return entries.map((entry) => {
    const { offset, length, plainLength } = index.location(entry);
    return { id: index.idOf(entry), type: index.isTree(entry) ? 'tree' : 'data', offset: offset - start, length, plainLength };
  });
}

/** The memory of a loaded range, when nothing else lies in it: it can then be handed to a worker without a copy. */
export function ownMemory(bytes: Buffer): ArrayBuffer[] {
  return bytes.byteLength === bytes.buffer.byteLength ? [bytes.buffer as ArrayBuffer] : [];
}
