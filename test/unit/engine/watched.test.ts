import { describe, expect, it } from 'vitest';
import { failure } from '../../../src/base/errors.ts';
import { lookEvery, watched } from '../../../src/engine/watched.ts';

const lost = failure('SNAPSHOT_LOST', { name: 'stillpoint-1', detail: 'it overflowed' });

/** Time passes by hand. */
function stage(answers: readonly (Error | undefined)[]) {
  const waiting = new Set<() => void>();
  const delays: number[] = [];
  const outer = new AbortController();
  let looks = 0;
  const intact = async () => {
    const answer = answers[looks++];
    if (answer) throw answer;
  };
  const timers = {
    after: (ms: number, wake: () => void) => {
      delays.push(ms);
      waiting.add(wake);
      return () => void waiting.delete(wake);
    },
  };
  const pass = async () => {
    for (const wake of [...waiting]) {
      waiting.delete(wake);
      wake();
    }
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { outer, waiting, delays, pass, looks: () => looks, watch: watched(intact, outer.signal, timers) };
}

describe('an image that is read', () => {
  it('S1 is looked at every 10 s, and its loss ends the reading at once with that reason', async () => {
    const { watch, pass, looks, delays, waiting } = stage([undefined, undefined, lost]);
    await pass();
    await pass();
    expect({ looks: looks(), aborted: watch.signal.aborted, delays }).toEqual({
      looks: 2,
      aborted: false,
      delays: [lookEvery, lookEvery, lookEvery],
    });
    expect(lookEvery).toBe(10_000);
    watch.throwIfLost();
    await pass();
    expect(watch.signal.reason).toBe(lost);
    expect(() => watch.throwIfLost()).toThrow(lost);
    expect(waiting.size).toBe(0);
  });

  it('S1 is read on where it only could not be looked at', async () => {
    const { watch, pass, waiting } = stage([new Error('lvs did not end within 60 s')]);
    await pass();
    expect(watch.signal.aborted).toBe(false);
    expect(waiting.size).toBe(1);
    watch.stop();
  });

  it('S1 a cancelled task keeps its own reason, and nobody looks after the end', async () => {
    const { watch, outer, pass, looks, waiting } = stage([lost]);
    outer.abort(new Error('cancelled'));
    expect(watch.signal.reason).toMatchObject({ message: 'cancelled' });
    watch.throwIfLost();
    watch.stop();
    watch.stop();
    await pass();
    expect({ looks: looks(), waiting: waiting.size }).toEqual({ looks: 0, waiting: 0 });
  });

  it('S1 an end during a look is the end: what that look finds is of no interest', async () => {
    const { watch, waiting } = stage([lost]);
    for (const wake of waiting) wake();
    watch.stop();
    await new Promise((resolve) => setImmediate(resolve));
    expect(watch.signal.aborted).toBe(false);
  });
});
