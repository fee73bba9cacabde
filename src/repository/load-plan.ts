// Which bytes of which packs to load for a batch of wanted blocks: neighbours together, each block once.
import type { BlobIndex } from './blob-index.ts';
import type { BlobsToFill } from './jobs.ts';
import type { Located } from './read-blob.ts';

/** What is wanted, gathered: as long as a batch waits there is one of it for each block. */
export interface Wants<T> {
  /** By want: the block's entry in the index, who wants it, and where in the target. */
  readonly entries: number[];
  readonly targets: T[];
  readonly positions: number[];
  /** Files that only have to be made. */
  readonly bare: T[];
}

export const noWants = <T>(): Wants<T> => ({ entries: [], targets: [], positions: [], bare: [] });

/** A stretch of one pack with the blocks in it and the files that want them. */
export interface LoadRange<T> {
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
  readonly blobs: BlobsToFill;
  readonly files: readonly T[];
}

/** A range ends here; blocks further apart than the gap are loaded separately. */
const maxRange = 4 << 20;
const maxGap = 256 << 10;
const maxWrites = 1024;
/** Empty files that are made in one go. */
const bareFiles = 512;

/** `names`: of the packs, by their numbers in the index. */
export function loadPlan<T>(index: BlobIndex, names: readonly string[], wants: Wants<T>): LoadRange<T>[] {
  const ranges: LoadRange<T>[] = [];
  for (let at = 0; at < wants.bare.length; at += bareFiles) ranges.push(bareRange(wants.bare.slice(at, at + bareFiles)));
  const order = packOrder(index, wants.entries);
  for (let from = 0; from < order.length; ) {
    const to = rangeEnd(index, wants.entries, order, from);
    const { pack, offset } = index.location(wants.entries[order[from]!]!);
    ranges.push(rangeOf(index, wants, order.subarray(from, to), names[pack]!, offset));
    from = to;
  }
  return ranges;
}

/** The numbers of the wants in the order in which their blocks lie in the packs; wants of one block follow each other. */
function packOrder(index: BlobIndex, entries: readonly number[]): Uint32Array {
  const packs = new Uint32Array(entries.length);
  const offsets = new Uint32Array(entries.length);
  const order = new Uint32Array(entries.length);
  entries.forEach((entry, i) => {
    const { pack, offset } = index.location(entry);
    packs[i] = pack;
    offsets[i] = offset;
    order[i] = i;
  });
  return order.sort((a, b) => packs[a]! - packs[b]! || offsets[a]! - offsets[b]! || a - b);
}

/** Where the range that begins at `from` ends in `order`. */
function rangeEnd(index: BlobIndex, entries: readonly number[], order: Uint32Array, from: number): number {
  const first = index.location(entries[order[from]!]!);
  let end = first.offset + first.length;
  for (let at = from + 1; at < order.length; at++) {
    const entry = entries[order[at]!]!;
    if (entry === entries[order[at - 1]!]) continue;
    const { pack, offset, length } = index.location(entry);
    if (pack !== first.pack || offset + length - first.offset > maxRange || offset - end > maxGap || at - from >= maxWrites) return at;
    end = offset + length;
  }
  return order.length;
}

function rangeOf<T>(index: BlobIndex, wants: Wants<T>, order: Uint32Array, pack: string, start: number): LoadRange<T> {
  const { entries, targets, positions } = wants;
  const numbers = new Map<T, number>();
  const blobEntries: number[] = [];
  const writeEnds: number[] = [];
  const files = new Uint32Array(order.length);
  const places = new Float64Array(order.length);
  order.forEach((want, i) => {
    const target = targets[want]!;
    let number = numbers.get(target);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(target, number);
    }
    files[i] = number;
    places[i] = positions[want]!;
    if (entries[want] !== blobEntries.at(-1)) blobEntries.push(entries[want]!);
    writeEnds[blobEntries.length - 1] = i + 1;
  });
  const locations = blobEntries.map((entry) => index.location(entry));
  const ids = new Uint8Array(32 * blobEntries.length);
  blobEntries.forEach((entry, i) => {
    ids.set(index.idOf(entry), 32 * i);
  });
  const last = locations[locations.length - 1]!;
  const blobs: BlobsToFill = {
    ids,
    offsets: Uint32Array.from(locations, ({ offset }) => offset - start),
    lengths: Uint32Array.from(locations, ({ length }) => length),
    plainLengths: Uint32Array.from(locations, ({ plainLength }) => plainLength),
    writeEnds: Uint32Array.from(writeEnds),
    files,
    positions: places,
  };
  return { pack, offset: start, length: last.offset + last.length - start, blobs, files: [...numbers.keys()] };
}

/** How many writes each file gets from a range; one that only has to be made counts as one. */
export function writesOf<T>({ blobs, files }: LoadRange<T>): Uint32Array {
  const counts = new Uint32Array(files.length).fill(blobs.lengths.length === 0 ? 1 : 0);
  for (const file of blobs.files) counts[file]!++;
  return counts;
}

/** Where the writes of block `number` are. */
export const writesOfBlob = ({ writeEnds }: BlobsToFill, number: number): readonly [from: number, to: number] => [
  number === 0 ? 0 : writeEnds[number - 1]!,
  writeEnds[number]!,
];

/** The range of block `number` alone; from another copy of it when `copy` is given. */
export function partOf<T>(range: LoadRange<T>, number: number, copy?: Located): LoadRange<T> {
  const { blobs } = range;
  const [from, to] = writesOfBlob(blobs, number);
  const numbers = [...new Set(blobs.files.subarray(from, to))];
  const { pack, offset, length, plainLength } = copy
    ? { ...copy, pack: copy.name }
    : {
        pack: range.pack,
        offset: range.offset + blobs.offsets[number]!,
        length: blobs.lengths[number]!,
        plainLength: blobs.plainLengths[number]!,
      };
  return {
    pack,
    offset,
    length,
    blobs: {
      ids: blobs.ids.slice(32 * number, 32 * number + 32),
      offsets: Uint32Array.of(0),
      lengths: Uint32Array.of(length),
      plainLengths: Uint32Array.of(plainLength),
      writeEnds: Uint32Array.of(to - from),
      files: blobs.files.slice(from, to).map((file) => numbers.indexOf(file)),
      positions: blobs.positions.slice(from, to),
    },
    files: numbers.map((file) => range.files[file]!),
  };
}

const none = new Uint32Array(0);
const noBlobs: BlobsToFill = {
  ids: new Uint8Array(0),
  offsets: none,
  lengths: none,
  plainLengths: none,
  writeEnds: none,
  files: none,
  positions: new Float64Array(0),
};
const bareRange = <T>(files: readonly T[]): LoadRange<T> => ({ pack: '', offset: 0, length: 0, blobs: noBlobs, files });
