// What a bind check found out about a pool.

/** One thing that a bind check tried. */
export interface ProbeStep {
  readonly right: 'create' | 'list' | 'put' | 'get' | 'range' | 'delete';
  readonly ok: boolean;
  readonly detail?: string;
}

export interface ProbeReport {
  readonly steps: readonly ProbeStep[];
  /** The pool's own idea of the time (ms since the epoch), where it tells one. */
  readonly poolTime?: number;
  /** The id that the pool's marker carries; another one than was asked for if the place was marked before (by another agent). */
  readonly poolId?: string;
}
