// Thaws what a crash left frozen, by rdfreeze rescue: never two at once, never given up, and never an obstacle to a start for longer than said.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Layout } from '../config/layout.ts';
import { settledWithin, systemTimers, type Timers } from '../engine/freeze-timers.ts';
import { exitOf, freezeProgram } from '../host/programs.ts';
import { raise } from './alarm.ts';
import type { MonitorLog } from './log.ts';

export interface Rescuer {
  /**
   * Resolves when a rescue that began after this call has ended, or when that takes too long and goes on in the background: whether nothing is
   * left frozen, as far as is known. Never rejects.
   */
  rescue(): Promise<boolean>;
}

export interface RescuerTools {
  /** Answers whether nothing is left frozen. Never rejects. */
  readonly run: () => Promise<boolean>;
  readonly timers: Timers;
  readonly log: MonitorLog;
  /** ms. */
  readonly within: number;
}

const firstPause = 1000;
const longestPause = 60_000;
/** A rescue that has not ended by then hangs: it waits its turn and thaws for less than half of that (ms). */
const hungMs = 90_000;
const lastWordsMs = 500;

export function createRescuer({ run, timers, log, within }: RescuerTools): Rescuer {
  let running: Promise<boolean> | undefined;
  let next: Promise<boolean> | undefined;
  let retrying = false;

  const begin = (): Promise<boolean> => {
    const one = run().finally(() => {
      if (running === one) running = undefined;
    });
    running = one;
    return one;
  };
  /** One that runs already may have looked before what we know of died. Those who wait for the next one share it. */
  const once = (): Promise<boolean> => {
    if (!running) return begin();
    next ??= running.then(() => {
      next = undefined;
      return begin();
    });
    return next;
  };

  async function retry(first: Promise<boolean>): Promise<void> {
    retrying = true;
    let thawed = await first;
    for (let wait = firstPause; !thawed; wait = Math.min(wait * 2, longestPause)) {
      await new Promise<void>((resolve) => void timers.after(wait, resolve));
      thawed = await once();
    }
    retrying = false;
    log.info('the rescue has succeeded: nothing is left frozen');
  }

  return {
    async rescue() {
      const thawed = once();
      // It was said already that nobody waits.
      if (retrying) return false;
      const begun = performance.now();
      if ((await settledWithin(thawed, within, timers)) && (await thawed)) {
        log.info('rescue: nothing is left frozen', { ms: Math.round(performance.now() - begun) });
        return true;
      }
      if (retrying) return false;
      const text = 'something may still be frozen; it is tried again without end, and what is to be started is started all the same';
      raise(log, { alarm: 'MAYBE_FROZEN', process: 'rdfreeze rescue', text });
      void retry(thawed);
      return false;
    },
  };
}

/** Runs `rdfreeze rescue`, if this home ever had a freeze since the host started. */
export function rescueOf(layout: Layout, log: MonitorLog): () => Promise<boolean> {
  return async () => {
    if (!existsSync(join(layout.run, 'freeze'))) return true;
    const { argv, cwd, env } = freezeProgram(layout, 'rescue');
    const stdio = ['ignore', 'ignore', 'pipe'] as const;
    const child = spawn(process.execPath, argv, { cwd, env, detached: true, stdio: [...stdio], timeout: hungMs, killSignal: 'SIGKILL' });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => log.warn('rdfreeze rescue', { text: text.trim() }));
    const told = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const how = await exitOf(child);
    // What it said comes first in the log; a script that it left behind may hold its pipe.
    await settledWithin(told, lastWordsMs, systemTimers);
    return how === 'exit code 0';
  };
}
