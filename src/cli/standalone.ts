// What the commands without an agent need of the engine. It is handed in by the entry file: the command line knows no engine.
import type { Writable } from 'node:stream';
import type { SourceSettings } from '../model/plan.ts';
import type { Place, S3Place } from '../model/pool.ts';
import type { RestoreTarget, TaskEvent, TaskResult, TaskSpec } from '../model/task.ts';
import type { RestoreTargetInput } from '../rpc/schemas-backups.ts';
import type { SourceInput } from '../rpc/schemas-plans.ts';
import type { PlaceInput } from '../rpc/schemas-pools.ts';

export interface StandaloneHandlers {
  onEvent(event: TaskEvent): void;
  /** Where ls, find, diff and cat write. */
  readonly out: Writable;
  readonly signal: AbortSignal;
}

/** What the agent does to what is asked of it: for those who must know before they ask. */
export interface Rules {
  /** A plan's source with what is left out filled in. Throws USAGE, NOT_FOUND. */
  source(
    input: SourceInput,
    planName: string,
    findPlan: (reference: string) => { readonly id: string; readonly source: SourceSettings },
  ): SourceSettings;
  /** A bucket with what is left out filled in. Throws USAGE. */
  bucket(input: Extract<PlaceInput, { type: 's3' }>): S3Place;
  /** Throws NAME_INVALID. */
  name(name: string): string;
  /** Throws DESCRIPTION_INVALID. */
  description(text: string): string;
}

export interface Standalone {
  readonly rules: Rules;
  /** What the options of a restore mean. Throws USAGE. */
  target(
    input: RestoreTargetInput,
    backup: { readonly source: string | null; readonly method: string | null; readonly logs: readonly string[] },
  ): RestoreTarget;
  /** Runs one task inside this process. Throws what it failed with. */
  run(spec: TaskSpec, handlers: StandaloneHandlers): Promise<TaskResult>;
  /** Takes a restic location apart. Throws USAGE. */
  locate(location: string, s3: Partial<Pick<S3Place, 'region' | 'addressing' | 'caPem'>>): { readonly place: Place; readonly path: string };
}
