import { describe, expect, it } from 'vitest';
import { freezeWindow } from '../../../src/databases/bounds.ts';
import { openWithin, proofRows } from '../../../src/databases/sessions.ts';
import { sharedThaw } from '../../../src/databases/thaw.ts';

function windowOf(ms: number, signal = new AbortController().signal) {
  let now = 1000;
  const clock = { now: () => now, boottime: () => now };
  const window = freezeWindow('mysql', { deadline: now + ms, signal }, clock);
  return {
    window,
    pass: (by: number) => {
      now += by;
    },
  };
}

const coded = (code: string) => expect.objectContaining({ code });

describe('the window of a freeze', () => {
  it('A3 limits that a server keeps end no later than the deadline; where no whole second is left there is no freeze', () => {
    expect(windowOf(3900).window.wholeSeconds()).toBe(3);
    expect(windowOf(1000).window.wholeSeconds()).toBe(1);
    expect(() => windowOf(999).window.wholeSeconds()).toThrow(coded('FREEZE_EXPIRED'));
    const { window, pass } = windowOf(60_000);
    pass(57_100);
    expect(window.wholeSeconds()).toBe(2);
  });

  it('A3 the end of the limit and the end of the freeze are told apart', () => {
    const { window, pass } = windowOf(5000);
    window.check();
    pass(5000);
    expect(() => window.check()).toThrow('the freeze ran into its limit of 5 s');
    expect(() => windowOf(5000, AbortSignal.abort()).window.check()).toThrow(coded('FREEZE_FAILED'));
  });
});

describe('a session that is opened within it', () => {
  const session = () => {
    const said: string[] = [];
    return { said, close: () => void said.push('close') };
  };

  it('A22 a login that the deadline cuts short is the end of our limit, not a server that is down; what comes late is closed', async () => {
    const late = session();
    const coming = Promise.withResolvers<ReturnType<typeof session>>();
    let told: AbortSignal | undefined;
    const opening = openWithin(windowOf(50).window, (ms, signal) => {
      told = signal;
      expect(ms).toBe(5000);
      return coming.promise;
    });
    await expect(opening).rejects.toEqual(coded('FREEZE_EXPIRED'));
    expect(told!.aborted).toBe(true);
    coming.resolve(late);
    await coming.promise;
    expect(late.said).toEqual(['close']);
  });

  it('A22 what the server says of a login is told as it is', async () => {
    const down = new Error('no route to host');
    await expect(openWithin(windowOf(60_000).window, () => Promise.reject(down))).rejects.toBe(down);
  });

  it('A3 after the end of the freeze none is even begun', async () => {
    const opening = openWithin(windowOf(60_000, AbortSignal.abort()).window, () => expect.unreachable('it was begun'));
    await expect(opening).rejects.toEqual(coded('FREEZE_FAILED'));
  });
});

describe('a proof', () => {
  const watch = (lost?: string) => ({ query: async () => [], close: () => undefined, lost: () => lost });

  it('A2 what the server does not say in time, or cannot be asked, is lost', async () => {
    expect(await proofRows('x', watch(), Promise.resolve([{ a: 1 }]), 1000)).toEqual([{ a: 1 }]);
    await expect(proofRows('x', watch(), new Promise(() => undefined), 10)).rejects.toThrow('the server does not answer');
    await expect(proofRows('x', watch('shut down'), Promise.reject(new Error('EPIPE')), 1000)).rejects.toThrow(
      'x did not stay frozen: the server cannot be asked: shut down',
    );
    await expect(proofRows('x', watch(), Promise.reject(new Error('EPIPE')), 1000)).rejects.toThrow('cannot be asked: EPIPE');
  });
});

it('A3 two thaws at once are one; the next is another', async () => {
  let count = 0;
  const thaw = sharedThaw(async () => ++count);
  expect(await Promise.all([thaw(), thaw()])).toEqual([1, 1]);
  expect(await thaw()).toBe(2);
  const failing = sharedThaw(async () => {
    if (++count === 3) throw new Error('once');
    return count;
  });
  await expect(failing()).rejects.toThrow('once');
  expect(await failing()).toBe(4);
});
