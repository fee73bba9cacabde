// What the agent gives the server: one function for each route.
import type { Problem } from '../base/errors.ts';
import type { Input, NameOfKind, Reply } from './routes.ts';
import type { TaskStreamEvent } from './schemas-tasks.ts';

/** Who asks. */
export interface Caller {
  /** `root`, `rdadmin` …: the user of agentcli; or the subject of a client certificate. */
  readonly name: string;
  /** Where from: an address, or `local`. */
  readonly address: string;
}

export interface Call {
  readonly caller: Caller;
  /** Aborted when the caller goes away before the answer is complete. */
  readonly signal: AbortSignal;
}

/** The output of a task, as it comes. */
export interface TaskOutput {
  readonly taskId: string;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Resolves after the last chunk: what the task failed with, if it did. */
  readonly problem: Promise<Problem | undefined>;
}

export type Handlers = {
  readonly [N in NameOfKind<'json'>]: (input: Input<N>, call: Call) => Promise<Reply<N>> | Reply<N>;
} & {
  readonly [N in NameOfKind<'lines' | 'bytes'>]: (input: Input<N>, call: Call) => Promise<TaskOutput> | TaskOutput;
} & {
  readonly [N in NameOfKind<'text'>]: (input: Input<N>, call: Call) => Promise<string> | string;
} & {
  readonly [N in NameOfKind<'events'>]: (input: Input<N>, call: Call) => AsyncIterable<TaskStreamEvent>;
};
