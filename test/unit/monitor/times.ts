// Time that stands still until a test moves it, and what rdmonitor said meanwhile.
import type { MonitorLog } from '../../../src/monitor/log.ts';

export interface OwnTime {
  readonly clock: { now(): number; boottime(): number };
  readonly timers: { after(ms: number, wake: () => void): () => void };
  /** What is due until then runs, in order. */
  pass(ms: number): Promise<void>;
  /** The host sleeps: no timer runs. */
  sleepHost(ms: number): void;
}

export function ownTime(): OwnTime {
  let now = 1000;
  let due: { readonly at: number; readonly wake: () => void }[] = [];
  const settle = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  };
  return {
    clock: { now: () => now, boottime: () => now },
    timers: {
      after: (ms, wake) => {
        const one = { at: now + ms, wake };
        due.push(one);
        return () => {
          due = due.filter((other) => other !== one);
        };
      },
    },
    async pass(ms) {
      const end = now + ms;
      for (;;) {
        await settle();
        const next = due.filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0];
        if (!next) break;
        due = due.filter((one) => one !== next);
        now = Math.max(now, next.at);
        next.wake();
      }
      now = Math.max(now, end);
      await settle();
    },
    sleepHost(ms) {
      now += ms;
    },
  };
}

export interface Story extends MonitorLog {
  readonly lines: string[];
}

/** A log that is kept: what happened, in its order. */
export function story(): Story {
  const lines: string[] = [];
  const say = (text: string) => void lines.push(text);
  return { lines, info: say, warn: say, error: say, close: async () => undefined };
}
