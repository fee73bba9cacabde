// What is known of a task while it runs, and who listens.
import type { Clock } from '../base/clock.ts';
import type { Progress } from '../model/task.ts';
import type { Warning } from '../ports/source.ts';
import type { TimedProgress } from '../state/tasks.ts';

export type LiveEvent =
  | { readonly type: 'progress'; readonly progress: TimedProgress }
  | { readonly type: 'warning'; readonly warning: Warning }
  | { readonly type: 'ended' };

export interface LiveTask {
  readonly progress: TimedProgress | null;
  readonly warnings: readonly Warning[];
  readonly warningCount: number;
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
