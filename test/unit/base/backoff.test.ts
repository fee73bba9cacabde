import { describe, expect, test } from 'vitest';
import { backoff, type Retried, Transient } from '../../../src/base/backoff.ts';
import { failure } from '../../../src/base/errors.ts';

const offline = () => new Transient(failure('POOL_OFFLINE', { location: 'x', detail: 'y' }));

function fake(random = 0.5) {
  const slept: number[] = [];
  let time = 0;
  const sleep = async (milliseconds: number) => {
    slept.push(milliseconds);
    time += milliseconds;
  };
  return { slept, now: () => time, sleep, random: () => random };
}

function failing(times: number, error: () => Error = offline) {
  let calls = 0;
  const operation = async () => {
    if (++calls <= times) throw error();
    return calls;
  };
  return { operation, calls: () => calls };
}

describe('P1 trying again', () => {
  test('P1 passing trouble is outlasted with pauses that grow by 1.7 up to 30 seconds', async () => {
    const patience = fake();
    const retries: Retried[] = [];
    expect(await backoff(failing(12).operation, { ...patience, onRetry: (retried) => retries.push(retried) })).toBe(13);
    expect(patience.slept.slice(0, 4)).toEqual([500, 850, 1445, 2457]);
    expect(patience.slept.slice(-3)).toEqual([30_000, 30_000, 30_000]);
    expect(retries[1]).toMatchObject({ attempt: 2, delay: 850, error: { code: 'POOL_OFFLINE' } });
  });

  test('P1 chance spreads each pause over 50 to 150 percent', async () => {
    const low = fake(0);
    const high = fake(0.999999);
    await backoff(failing(1).operation, low);
    await backoff(failing(1).operation, high);
    expect([low.slept, high.slept]).toEqual([[250], [750]]);
  });

  test('P1 what will not pass is thrown at once', async () => {
    const patience = fake();
    const { operation, calls } = failing(1, () => failure('POOL_FULL', { location: 'x' }));
    await expect(backoff(operation, patience)).rejects.toMatchObject({ code: 'POOL_FULL' });
    expect([calls(), patience.slept]).toEqual([1, []]);
  });

  test('P1 when patience ends the final error comes out, never the marker of passing trouble', async () => {
    const patience = fake();
    const failed = await backoff(failing(1e9).operation, { ...patience, maxElapsed: 10_000 }).catch((error: unknown) => error);
    expect(failed).not.toBeInstanceOf(Transient);
    expect(failed).toMatchObject({ name: 'StillpointError', code: 'POOL_OFFLINE' });
    expect(patience.now()).toBeLessThanOrEqual(10_000);
    expect(patience.slept.length).toBeGreaterThan(3);
  });

  test('P1 a signal ends a pause that would last for minutes', async () => {
    const abort = new AbortController();
    const { operation, calls } = failing(1e9);
    const started = performance.now();
    const failed = expect(backoff(operation, { initial: 300_000, signal: abort.signal })).rejects.toMatchObject({ code: 'POOL_OFFLINE' });
    setImmediate(() => abort.abort());
    await failed;
    expect(calls()).toBe(1);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
