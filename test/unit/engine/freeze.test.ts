// One freeze, step by step, on a clock that the test owns.
import { describe, expect, it } from 'vitest';
import { failure, type Problem } from '../../../src/base/errors.ts';
import { createFreeze } from '../../../src/engine/freeze.ts';
import type { FreezeLimit, Quiescer } from '../../../src/ports/quiescer.ts';

/** Time that stands still until it is moved; what is due then runs, in order. */
function ownTime() {
  let now = 1000;
  let due: { readonly at: number; readonly wake: () => void }[] = [];
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    clock: { boottime: () => now },
    timers: {
      after: (ms: number, wake: () => void) => {
        const one = { at: now + ms, wake };
        due.push(one);
        return () => {
          due = due.filter((other) => other !== one);
        };
      },
    },
    async pass(ms: number) {
      const end = now + ms;
      for (;;) {
        await settle();
        const next = due.filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0];
        if (!next) break;
        due = due.filter((one) => one !== next);
        now = Math.max(now, next.at);
        next.wake();
      }
      now = end;
      await settle();
    },
    /** The host slept: no timer ran. */
    sleepHost(ms: number) {
      now += ms;
    },
  };
}

interface Behaviour {
  readonly brief?: true;
  readonly freeze?: (limit: FreezeLimit) => Promise<unknown>;
  readonly held?: () => Promise<void>;
  readonly thaw?: () => Promise<unknown>;
}

function bench(behaviours: Readonly<Record<string, Behaviour>>, limitMs = 60_000) {
  const story: string[] = [];
  const alarms: Problem[] = [];
  const proofs: string[] = [];
  const time = ownTime();
  const quiescers = Object.entries(behaviours).map(
    ([name, { brief, freeze, held, thaw }]): Quiescer => ({
      name,
      ...(brief && { brief }),
      async freeze(limit) {
        story.push(`freeze ${name}`);
        await freeze?.(limit);
        return { frozen: name };
      },
      async held() {
        proofs.push(name);
        await held?.();
      },
      async thaw() {
        story.push(`thaw ${name}`);
        await thaw?.();
        return { thawed: name };
      },
    }),
  );
  const freeze = createFreeze({
    quiescers,
    limitMs,
    clock: time.clock,
    timers: time.timers,
    willFreeze: ({ name }) => void story.push(`note ${name}`),
    alarm: (problem) => void alarms.push(problem),
  });
  return { freeze, story, proofs, alarms, time };
}

const never = () => new Promise<never>(() => undefined);
const failing = (code: 'FREEZE_FAILED' | 'FREEZE_LOST', detail: string) => async () => {
  throw failure(code, { name: 'it', detail });
};

describe('a freeze', () => {
  it('A3 goes in order, is noted before each step, and is thawed in reverse', async () => {
    const { freeze, story, time } = bench({ a: {}, b: {}, c: {} });
    expect(await freeze.freeze()).toEqual({
      names: ['a', 'b', 'c'],
      facts: { a: { frozen: 'a' }, b: { frozen: 'b' }, c: { frozen: 'c' } },
    });
    await time.pass(700);
    await freeze.prove();
    const report = await freeze.thaw();
    expect(story).toEqual('note a,freeze a,note b,freeze b,note c,freeze c,thaw c,thaw b,thaw a'.split(','));
    expect(report).toMatchObject({ held: true, thawed: true, frozenMs: 700, facts: { a: { frozen: 'a', thawed: 'a' } } });
    expect(report.steps.map(({ action, name }) => `${action} ${name}`)).toEqual(
      'freeze a,freeze b,freeze c,thaw c,thaw b,thaw a'.split(','),
    );
    expect(report).not.toHaveProperty('lost');
    await freeze.over;
    expect(await freeze.thaw()).toBe(report);
    expect(story).toHaveLength(9);
  });

  it('A3 that fails thaws what was begun, the failed one too, and nothing else', async () => {
    const { freeze, story } = bench({ a: {}, b: { freeze: failing('FREEZE_FAILED', 'no') }, c: {} });
    await expect(freeze.freeze()).rejects.toMatchObject({ code: 'FREEZE_FAILED' });
    expect(story).toEqual('note a,freeze a,note b,freeze b,thaw b,thaw a'.split(','));
    const report = await freeze.ended;
    expect(report).toMatchObject({ held: false, thawed: true, lost: { cause: 'failed' } });
    expect(report.steps[1]).toMatchObject({ action: 'freeze', name: 'b', problem: { code: 'FREEZE_FAILED' } });
  });

  it('A3 is not begun where it cannot be noted', async () => {
    const { story, time } = bench({});
    let frozen = false;
    const quiescer: Quiescer = {
      name: 'a',
      freeze: async () => {
        frozen = true;
        return {};
      },
      held: async () => undefined,
      thaw: async () => ({}),
    };
    const freeze = createFreeze({
      quiescers: [quiescer],
      limitMs: 1000,
      ...time,
      alarm: () => undefined,
      willFreeze: () => {
        throw failure('FREEZE_FAILED', { name: 'a', detail: 'the disk is full' });
      },
    });
    await expect(freeze.freeze()).rejects.toThrow('the disk is full');
    expect(frozen).toBe(false);
    expect(story).toEqual([]);
  });
});

