// What the commands without an agent need of the engine. It is handed in by the entry file: the command line knows no engine.
import type { Writable } from 'node:stream';
import type { Place, S3Place } from '../model/pool.ts';
import type { TaskEvent, TaskResult, TaskSpec } from '../model/task.ts';

export interface StandaloneHandlers {
  onEvent(event: TaskEvent): void;
  /** Where ls, find, diff and cat write. */
  readonly out: Writable;
  readonly signal: AbortSignal;
}

export interface Standalone {
  /** Runs one task inside this process. Throws what it failed with. */
  run(spec: TaskSpec, handlers: StandaloneHandlers): Promise<TaskResult>;
  /** Takes a restic location apart. Throws USAGE. */
  locate(location: string, s3: Partial<Pick<S3Place, 'region' | 'addressing' | 'caPem'>>): { readonly place: Place; readonly path: string };
}
