import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { atOperation, type Fault, faulty } from '../../src/backends/faulty.ts';
import { limited } from '../../src/backends/limited.ts';
import { memoryBackend } from '../../src/backends/memory.ts';
import { retrying } from '../../src/backends/retry.ts';
import { failure } from '../../src/base/errors.ts';
import type { Limit } from '../../src/base/limit.ts';
import { backendContract, listed, nameOf } from '../contract/backend.ts';

const noPause = { sleep: async () => {}, random: () => 0 };
const none: Limit = { take: async () => {}, grain: () => 65_536, setRate: () => {} };
const bytes = randomBytes(150_000);
const name = nameOf(bytes);

// Every second operation fails, half of these after having been done: the law holds all the same.
backendContract('retrying, where every second operation fails', async () => {
  const faults: Fault[] = [{ type: 'fail' }, { type: 'do-then-fail' }];
  const bad = faulty(memoryBackend(), ({ number }) => (number % 2 === 1 ? faults[Math.floor(number / 2) % 2] : undefined));
  return { backend: retrying(bad, noPause), cleanup: async () => {} };
});

backendContract('limited', async () => ({ backend: limited(memoryBackend(), none), cleanup: async () => {} }));

describe('P1 a faulty backend', () => {
  test('P1 counts operations and does what it is told at the n-th', async () => {
    const memory = memoryBackend();
    let hooked = 0;
    const hook: Fault = { type: 'hook', run: () => void hooked++ };
    const backend = faulty(
      memory,
      atOperation(2, hook, ({ operation }) => operation === 'save'),
    );
    await backend.save('keys', name, bytes);
    expect(hooked).toBe(0);
    await backend.load('keys', name);
    await backend.save('keys', name, bytes);
    expect(hooked).toBe(1);
    expect(await listed(backend, 'keys')).toHaveLength(1);
    expect(backend.calls.map(({ number, operation }) => `${number} ${operation}`)).toEqual(['1 save', '2 load', '3 save', '4 list']);
  });

  test('P1 a lost answer leaves the file, a failure does not, a flipped bit changes one bit', async () => {
    const memory = memoryBackend();
    const error = failure('POOL_FULL', { location: 'x' });
    const faults: (Fault | undefined)[] = [
      { type: 'do-then-fail', error },
      { type: 'fail', error },
      { type: 'flip', bit: 9 },
    ];
    const backend = faulty(memory, ({ number }) => faults[number - 1]);
    await expect(backend.save('keys', name, bytes)).rejects.toBe(error);
    expect([...memory.files.keys()]).toEqual([`keys/${name}`]);
    await expect(backend.save('index', name, bytes)).rejects.toBe(error);
    expect(memory.files.size).toBe(1);
    const loaded = await backend.load('keys', name);
    expect(loaded[1]! ^ bytes[1]!).toBe(2);
    loaded[1] = bytes[1]!;
    expect(loaded).toEqual(bytes);
    expect(await backend.load('keys', name)).toEqual(bytes);
  });

  test('P1 a stalled operation ends with close', async () => {
    const backend = faulty(memoryBackend(), () => ({ type: 'stall' }));
    let ended = false;
    const stalled = backend.save('keys', name, bytes).finally(() => {
      ended = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(ended).toBe(false);
    await backend.close();
    await expect(stalled).rejects.toMatchObject({ name: 'Transient' });
  });
});

describe('P1 a listing that breaks off', () => {
  test('P1 begins again and yields each file once, also when the order has changed', async () => {
    const memory = memoryBackend();
    const names = Array.from({ length: 50 }, (_, i) => nameOf(Buffer.from(`${i}`)));
    for (const one of names) await memory.save('data', one, Buffer.from(one));
    let round = 0;
    const breaking = {
      ...memory,
      async *list(kind: 'data') {
        round++;
        const files = await Array.fromAsync(memory.list(kind));
        let given = 0;
        for (const file of round % 2 === 0 ? files.reverse() : files) {
          if (round < 4 && given++ === 12 * round) await faulty(memory, () => ({ type: 'fail' })).stat(kind, file.name);
          yield file;
        }
      },
    } as typeof memory;
    const found = await Array.fromAsync(retrying(breaking, noPause).list('data'));
    expect(found.map((file) => file.name).sort()).toEqual(names.sort());
    expect(round).toBe(4);
  });
});

describe('P3 a limited backend', () => {
  test('P3 pays for every byte in both directions in pieces of at most 64 KiB, before it moves', async () => {
    const taken: number[] = [];
    const limit: Limit = { ...none, take: async (count) => void taken.push(count) };
    const memory = memoryBackend();
    const order: string[] = [];
    const backend = limited(
      faulty(memory, ({ operation }) => ({ type: 'hook', run: () => void order.push(`${operation} after ${taken.length}`) })),
      limit,
    );
    await backend.save('data', name, bytes);
    expect(taken).toEqual([65_536, 65_536, 18_928]);
    await backend.load('data', name, { offset: 10, length: 1000 });
    await backend.load('data', name);
    expect(taken.slice(3)).toEqual([1000, 65_536, 65_536, 18_928]);
    expect(order).toEqual(['save after 3', 'load after 4', 'load after 4']);
  });
});
