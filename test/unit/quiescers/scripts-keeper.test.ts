// What holds a database for a script: thawed once, by whoever comes first, and until it works.
import { describe, expect, it } from 'vitest';
import { createKeeper } from '../../../src/agent/holder-keeper.ts';
import { failure } from '../../../src/base/errors.ts';
import type { Quiescer } from '../../../src/ports/quiescer.ts';

interface Fake extends Quiescer {
  still: boolean;
  thaws: number;
  failing: number;
}

/** `stubborn`: becomes frozen after so long (ms), whatever the signal says. */
function fake(stubborn = 0): Fake {
  const self: Fake = {
    name: 'fake',
    still: false,
    thaws: 0,
    failing: 0,
    async freeze() {
      if (stubborn > 0) await new Promise((resolve) => setTimeout(resolve, stubborn));
      self.still = true;
      return { position: '7' };
    },
    async held() {},
    async thaw() {
      self.thaws++;
      if (self.failing-- > 0) throw failure('FREEZE_THAW_FAILED', { name: 'fake', detail: 'stuck' });
      self.still = false;
      return { end: '8' };
    },
  };
  return self;
}

describe('A3 a database that is held for a script', () => {
  it('A3 is thawed once, however many ask; the reason is that of the first', async () => {
    const database = fake();
    const reasons: (string | undefined)[] = [];
    const keeper = createKeeper(database, 0, (reason) => reasons.push(reason));
    expect(await keeper.freeze()).toEqual({ position: '7' });
    await keeper.held();
    const asked = [keeper.thaw('the freezer ended'), keeper.thaw(), keeper.thaw('a signal')];
    expect(await Promise.all(asked)).toEqual([{ end: '8' }, { end: '8' }, { end: '8' }]);
    await keeper.over;
    expect([database.thaws, reasons]).toEqual([1, ['the freezer ended']]);
    await expect(keeper.held()).rejects.toMatchObject({ code: 'FREEZE_LOST', message: expect.stringContaining('the freezer ended') });
    await expect(keeper.freeze()).rejects.toMatchObject({ code: 'FREEZE_LOST' });
  });

  it('A3 is thawed again and again until it works; whoever asked is told of the failure', async () => {
    const database = fake();
    const keeper = createKeeper(database, 0, () => undefined);
    await keeper.freeze();
    database.failing = 2;
    await expect(keeper.thaw()).rejects.toMatchObject({ code: 'FREEZE_THAW_FAILED' });
    await keeper.over;
    expect([database.thaws, database.still]).toEqual([3, false]);
  });

  it('A3 is thawed once more when it became frozen beside its thaw', async () => {
    const database = fake(1500);
    const keeper = createKeeper(database, 0, () => undefined);
    const freezing = keeper.freeze();
    await keeper.thaw('a signal');
    await freezing;
    await keeper.over;
    expect([database.thaws, database.still]).toEqual([2, false]);
  });
});
