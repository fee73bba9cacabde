import { describe, expect, it } from 'vitest';
import { createTaskQueue, type QueueItem } from '../../../src/engine/task-queue.ts';
import type { TaskType } from '../../../src/model/task.ts';

function harness(atOnce = 2) {
  const ends = new Map<string, () => void>();
  const started: string[] = [];
  const queue = createTaskQueue({
    atOnce,
    lightAtOnce: 2,
    run: ({ id }) => {
      started.push(id);
      return new Promise((resolve) => ends.set(id, resolve));
    },
  });
  const add = (id: string, type: TaskType, vaultId: string | null = 'v', first = false) =>
    queue.add({ id, type, vaultId } satisfies QueueItem, { first });
  const end = async (id: string) => {
    ends.get(id)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { queue, add, end, started };
}

describe('task queue', () => {
  it('B11 runs two at once and one writer a vault, in order', async () => {
    const { add, end, started } = harness();
    add('a1', 'backup', 'a');
    add('a2', 'backup', 'a');
    add('b1', 'backup', 'b');
    add('c1', 'backup', 'c');
    expect(started).toEqual(['a1', 'b1']);
    await end('a1');
    expect(started).toEqual(['a1', 'b1', 'a2']);
    await end('a2');
    expect(started).toEqual(['a1', 'b1', 'a2', 'c1']);
  });

  it('B11 lets readers run beside a writer, but not beside or past a prune', async () => {
    const { add, end, started } = harness(9);
    add('write', 'backup');
    add('read', 'restore');
    add('prune', 'prune');
    add('late', 'ls');
    add('elsewhere', 'ls', 'w');
    expect(started).toEqual(['write', 'read', 'elsewhere']);
    await end('write');
    expect(started).not.toContain('prune');
    await end('read');
    expect(started.at(-1)).toBe('prune');
    await end('prune');
    expect(started.at(-1)).toBe('late');
  });

  it('B11 answers questions while long tasks take all places', () => {
    const { add, started } = harness(1);
    add('long', 'backup', 'a');
    add('longer', 'backup', 'b');
    add('question', 'ls', 'a');
    add('probe', 'probe', null);
    expect(started).toEqual(['long', 'question', 'probe']);
  });

  it('B11 takes out what waits, puts first what must be first, and starts nothing once stopped', async () => {
    const { queue, add, end, started } = harness(1);
    add('one', 'backup');
    add('two', 'backup');
    add('three', 'backup');
    add('unlock', 'vault-unlock', 'v', true);
    expect(queue.withdraw('two')).toBe(true);
    expect(queue.withdraw('one')).toBe(false);
    await end('one');
    expect(started).toEqual(['one', 'unlock']);
    queue.stop();
    const idle = queue.idle();
    await end('unlock');
    await idle;
    expect([started, queue.waiting.map((item) => item.id)]).toEqual([['one', 'unlock'], ['three']]);
  });
});
