// What the agent does by itself, beat by beat. One timer for all of it: nothing else wakes an agent that has nothing to do.
import type { AgentContext } from './context.ts';

export interface Beat {
  readonly name: string;
  /** Milliseconds between two of them, at least. */
  readonly every: number;
  readonly work: () => unknown;
}

export interface Pulse {
  stop(): void;
}

/** Trouble with one piece of work is logged and keeps no other from being done. A beat that still runs is not started again. */
export function startPulse({ clock, log }: AgentContext, beats: readonly Beat[], every: number): Pulse {
  const last = new Map<string, number>();
  const running = new Set<string>();

  async function beat({ name, work }: Beat): Promise<void> {
    running.add(name);
    try {
      await work();
    } catch (error) {
      log.error({ err: error, work: name }, 'what the agent does by itself failed');
    } finally {
      running.delete(name);
    }
  }

  const timer = setInterval(() => {
    // By the wall clock, so that a host that slept is looked after at once; one that was set back must not wait for it.
    const now = clock.now();
    for (const one of beats) {
      const since = now - (last.get(one.name) ?? 0);
      if (running.has(one.name) || (since >= 0 && since < one.every)) continue;
      last.set(one.name, now);
      void beat(one);
    }
  }, every);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