describe('the proof', () => {
  it('A2 fails with the reason as soon as one was not still, and for good', async () => {
    let still = false;
    const { freeze } = bench({
      a: {
        held: async () => {
          if (!still) await failing('FREEZE_LOST', 'killed by id 7')();
        },
      },
    });
    await freeze.freeze();
    await expect(freeze.prove()).rejects.toMatchObject({ code: 'FREEZE_LOST', message: expect.stringContaining('killed by id 7') });
    still = true;
    await expect(freeze.prove()).rejects.toMatchObject({ code: 'FREEZE_LOST' });
    expect(await freeze.thaw()).toMatchObject({
      held: false,
      lost: { cause: 'lost', reason: expect.stringContaining('killed by id 7') },
      thawed: true,
    });
  });

  it('A2 is asked for by the thaw, too', async () => {
    const { freeze } = bench({ a: { held: failing('FREEZE_LOST', 'gone') } });
    await freeze.freeze();
    expect(await freeze.thaw()).toMatchObject({ held: false, lost: { cause: 'lost' } });
  });

  it('A2 fails where no answer comes', async () => {
    const { freeze, time } = bench({ a: { held: never } });
    await freeze.freeze();
    const proof = expect(freeze.prove()).rejects.toThrow('a did not answer');
    await time.pass(3000);
    await proof;
  });

  it('A2 fails before everything is frozen, and after the thaw', async () => {
    const { freeze } = bench({ a: {} });
    await expect(freeze.prove()).rejects.toMatchObject({ code: 'FREEZE_LOST' });
    const other = bench({ a: {} });
    await other.freeze.freeze();
    await other.freeze.thaw();
    await expect(other.freeze.prove()).rejects.toMatchObject({ code: 'FREEZE_LOST' });
  });
});

