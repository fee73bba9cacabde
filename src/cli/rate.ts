// Speed and time left of a task in this process; those of the agent's tasks come from the agent.
import { performance } from 'node:perf_hooks';
import type { Progress } from '../model/task.ts';
import type { TaskProgress } from '../rpc/schemas-tasks.ts';

/** Milliseconds over which the speed is the mean. */
const span = 10_000;

/** Progress in, progress with speed out. `now` in milliseconds, only ever growing. */
export function openRate(now: () => number = () => performance.now()): (progress: Progress) => TaskProgress {
  let marks: readonly { readonly at: number; readonly bytes: number }[] = [];
  return (progress) => {
    const at = now();
    marks = [...marks.filter((mark) => at - mark.at <= span), { at, bytes: progress.bytesDone }];
    const first = marks[0];
    const passed = first ? at - first.at : 0;
    const bytesPerSecond = first && passed > 0 ? Math.round(((progress.bytesDone - first.bytes) * 1000) / passed) : 0;
    const left = progress.bytesTotal - progress.bytesDone;
    return { ...progress, bytesPerSecond, secondsLeft: bytesPerSecond > 0 && left >= 0 ? Math.ceil(left / bytesPerSecond) : null };
  };
}
