// A task without agent and without installation (`agentcli recover`): the same engine in this very process.
import type { Writable } from 'node:stream';
import { bandwidthLimit } from '../base/limit.ts';
import { layoutOf } from '../config/layout.ts';
import type { TaskEvent, TaskResult, TaskSpec } from '../model/task.ts';
import { runTask } from './run-task.ts';
import { taskHost } from './task-host.ts';
import { bandwidthOf } from './task-side.ts';

export interface StandaloneHandlers {
  onEvent(event: TaskEvent): void;
  readonly out: Writable;
  readonly signal: AbortSignal;
}

export function runStandalone(spec: TaskSpec, { onEvent, out, signal }: StandaloneHandlers): Promise<TaskResult> {
  return runTask(spec, {
    signal,
    out,
    warn: (warning) => onEvent({ type: 'warning', warning }),
    progress: (progress) => onEvent({ type: 'progress', progress }),
    keeper: { willWrite: async () => undefined, removed: async () => undefined },
    limit: bandwidthLimit(bandwidthOf(spec)),
    host: { ...taskHost(layoutOf()), own: [] },
  });
}
