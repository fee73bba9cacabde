// The reference data of the benchmark, the same every time it is made.
import { closeSync, existsSync, mkdirSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const MiB = 1 << 20;

/** A small fast generator (xorshift32): the data must be the same in every run and on every machine. */
function generator(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const words = [
  'request',
  'accepted',
  'from',
  'client',
  'session',
  'closed',
  'timeout',
  'while',
  'reading',
  'upstream',
  'order',
  'customer',
  'stored',
  'in',
  'table',
  'retry',
  'queue',
  'worker',
  'finished',
  'job',
  'with',
  'status',
  'warning',
  'disk',
  'usage',
  'above',
  'threshold',
  'connection',
  'reset',
  'by',
  'peer',
];

/** Lines as a server's log has them. */
function text(random: () => number, length: number): Buffer {
  const out = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const pick = () => words[random() % words.length]!;
    const line = `2026-03-${10 + (random() % 20)}T${10 + (random() % 14)}:${10 + (random() % 50)}:${10 + (random() % 50)}.${random() % 1000} app[${random() % 30000}]: ${pick()} ${pick()} ${pick()} id=${random().toString(16)} ${pick()} ${pick()} ms=${random() % 5000} ${pick()}\n`;
    at += out.write(line, at, 'latin1');
  }
  return out;
}

function noise(random: () => number, length: number): Buffer {
  const wordsOut = new Uint32Array(length / 4);
  for (let i = 0; i < wordsOut.length; i++) wordsOut[i] = random();
  return Buffer.from(wordsOut.buffer);
}

/** 30 % zeros, 40 % text, 30 % random, in runs of 4 to 16 MiB. */
export function makeImage(path: string, bytes: number): void {
  if (existsSync(path) && statSync(path).size === bytes) return;
  const random = generator(20260301);
  const fd = openSync(path, 'w');
  const kinds = ['zero', 'zero', 'zero', 'text', 'text', 'text', 'text', 'noise', 'noise', 'noise'] as const;
  for (let at = 0, n = 0; at < bytes; n++) {
    const run = Math.min(8 * MiB, bytes - at);
    const kind = kinds[n % kinds.length]!;
    for (let done = 0; done < run; done += MiB)
      writeSync(fd, kind === 'zero' ? Buffer.alloc(MiB) : kind === 'text' ? text(random, MiB) : noise(random, MiB), 0, MiB, at + done);
    at += run;
  }
  closeSync(fd);
}

/** `count` files of 100 bytes to 8 KiB in directories of 250. */
export function makeFiles(folder: string, count: number): void {
  const stamp = join(folder, '..', `files-${count}.made`);
  if (existsSync(stamp)) return;
  rmSync(folder, { recursive: true, force: true });
  const random = generator(42);
  for (let i = 0; i < count; i++) {
    const directory = join(folder, `d${Math.floor(i / 5000)}`, `e${Math.floor(i / 250)}`);
    if (i % 250 === 0) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `file-${i}.txt`), text(random, 100 + (random() % 8092)));
  }
  writeFileSync(stamp, '');
}