describe('what is held only until the image exists', () => {
  /** As a database whose server is stopped: it answers once the server runs again. */
  function withServer(brief: Behaviour = {}) {
    let runs = true;
    const stop = async () => {
      runs = false;
    };
    const go = async () => {
      runs = true;
    };
    const db: Behaviour = { held: async () => (runs ? undefined : never()) };
    return bench({ db, writers: { freeze: stop, thaw: go, ...brief, brief: true } });
  }

  it('A2 is proven first and let go before the others are asked', async () => {
    const { freeze, story, proofs, time } = withServer();
    await freeze.freeze();
    await time.pass(40);
    await freeze.prove();
    expect(proofs).toEqual(['writers', 'db']);
    expect(story.slice(4)).toEqual(['thaw writers']);
    await time.pass(60);
    const report = await freeze.thaw();
    expect(report).toMatchObject({ held: true, thawed: true, frozenMs: 100, facts: { writers: { frozen: 'writers', thawed: 'writers' } } });
    expect(report.steps.map(({ action, name }) => `${action} ${name}`)).toEqual(['freeze db', 'freeze writers', 'thaw writers', 'thaw db']);
    expect(story.filter((line) => line === 'thaw writers')).toHaveLength(1);
  });

  it('A2 is proven once: asked again, at the same time or later, it is as it was', async () => {
    const { freeze, proofs } = withServer();
    await freeze.freeze();
    await Promise.all([freeze.prove(), freeze.prove()]);
    await freeze.prove();
    expect(await freeze.thaw()).toMatchObject({ held: true });
    expect(proofs.filter((name) => name === 'writers')).toEqual(['writers']);
    expect(proofs.filter((name) => name === 'db')).toHaveLength(4);
  });

  it('A2 that was lost is let go all the same, and lost for good', async () => {
    const { freeze, story } = withServer({ held: failing('FREEZE_LOST', 'somebody let mysqld (7) run on') });
    await freeze.freeze();
    await expect(freeze.prove()).rejects.toThrow('somebody let mysqld (7) run on');
    expect(story).toContain('thaw writers');
    await expect(freeze.prove()).rejects.toMatchObject({ code: 'FREEZE_LOST' });
    expect(await freeze.thaw()).toMatchObject({ held: false, thawed: true, lost: { cause: 'lost' } });
  });

  it('A2 is proven and let go first by a thaw that nobody asked a proof before', async () => {
    const { freeze, story, proofs } = withServer();
    await freeze.freeze();
    expect(await freeze.thaw()).toMatchObject({ held: true, thawed: true });
    expect(proofs).toEqual(['writers', 'db']);
    expect(story.slice(4)).toEqual(['thaw writers', 'thaw db']);
  });

  it('A3 is thawed first at the limit, without a proof', async () => {
    const { freeze, story, proofs, time } = withServer();
    await freeze.freeze();
    await time.pass(60_000);
    expect(proofs).toEqual([]);
    expect(story.slice(4)).toEqual(['thaw writers', 'thaw db']);
    expect(await freeze.ended).toMatchObject({ lost: { cause: 'expired' } });
  });

  it('A3 that cannot be let go is told, and thawed with the others until it is', async () => {
    let attempts = 0;
    const thaw = async () => {
      if (++attempts < 3) throw failure('FREEZE_THAW_FAILED', { name: 'writers', detail: 'not yet' });
    };
    const { freeze, alarms, time } = bench({ db: {}, writers: { brief: true, thaw } });
    await freeze.freeze();
    await freeze.prove();
    expect(alarms).toMatchObject([{ code: 'FREEZE_THAW_FAILED' }]);
    expect(await freeze.thaw()).toMatchObject({ held: true, thawed: false });
    await time.pass(1000);
    await freeze.over;
    expect(attempts).toBe(3);
  });

  it('A3 that hangs on its way out holds up neither the proof nor the thaw', async () => {
    const { freeze, time } = bench({ db: {}, writers: { brief: true, thaw: never } });
    await freeze.freeze();
    const proof = freeze.prove();
    await time.pass(2000);
    await proof;
    const thaw = freeze.thaw();
    await time.pass(70_000);
    expect(await thaw).toMatchObject({ thawed: false });
  });
});

