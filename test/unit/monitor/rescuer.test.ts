// The rescue by itself, on a clock that the test owns.
import { describe, expect, it } from 'vitest';
import { createRescuer } from '../../../src/monitor/rescuer.ts';
import { ownTime, story } from './times.ts';

/** Rescues that end when they are told to. */
function bed() {
  const time = ownTime();
  const log = story();
  const runs: PromiseWithResolvers<boolean>[] = [];
  let atOnce = 0;
  let most = 0;
  const run = () => {
    most = Math.max(most, ++atOnce);
    const one = Promise.withResolvers<boolean>();
    runs.push(one);
    return one.promise.finally(() => atOnce--);
  };
  const rescuer = createRescuer({ run, timers: time.timers, log, within: 30_000 });
  const ask = () => {
    const asked = { answer: undefined as boolean | undefined };
    void rescuer.rescue().then((thawed) => {
      asked.answer = thawed;
    });
    return asked;
  };
  return { time, log, runs, ask, most: () => most };
}

describe('the rescue', () => {
  it('A3 is waited for, and says that nothing is left frozen', async () => {
    const { time, runs, ask, log } = bed();
    const asked = ask();
    await time.pass(29_000);
    expect(asked.answer).toBeUndefined();
    runs[0]?.resolve(true);
    await time.pass(0);
    expect(asked.answer).toBe(true);
    expect(log.lines).toEqual(['rescue: nothing is left frozen']);
  });

  it('A3 never runs twice at once; who comes while one runs waits for one that begins later, and shares it', async () => {
    const { time, runs, ask, most } = bed();
    const [first, second, third] = [ask(), ask(), ask()];
    await time.pass(0);
    expect(runs).toHaveLength(1);
    runs[0]?.resolve(true);
    await time.pass(0);
    expect([first.answer, second.answer, third.answer]).toEqual([true, undefined, undefined]);
    expect(runs).toHaveLength(2);
    runs[1]?.resolve(true);
    await time.pass(0);
    expect([second.answer, third.answer]).toEqual([true, true]);
    expect(runs).toHaveLength(2);
    expect(most()).toBe(1);
  });

  it('A3 A18 that takes longer than 30 s holds up no start, loudly, and is tried again until it succeeds', async () => {
    const { time, runs, ask, log, most } = bed();
    const asked = ask();
    await time.pass(30_000);
    expect(asked.answer).toBe(false);
    expect(log.lines).toEqual([expect.stringContaining('ALARM: something may still be frozen')]);
    // While that is known nobody waits again.
    const again = ask();
    await time.pass(0);
    expect(again.answer).toBe(false);

    for (let failed = 0; failed < 3; failed++) {
      runs.at(-1)?.resolve(false);
      await time.pass(60_000);
    }
    expect(runs.length).toBeGreaterThan(3);
    runs.at(-1)?.resolve(true);
    await time.pass(60_000);
    expect(log.lines.at(-1)).toBe('the rescue has succeeded: nothing is left frozen');
    expect(log.lines).toHaveLength(2);
    expect(most()).toBe(1);
    const count = runs.length;
    await time.pass(600_000);
    expect(runs).toHaveLength(count);
  });

  it('A3 that fails is said at once and tried again', async () => {
    const { time, runs, ask, log } = bed();
    const asked = ask();
    runs[0]?.resolve(false);
    await time.pass(1000);
    expect(asked.answer).toBe(false);
    expect(log.lines[0]).toContain('ALARM');
    expect(runs).toHaveLength(2);
    runs[1]?.resolve(true);
    await time.pass(0);
    expect(log.lines.at(-1)).toContain('has succeeded');
  });
});
