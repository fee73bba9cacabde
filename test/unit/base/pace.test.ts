// How fast a backup may read and compute, on a clock that only moves when somebody sleeps.
import { describe, expect, it } from 'vitest';
import { createPace, type PaceClock, paceSettings } from '../../../src/base/pace.ts';

function fakeClock() {
  let time = 1_000_000;
  let used = 5_000;
  const clock: PaceClock & { work(ms: number): void; rest(ms: number): void } = {
    now: () => time,
    cpu: () => used,
    sleep: async (ms) => clock.rest(ms),
    sleepSync: (ms) => clock.rest(ms),
    work(ms) {
      time += ms;
      used += ms;
    },
    rest(ms) {
      time += ms;
    },
  };
  return clock;
}

const fine = () => undefined;

describe('the pace of a backup', () => {
  it('B1 bytes take as long as the limit says, for one reader and for several', async () => {
    const clock = fakeClock();
    const settings = paceSettings({ bytesPerSecond: 1_000_000, cpuPercent: 0 })!;
    const [main, worker] = [createPace(settings, clock), createPace(settings, clock)];
    const from = clock.now();
    for (let i = 0; i < 50; i++) {
      await main.before(100_000, fine);
      worker.beforeSync(100_000, fine);
    }
    // Ten million bytes, less what a rest earns.
    expect(clock.now() - from).toBeGreaterThan(9_700);
    expect(clock.now() - from).toBeLessThan(10_100);
  });

  it('B1 what was not read for a while is not made up for', async () => {
    const clock = fakeClock();
    const pace = createPace(paceSettings({ bytesPerSecond: 1_000_000, cpuPercent: 0 })!, clock);
    clock.rest(3_600_000);
    const from = clock.now();
    for (let i = 0; i < 20; i++) await pace.before(100_000, fine);
    expect(clock.now() - from).toBeGreaterThan(1_700);
  });

  it('B1 of a processor it has its share, and of a rest no more than a little', () => {
    const clock = fakeClock();
    const pace = createPace(paceSettings({ bytesPerSecond: 0, cpuPercent: 25 })!, clock);
    clock.rest(3_600_000);
    const from = clock.now();
    for (let worked = 0; worked < 10_000; worked += 50) {
      pace.beforeSync(1, fine);
      clock.work(50);
    }
    expect(clock.now() - from).toBeGreaterThan(38_500);
    expect(clock.now() - from).toBeLessThan(40_500);
  });

  it('B1 who waits notices soon that all is to stop', async () => {
    const clock = fakeClock();
    const pace = createPace(paceSettings({ bytesPerSecond: 1, cpuPercent: 0 })!, clock);
    let asked = 0;
    const stop = () => {
      if (++asked > 10) throw new Error('cancelled');
    };
    await expect(pace.before(1_000_000, stop)).rejects.toThrow('cancelled');
    expect(() => pace.beforeSync(1, stop)).toThrow('cancelled');
    expect(clock.now()).toBeLessThan(1_000_000 + 2_000);
  });

  it('B1 nothing is asked where nothing is limited', () => {
    expect(paceSettings(undefined)).toBeUndefined();
    expect(paceSettings({ bytesPerSecond: 0, cpuPercent: 0 })).toBeUndefined();
  });
});
