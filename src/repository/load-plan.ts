// Which bytes of which packs to load for a batch of wanted blocks: neighbours together, each block once.
import type { BlobToLoad } from './jobs.ts';
import type { Located } from './read-blob.ts';

/** A block that `target` wants at `position`; without a block: a file that only has to be made. */
export interface Want<T> {
  readonly id?: string;
  readonly location?: Located;
  readonly target: T;
  readonly position: number;
}

/** A stretch of one pack with the blocks in it and the files that want them. */
export interface LoadRange<T> {
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
  readonly blobs: readonly BlobToLoad[];
  readonly files: readonly T[];
  /** How many writes file number `i` gets from this range. */
  writesOf(i: number): number;
  /** The range of block number `i` alone; from another copy of it when `copy` is given. */
  part(i: number, copy?: Located): LoadRange<T>;
}

interface WantedBlob<T> {
  readonly id: string;
  readonly location: Located;
  readonly writes: { readonly target: T; readonly position: number }[];
}

/** A range ends here; blocks further apart than the gap are loaded separately. */
const maxRange = 4 << 20;
const maxGap = 256 << 10;
/** Empty files that are made in one go. */
const bareFiles = 512;

export function loadPlan<T>(wants: readonly Want<T>[]): LoadRange<T>[] {
  const byId = new Map<string, WantedBlob<T>>();
  const bare: T[] = [];
  for (const { id, location, target, position } of wants) {
    if (id === undefined || !location) {
      bare.push(target);
      continue;
    }
    let blob = byId.get(id);
    if (!blob) {
      blob = { id, location, writes: [] };
      byId.set(id, blob);
    }
    blob.writes.push({ target, position });
  }
  const sorted = [...byId.values()].sort((a, b) => a.location.pack - b.location.pack || a.location.offset - b.location.offset);
  const ranges: LoadRange<T>[] = [];
  for (let at = 0; at < bare.length; at += bareFiles) ranges.push(bareRange(bare.slice(at, at + bareFiles)));
  let run: WantedBlob<T>[] = [];
  let writes = 0;
  for (const blob of sorted) {
    const first = run[0];
    const last = run[run.length - 1];
    const joins =
      first !== undefined &&
      last !== undefined &&
      first.location.pack === blob.location.pack &&
      blob.location.offset + blob.location.length - first.location.offset <= maxRange &&
      blob.location.offset - last.location.offset - last.location.length <= maxGap &&
      writes < 1024;
    if (!joins && run.length > 0) {
      ranges.push(rangeOf(run));
      run = [];
      writes = 0;
    }
    run.push(blob);
    writes += blob.writes.length;
  }
  if (run.length > 0) ranges.push(rangeOf(run));
  return ranges;
}

function rangeOf<T>(run: readonly WantedBlob<T>[]): LoadRange<T> {
  const first = run[0]!.location;
  const last = run[run.length - 1]!.location;
  const numbers = new Map<T, number>();
  const counts: number[] = [];
  const blobs = run.map(
    ({ id, location, writes }): BlobToLoad => ({
      id: Buffer.from(id, 'hex'),
      type: 'data',
      offset: location.offset - first.offset,
      length: location.length,
      plainLength: location.plainLength,
      writes: writes.flatMap(({ target, position }) => {
        let number = numbers.get(target);
        if (number === undefined) {
          number = numbers.size;
          numbers.set(target, number);
        }
        counts[number] = (counts[number] ?? 0) + 1;
        return [number, position];
      }),
    }),
  );
  return {
    pack: first.name,
    offset: first.offset,
    length: last.offset + last.length - first.offset,
    blobs,
    files: [...numbers.keys()],
    writesOf: (i) => counts[i] ?? 0,
    part: (i, copy) => rangeOf([{ ...run[i]!, location: copy ?? run[i]!.location }]),
  };
}

const bareRange = <T>(files: readonly T[]): LoadRange<T> => ({
  pack: '',
  offset: 0,
  length: 0,
  blobs: [],
  files,
  writesOf: () => 1,
  part: () => bareRange(files),
});
