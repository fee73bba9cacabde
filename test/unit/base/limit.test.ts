import { describe, expect, test } from 'vitest';
import { bandwidthLimit, type LimitClock } from '../../../src/base/limit.ts';

/** A clock that goes on only when told; whoever waits is woken in time. */
function handClock() {
  let time = 0;
  const timers = new Set<{ at: number; wake: () => void }>();
  const clock: LimitClock = {
    now: () => time,
    after(milliseconds, wake) {
      const timer = { at: time + milliseconds, wake };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  /** Lets `milliseconds` pass, one timer after the other. */
  const pass = async (milliseconds: number) => {
    const end = time + milliseconds;
    for (;;) {
      await settle();
      const due = [...timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      timers.delete(due);
      time = Math.max(time, due.at);
      due.wake();
    }
    time = end;
    await settle();
  };
  return { clock, pass, timers };
}

/** Takes as fast as the limit lets it and counts the bytes. */
function taker(limit: ReturnType<typeof bandwidthLimit>) {
  const state = { bytes: 0, stop: false };
  (async () => {
    while (!state.stop) {
      const piece = limit.grain();
      await limit.take(piece);
      state.bytes += piece;
      if (state.bytes > 1e9) return;
    }
  })();
  return state;
}

describe('P3 the bandwidth limit', () => {
  test('P3 over ten seconds no more than the rate and a quarter of a second of it passes, and no less than the rate', async () => {
    const { clock, pass } = handClock();
    const limit = bandwidthLimit(1_000_000, clock);
    const taken = taker(limit);
    await pass(10_000);
    expect(taken.bytes).toBeLessThanOrEqual(10_000_000 + 250_000 + 65_536);
    expect(taken.bytes).toBeGreaterThanOrEqual(10_000_000);
    taken.stop = true;
  });

  test('P3 up and down share one limit, fairly', async () => {
    const { clock, pass } = handClock();
    const limit = bandwidthLimit(500_000, clock);
    const up = taker(limit);
    const down = taker(limit);
    await pass(20_000);
    expect(up.bytes + down.bytes).toBeLessThanOrEqual(10_000_000 + 125_000 + 2 * 65_536);
    expect(Math.abs(up.bytes - down.bytes)).toBeLessThanOrEqual(2 * 65_536);
    up.stop = down.stop = true;
  });

  test('P3 a rate changed while somebody waits holds from that moment: faster, slower, none', async () => {
    const { clock, pass, timers } = handClock();
    const limit = bandwidthLimit(1_000, clock);
    await limit.take(250);
    let passed = false;
    limit.take(100_000).then(() => {
      passed = true;
    });
    limit.setRate(10_000_000);
    await pass(20);
    expect(passed).toBe(true);

    limit.setRate(100_000);
    const slow = taker(limit);
    await pass(5_000);
    const before = slow.bytes;
    limit.setRate(10_000);
    await pass(10_000);
    expect(slow.bytes - before).toBeLessThanOrEqual(100_000 + 2_500 + 25_000);
    expect(slow.bytes - before).toBeGreaterThan(70_000);

    slow.stop = true;
    const waiting = limit.take(1_000_000).then(() => limit.take(1_000_000));
    limit.setRate(0);
    await waiting;
    expect(timers.size).toBe(0);
  });

  test('P3 without a limit nothing waits, and a rest does not save up more than a quarter of a second', async () => {
    const { clock, pass } = handClock();
    const limit = bandwidthLimit(0, clock);
    for (let i = 0; i < 1000; i++) await limit.take(1_000_000);
    limit.setRate(1_000_000);
    await pass(60_000);
    const taken = taker(limit);
    await pass(1_000);
    expect(taken.bytes).toBeLessThanOrEqual(1_000_000 + 250_000 + 65_536);
    taken.stop = true;
  });

  test('P3 pieces are 64 KiB, smaller under a low rate, never below 1 KiB', () => {
    expect(bandwidthLimit(0).grain()).toBe(65_536);
    expect(bandwidthLimit(100_000_000).grain()).toBe(65_536);
    expect(bandwidthLimit(40_000).grain()).toBe(10_000);
    expect(bandwidthLimit(100).grain()).toBe(1_024);
  });
});
