// What rdfreeze is asked and what it answers: JSON, one object a line, orders on descriptor 3, events on descriptor 4.
import type { Problem } from '../base/errors.ts';

export interface FreezeRequest {
  /** Unique on this host; `$2` of the freeze scripts. */
  readonly id: string;
  /** Run the freeze scripts of `bin/thirdparty/ebk_user`. */
  readonly applications: boolean;
  /** Mount points to freeze after the applications. */
  readonly fileSystems: readonly string[];
  /** Volumes (mount points, block devices, files) whose writers are stopped, last of all, until the proof is asked for; none if not given. */
  readonly writersOf?: readonly string[];
  /** From the first freeze until everything is thawed, whatever happens (ms). */
  readonly limitMs: number;
  /** On this host in any hour, whoever asks, so that retries never hammer what is frozen; without it there is no bound. */
  readonly perHour?: number;
  /** How long another freeze on this host is waited for; not at all without it (ms). */
  readonly waitMs?: number;
}

export type FreezeOrder =
  /** First and once. The end of the pipe thaws, as does any signal. */
  { readonly type: 'freeze'; readonly request: FreezeRequest } | { readonly type: 'prove' } | { readonly type: 'thaw' };

export interface FreezeStep {
  readonly action: 'freeze' | 'thaw';
  readonly name: string;
  readonly ms: number;
  readonly problem?: Problem;
}

/** Facts by the name of the quiescer that gave them. */
export type FactsByName = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface ThawReport {
  /** Everything held from the moment it was frozen until the thaw was asked for. */
  readonly held: boolean;
  /** Why it did not, if it did not: `expired` is a freeze that ran into its limit. */
  readonly lost?: { readonly cause: 'expired' | 'lost' | 'failed'; readonly reason: string };
  /** False: something may still be frozen; rdfreeze goes on trying. */
  readonly thawed: boolean;
  readonly steps: readonly FreezeStep[];
  readonly facts: FactsByName;
  /** From the end of the last freeze to the begin of the first thaw (ms). */
  readonly frozenMs: number;
}

export type FreezeEvent =
  | { readonly type: 'frozen'; readonly facts: FactsByName; readonly names: readonly string[] }
  /** It could not be frozen; what was frozen is thawed again. Last event. */
  | { readonly type: 'failed'; readonly problem: Problem; readonly report: ThawReport }
  /** Answer to `prove`. */
  | { readonly type: 'proof'; readonly problem?: Problem }
  /** Answer to `thaw`, or unasked at the deadline. Last event. */
  | { readonly type: 'thawed'; readonly report: ThawReport };
