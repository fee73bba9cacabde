// What is known of a task while it runs, and who listens.
import type { Clock } from '../base/clock.ts';
import type { Traffic } from '../base/traffic.ts';
import type { Progress } from '../model/task.ts';
import type { Warning } from '../ports/source.ts';
import type { TimedProgress } from '../state/tasks.ts';

export type LiveEvent =
  | { readonly type: 'progress'; readonly progress: TimedProgress }
  | { readonly type: 'warning'; readonly warning: Warning }
  | { readonly type: 'ended' };

/** As its process told last. */
export interface LiveUsage extends Traffic {
  readonly pid: number;
  /** When it told so, and when it did for the first time (ms of `clock.boottime`). */
  readonly at: number;
  readonly since: number;
}

export interface LiveTask {
  readonly progress: TimedProgress | null;
  readonly warnings: readonly Warning[];
  readonly warningCount: number;
  /** Null until its process has spoken. */
  readonly usage: LiveUsage | null;
  onUsage(usage: Traffic & { readonly pid: number }): void;
  onProgress(progress: Progress): void;
  onWarning(warning: Warning): void;
  end(): void;
  /** Answers how to stop listening. */
  listen(listener: (event: LiveEvent) => void): () => void;
}

/** Warnings beyond are only counted. */
const keptWarnings = 100;
/** Seconds over which the speed is smoothed: long enough to be readable, short enough to show a stall. */
const smoothing = 5;

export function createLiveTask(clock: Clock): LiveTask {
  const listeners = new Set<(event: LiveEvent) => void>();
  const warnings: Warning[] = [];
  let warningCount = 0;
  let progress: TimedProgress | null = null;
  let usage: LiveUsage | null = null;
  let last = { at: clock.boottime(), bytes: 0 };
  let speed = 0;
  const tell = (event: LiveEvent) => {
    for (const listener of listeners) listener(event);
  };
  const measure = (bytes: number) => {
    const at = clock.boottime();
    const seconds = (at - last.at) / 1000;
    if (seconds <= 0) return;
    const weight = speed === 0 ? 1 : 1 - Math.exp(-seconds / smoothing);
    speed += weight * (Math.max(0, bytes - last.bytes) / seconds - speed);
    last = { at, bytes };
  };
  return {
    get progress() {
      return progress;
    },
    warnings,
    get warningCount() {
      return warningCount;
    },
    get usage() {
      return usage;
    },
    onUsage({ pid, received, sent }) {
      const at = clock.boottime();
      usage = { pid, received, sent, at, since: usage?.since ?? at };
    },
    onProgress(now) {
      measure(now.bytesDone);
      const left = now.bytesTotal - now.bytesDone;
      const secondsLeft = now.bytesTotal > 0 && speed > 0 ? Math.max(0, Math.round(left / speed)) : null;
      progress = { ...now, bytesPerSecond: Math.round(speed), secondsLeft };
      tell({ type: 'progress', progress });
    },
    onWarning(warning) {
      warningCount++;
      if (warnings.length < keptWarnings) warnings.push(warning);
      tell({ type: 'warning', warning });
    },
    end: () => tell({ type: 'ended' }),
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
