// Disk images as real ones are: text, what does not compress, zeros that were written, and holes.
import { createCipheriv } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';

const mib = 1 << 20;

/** The same bytes for the same seed, of which nothing compresses. */
export function noise(seed: string, length: number): Buffer {
  const key = Buffer.alloc(32, seed);
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

export function text(seed: string, length: number): Buffer {
  const line = `${seed}: one morning when nothing had been written yet, the log began with this line\n`;
  return Buffer.from(line.repeat(Math.ceil(length / line.length))).subarray(0, length);
}

/** 31 MiB and 12,345 bytes, of which 10 MiB hold data and 4 MiB written zeros. */
export function writeDiskImage(path: string, seed: string): void {
  const fd = openSync(path, 'wx');
  try {
    writeSync(fd, noise(`${seed} boot`, mib), 0, mib, 0);
    writeSync(fd, text(seed, 4 * mib), 0, 4 * mib, 3 * mib);
    writeSync(fd, Buffer.alloc(4 * mib), 0, 4 * mib, 9 * mib);
    writeSync(fd, noise(`${seed} data`, 4 * mib), 0, 4 * mib, 14 * mib + 4096);
    writeSync(fd, noise(`${seed} end`, mib), 0, mib, 30 * mib);
    ftruncateSync(fd, 31 * mib + 12_345);
  } finally {
    closeSync(fd);
  }
}

export function overwrite(path: string, offset: number, bytes: Buffer): void {
  const fd = openSync(path, 'r+');
  writeSync(fd, bytes, 0, bytes.length, offset);
  closeSync(fd);
}

/** Bytes that a file takes on its file system. */
export const allocated = (path: string): number => statSync(path).blocks * 512;
