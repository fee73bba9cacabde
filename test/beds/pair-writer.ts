// A program that never rests: it writes a number and waits until that is durable, then the same number at another place of the file, then the
// next. At every instant the first is equal to the second or one ahead, also after a power cut. (What a program does not wait for may come in any
// order: a btrfs snapshot taken meanwhile can hold the later of two such writes without the earlier.)
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

const secondPlace = 4 << 20;

const code = `
const { fdatasyncSync, openSync, writeSync } = require('node:fs');
const { workerData } = require('node:worker_threads');
const fd = openSync(workerData.path, 'r+');
const number = Buffer.alloc(8);
for (let n = 1n; ; n++) {
  number.writeBigUInt64LE(n);
  for (const place of [0, ${secondPlace}]) {
    writeSync(fd, number, 0, 8, place);
    fdatasyncSync(fd);
  }
}`;

export interface Pair {
  readonly first: bigint;
  readonly second: bigint;
}

export function pairIn(path: string): Pair {
  const bytes = readFileSync(path);
  return { first: bytes.readBigUInt64LE(0), second: bytes.readBigUInt64LE(secondPlace) };
}

/** `path`: a file of more than 4 MiB. */
export function pairWriter(path: string): { stop(): Promise<void> } {
  const worker = new Worker(code, { eval: true, workerData: { path } });
  return { stop: async () => void (await worker.terminate()) };
}
