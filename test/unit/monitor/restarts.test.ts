import { describe, expect, it } from 'vitest';
import { countRestarts } from '../../../src/monitor/restarts.ts';

const minute = 60_000;

describe('restarts', () => {
  it('A18 come after 1 s, then each after twice as long, up to a minute', () => {
    const restarts = countRestarts();
    const delays = Array.from({ length: 9 }, (_, at) => restarts.next(0, at * minute).delay / 1000);
    expect(delays).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
  });

  it('A18 come after 1 s again once the process ran well for a minute', () => {
    const restarts = countRestarts();
    expect([0, 59_999, 60_000, 0].map((ranWell, at) => restarts.next(ranWell, at * minute).delay)).toEqual([1000, 2000, 1000, 2000]);
  });

  it('A18 three within ten minutes raise one alarm; after a quiet time the next ones raise another', () => {
    const restarts = countRestarts();
    const alarms = (minutes: readonly number[]) => minutes.map((at) => restarts.next(0, at * minute).alarm);
    expect(alarms([0, 5, 9, 10, 11])).toEqual([false, false, true, false, false]);
    expect(alarms([40, 41, 42])).toEqual([false, false, true]);
  });

  it('A18 three within more than ten minutes raise none', () => {
    const restarts = countRestarts();
    expect([0, 6, 12, 18].map((at) => restarts.next(0, at * minute).alarm)).toEqual([false, false, false, false]);
  });
});
