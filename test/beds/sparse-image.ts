// Image files that are mostly holes, far larger than what can be read through: made, looked at and compared by their data alone.
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { nextData } from '../../src/base/libc.ts';
import { noise, text } from './disk-image.ts';

export interface SparseShape {
  /** Bytes of the image. */
  readonly size: number;
  /** How many stretches of data lie in it, and their bytes. */
  readonly stretches: number;
  readonly stretch: number;
}

export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** Data at the very beginning, at the very end and in between, every third stretch off the blocks' grid, every fourth of text. */
export function writeSparseImage(path: string, { size, stretches, stretch }: SparseShape): void {
  const fd = openSync(path, 'wx');
  try {
    ftruncateSync(fd, size);
    const distance = (size - stretch) / (stretches - 1);
    for (let number = 0; number < stretches; number++) {
      const grid = number % 3 === 1 && number < stretches - 1 ? 4096 : 1 << 20;
      const at = number === stretches - 1 ? size - stretch : Math.floor((number * distance) / grid) * grid;
      const bytes = number % 4 === 3 ? text(`stretch ${number}`, stretch) : noise(`stretch ${number}`, stretch);
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, bytes.length - done, at + done);
    }
  } finally {
    closeSync(fd);
  }
}

/** What the file system says is data. */
export function dataOf(path: string): Extent[] {
  const fd = openSync(path, 'r');
  try {
    const extents: Extent[] = [];
    for (let found = nextData(fd, 0); found; found = nextData(fd, found.end)) extents.push(found);
    return extents;
  } finally {
    closeSync(fd);
  }
}

function union(extents: readonly Extent[]): Extent[] {
  const joined: Extent[] = [];
  for (const { start, end } of [...extents].sort((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (last && start <= last.end) joined[joined.length - 1] = { start: last.start, end: Math.max(last.end, end) };
    else joined.push({ start, end });
  }
  return joined;
}

/** Compares two files where either has data: outside both are zeros by what the file system says. Gives the first place that differs, or -1. */
export function firstDifference(one: string, other: string): number {
  const fds = [openSync(one, 'r'), openSync(other, 'r')] as const;
  const buffers = [Buffer.alloc(8 << 20), Buffer.alloc(8 << 20)] as const;
  const read = (i: 0 | 1, at: number, length: number) => buffers[i].subarray(0, readSync(fds[i], buffers[i], 0, length, at));
  try {
    const [size, otherSize] = [fstatSync(fds[0]).size, fstatSync(fds[1]).size];
    if (size !== otherSize) return Math.min(size, otherSize);
    for (const { start, end } of union([...dataOf(one), ...dataOf(other)]))
      for (let at = start; at < end; at += buffers[0].length) {
        const length = Math.min(buffers[0].length, end - at);
        if (!read(0, at, length).equals(read(1, at, length))) return at;
      }
    return -1;
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}