describe('the limit', () => {
  it('A3 thaws unasked, and A2 that is a cause of its own', async () => {
    const { freeze, story, time } = bench({ a: {} }, 5000);
    await freeze.freeze();
    await time.pass(4900);
    expect(story).not.toContain('thaw a');
    await time.pass(200);
    expect(story).toContain('thaw a');
    expect(await freeze.ended).toMatchObject({ held: false, thawed: true, lost: { cause: 'expired' } });
    await expect(freeze.prove()).rejects.toMatchObject({ code: 'FREEZE_EXPIRED' });
  });

  it('A3 counts from before the first freeze: one that hangs does not hold the others up', async () => {
    const { freeze, story, time } = bench({ a: {}, b: { freeze: never }, c: {} }, 5000);
    const failed = expect(freeze.freeze()).rejects.toMatchObject({ code: 'FREEZE_EXPIRED' });
    await time.pass(4000);
    expect(story).toEqual('note a,freeze a,note b,freeze b'.split(','));
    await time.pass(1000 + 1000);
    await failed;
    expect(story.slice(4)).toEqual(['thaw b', 'thaw a']);
  });

  it('A3 aborts what is being frozen', async () => {
    const { freeze, time } = bench(
      {
        a: {
          freeze: ({ signal, deadline }) =>
            new Promise((_, reject) => {
              expect(deadline).toBe(1000 + 5000);
              signal.addEventListener('abort', () => reject(failure('FREEZE_FAILED', { name: 'a', detail: 'stopped' })));
            }),
        },
      },
      5000,
    );
    const failed = expect(freeze.freeze()).rejects.toMatchObject({ code: 'FREEZE_EXPIRED' });
    await time.pass(5000);
    await failed;
  });

  it('A2 a proof asked for after it is "expired", though no timer has run: the host slept', async () => {
    const { freeze, time } = bench({ a: {} }, 5000);
    await freeze.freeze();
    time.sleepHost(6000);
    await expect(freeze.prove()).rejects.toMatchObject({ code: 'FREEZE_EXPIRED' });
    expect(await freeze.thaw()).toMatchObject({ held: false, lost: { cause: 'expired' } });
  });

  it('A3 is noticed within a second after the host slept', async () => {
    const { freeze, story, time } = bench({ a: {} }, 60_000);
    await freeze.freeze();
    time.sleepHost(60_000);
    await time.pass(1000);
    expect(story).toContain('thaw a');
  });
});

describe('the thaw', () => {
  it('A3 never stops at an error, is told, and goes on until it works', async () => {
    let attempts = 0;
    const { freeze, story, alarms, time } = bench({
      a: {},
      b: {
        thaw: async () => {
          if (++attempts < 40) throw failure('FREEZE_THAW_FAILED', { name: 'b', detail: 'not yet' });
        },
      },
      c: {},
    });
    await freeze.freeze();
    const report = await freeze.thaw();
    expect(report).toMatchObject({ held: true, thawed: false });
    expect(story.slice(6)).toEqual(['thaw c', 'thaw b', 'thaw a']);
    expect(report.steps.find(({ action, name }) => action === 'thaw' && name === 'b')).toMatchObject({
      problem: { code: 'FREEZE_THAW_FAILED' },
    });
    let over = false;
    void freeze.over.then(() => {
      over = true;
    });
    await time.pass(60 * 60_000);
    expect(over).toBe(true);
    expect(attempts).toBe(40);
    expect(alarms).toHaveLength(39);
    expect(story.filter((line) => line === 'thaw a')).toHaveLength(1);
  });

  it('A3 one that hangs is overtaken', async () => {
    const { freeze, story, time } = bench({ a: {}, b: { thaw: never } });
    await freeze.freeze();
    const thaw = freeze.thaw();
    await time.pass(2100);
    expect(story.slice(4)).toEqual(['thaw b', 'thaw a']);
    await time.pass(60_000);
    expect(await thaw).toMatchObject({ thawed: false });
  });

  it('A3 during the freeze calls it off', async () => {
    const { freeze, story, time } = bench({ a: {}, b: { freeze: never }, c: {} });
    const failed = expect(freeze.freeze()).rejects.toMatchObject({ code: 'FREEZE_FAILED', message: expect.stringContaining('SIGTERM') });
    await time.pass(0);
    const report = freeze.thaw({ cause: 'lost', reason: 'rdfreeze was told to end (SIGTERM)' });
    await time.pass(1000);
    expect(await report).toMatchObject({ held: false, lost: { cause: 'lost' }, thawed: true });
    await failed;
    expect(story).not.toContain('freeze c');
    expect(story.slice(-2)).toEqual(['thaw b', 'thaw a']);
  });

  it('A3 errors that nobody foresaw are told as failed thaws', async () => {
    let first = true;
    const { freeze, alarms, time } = bench({
      a: {
        thaw: async () => {
          if (first) {
            first = false;
            throw new TypeError('oops');
          }
        },
      },
    });
    await freeze.freeze();
    await freeze.thaw();
    expect(alarms).toMatchObject([{ code: 'FREEZE_THAW_FAILED', detail: expect.stringContaining('oops') }]);
    await time.pass(1000);
    await freeze.over;
  });
});
