// Worker side: a stretch of a file or device, read and cut into blocks.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf } from '../base/errors.ts';
import { nextData } from '../base/libc.ts';
import { joined } from '../base/own-memory.ts';
import type { Pace } from '../base/pace.ts';
import type { Chunker } from './chunker.ts';
import { maxChunk } from './chunker.ts';
import type { Added, ReadItem, ReadOutcomes } from './jobs.ts';
import { isZero, zeroBlock, zeroId, zeroLengths, zeros } from './zero.ts';

const buffer = Buffer.alloc(2 * maxChunk);

/** Bytes read at once where blocks are of a fixed size; a multiple of all of these. */
const fixedRead = 2 << 20;

export interface ReadDeps {
  readonly chunker: Chunker;
  /** `id`: of the block, where it is known. */
  readonly store: (plain: Uint8Array, added: Added, id?: Buffer) => Buffer;
  /** Throws when everything is to stop. */
  readonly check: () => void;
  /** As fast as it can if left out. */
  readonly pace?: Pace | undefined;
}

/** Reads, cuts and stores each item. Trouble with a file is in `errors`; trouble with the vault is thrown. */
export function readItems(items: readonly ReadItem[], deps: ReadDeps): ReadOutcomes {
  const ids: Buffer[] = [];
  const errors: [number, string][] = [];
  const added: Added = { blobs: 0, bytes: 0, packed: 0 };
  const blocks = new Uint32Array(items.length);
  const bytes = new Float64Array(items.length);
  const mtimes = new BigInt64Array(items.length);
  const changed = new Uint8Array(items.length);
  items.forEach((item, i) => {
    const keep: Keep = (plain, id) => {
      deps.check();
      ids.push(deps.store(plain, added, id));
      blocks[i]!++;
      bytes[i]! += plain.length;
    };
    try {
      readItem(item, deps, keep, (mtime) => {
        mtimes[i] = mtime;
      });
    } catch (error) {
      if (error instanceof Changed) changed[i] = 1;
      else errors.push([i, reason(error)]);
    }
  });
  return { ids: joined(ids), blocks, bytes, mtimes, changed, errors, added };
}

/** Takes the next block; `id` where it is known already. */
type Keep = (plain: Uint8Array, id?: Buffer) => void;

/** The file was not the same before and after; what was read is kept. */
class Changed extends Error {}

/** Something is wrong with this one file. */
class Unreadable extends Error {}

function readItem(item: ReadItem, { chunker, check, pace }: ReadDeps, keep: Keep, began: (mtime: bigint) => void): void {
  const regular = item.inode !== undefined;
  const fd = openForReading(item.path, regular);
  try {
    const before = fstatSync(fd, { bigint: true });
    if (regular && (before.ino !== item.inode || before.dev !== item.deviceId))
      throw new Unreadable('it was replaced while the backup ran');
    began(before.mtimeNs);
    const fileSize = Number(before.size);
    const stretch: Stretch = {
      read: pace ? pacedRead(fd, pace, check) : (into, offset, length, position) => readSync(fd, into, offset, length, position),
      fd,
      at: item.offset,
      // What a growing file gets after this moment belongs to the next backup.
      end: item.toEnd ? fileSize : item.offset + item.length,
      sparse: before.isFile() && before.blocks * 512n < before.size,
      fileSize,
      dataEnd: 0,
    };
    if (item.chunking.kind === 'fixed') readFixed(stretch, item.chunking.size, keep);
    else readContent(stretch, chunker, keep);
    if (!regular) return;
    const after = fstatSync(fd, { bigint: true });
    if (after.size !== before.size || after.mtimeNs !== before.mtimeNs) throw new Changed();
  } finally {
    closeSync(fd);
  }
}

type Read = (into: Buffer, offset: number, length: number, position: number) => number;

/** A little at a time, when its time has come. */
function pacedRead(fd: number, pace: Pace, check: () => void): Read {
  return (into, offset, length, position) => {
    const some = Math.min(length, pace.grain);
    pace.beforeSync(some, check);
    return readSync(fd, into, offset, some, position);
  };
}

