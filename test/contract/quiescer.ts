// What everything that can be frozen must do (src/ports/quiescer.ts). An adapter's test calls this with something real.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../src/base/system-clock.ts';
import type { FreezeLimit, Quiescer } from '../../src/ports/quiescer.ts';

export interface QuiescerCase {
  readonly quiescer: Quiescer;
  /** Whether it holds still, as those who write to it see it. */
  isStill(): Promise<boolean>;
  /** Ends the freeze behind the quiescer's back (kills its session, thaws from outside). */
  breakIn(): Promise<void>;
  /** Makes it run again, however it was left, and takes it away. */
  remove(): Promise<void>;
}

export const limitOf = (ms: number, signal: AbortSignal = new AbortController().signal): FreezeLimit => ({
  deadline: systemClock.boottime() + ms,
  signal,
});

export function quiescerContract(name: string, prepare: () => Promise<QuiescerCase>): void {
  let one: QuiescerCase;
  beforeEach(async () => {
    one = await prepare();
  });
  afterEach(() => one.remove());

  it(`A3 ${name}: holds still from freeze to thaw, and can prove it`, async () => {
    expect(await one.isStill()).toBe(false);
    await one.quiescer.freeze(limitOf(30_000));
    expect(await one.isStill()).toBe(true);
    await one.quiescer.held();
    await one.quiescer.held();
    expect(await one.isStill()).toBe(true);
    await one.quiescer.thaw();
    expect(await one.isStill()).toBe(false);
  });

  it(`A3 ${name}: a thaw may come twice, and a freeze after it`, async () => {
    for (let round = 0; round < 2; round++) {
      await one.quiescer.freeze(limitOf(30_000));
      await one.quiescer.thaw();
      await one.quiescer.thaw();
      expect(await one.isStill()).toBe(false);
      await expect(one.quiescer.held()).rejects.toMatchObject({ code: 'FREEZE_LOST' });
    }
  });

  it(`A2 ${name}: a freeze that was broken from outside is known to be lost, and thaws like any other`, async () => {
    await one.quiescer.freeze(limitOf(30_000));
    await one.breakIn();
    await expect(one.quiescer.held()).rejects.toMatchObject({ code: 'FREEZE_LOST' });
    await one.quiescer.thaw();
    expect(await one.isStill()).toBe(false);
  });

  it(`A3 ${name}: a freeze that is called off, before or while it works, leaves nothing behind`, async () => {
    await expect(one.quiescer.freeze(limitOf(30_000, AbortSignal.abort()))).rejects.toThrow();
    await one.quiescer.thaw();
    const stop = new AbortController();
    const freezing = one.quiescer.freeze(limitOf(30_000, stop.signal));
    stop.abort();
    await expect(freezing).rejects.toThrow();
    await one.quiescer.thaw();
    expect(await one.isStill()).toBe(false);
  });
}