interface Stretch {
  readonly read: Read;
  readonly fd: number;
  at: number;
  readonly end: number;
  readonly sparse: boolean;
  readonly fileSize: number;
  /** Up to here no hole is to be expected; sparse files only. */
  dataEnd: number;
}

function keepZeros(length: number, keep: Keep): void {
  for (const part of zeroLengths(length)) keep(zeros.subarray(0, part), zeroId(part));
}

function readFixed(stretch: Stretch, size: number, keep: Keep): void {
  let zeroRun = 0;
  const endZeros = () => {
    keepZeros(zeroRun, keep);
    zeroRun = 0;
  };
  while (stretch.at < stretch.end) {
    const hole = holeAt(stretch, size);
    if (hole > 0) {
      zeroRun += hole;
      stretch.at += hole;
      continue;
    }
    const got = readFully(stretch.read, buffer, 0, Math.min(Math.max(size, fixedRead), stretch.end - stretch.at), stretch.at);
    for (let from = 0; from < got; from += size) {
      const block = buffer.subarray(from, Math.min(from + size, got));
      if (isZero(block)) zeroRun += block.length;
      else {
        endZeros();
        keep(block);
      }
    }
    stretch.at += got;
    if (got === 0) break;
  }
  endZeros();
}

function readContent(stretch: Stretch, chunker: Chunker, keep: Keep): void {
  let from = 0; // bytes of the buffer that are cut already
  let filled = 0;
  let ended = stretch.at >= stretch.end;
  const cutAll = (all: boolean) => {
    while (filled > from && (all || filled - from >= maxChunk)) {
      const length = chunker.cut(buffer, from, filled);
      keep(buffer.subarray(from, from + length));
      from += length;
    }
  };
  while (!ended) {
    const hole = holeAt(stretch, zeroBlock);
    if (hole > 0) {
      cutAll(true);
      keepZeros(hole, keep);
      stretch.at += hole;
      continue;
    }
    buffer.copyWithin(0, from, filled);
    filled -= from;
    from = 0;
    const toHole = stretch.sparse && stretch.at < stretch.dataEnd ? stretch.dataEnd - stretch.at : Number.MAX_SAFE_INTEGER;
    const wanted = Math.min(buffer.length - filled, stretch.end - stretch.at, toHole);
    const got = wanted > 0 ? readFully(stretch.read, buffer, filled, wanted, stretch.at) : 0;
    filled += got;
    stretch.at += got;
    ended = got < wanted || stretch.at >= stretch.end;
    cutAll(ended);
  }
}

/**
 * Bytes of the hole at the current place, rounded down to whole blocks of `unit`; 0 where there is data. Also notes where that data ends.
 */
function holeAt(stretch: Stretch, unit: number): number {
  if (!stretch.sparse || stretch.at >= stretch.fileSize || stretch.at < stretch.dataEnd) return 0;
  const data = nextData(stretch.fd, stretch.at);
  stretch.dataEnd = data?.end ?? stretch.fileSize;
  const length = Math.min(data?.start ?? stretch.fileSize, stretch.end) - stretch.at;
  // A hole that fills no block is read as the zeros it is; there is nothing to gain.
  return length - (length % unit);
}

function readFully(read: Read, into: Buffer, offset: number, length: number, position: number): number {
  let done = 0;
  while (done < length) {
    const got = read(into, offset + done, length - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

function openForReading(path: Uint8Array, regular: boolean): number {
  const name = Buffer.from(path);
  const flags = constants.O_RDONLY | (regular ? constants.O_NOFOLLOW | constants.O_NONBLOCK : 0);
  try {
    return openSync(name, flags | (constants.O_NOATIME ?? 0));
  } catch (error) {
    if (errnoOf(error) !== 'EPERM') throw error;
    return openSync(name, flags); // O_NOATIME is for the owner and root only
  }
}

/** Why a file could not be read; what is not the file's fault is thrown on. */
function reason(error: unknown): string {
  if (error instanceof Unreadable) return error.message;
  const errno = errnoOf(error);
  if (!errno) throw error;
  return errno === 'ENOENT' ? 'it vanished while the backup ran' : errno;
}
