// How far a backup can be trusted to be one moment of what it was taken from.

/**
 * `application`: every application held still, proven, when the image existed. `crash`: one instant, as after a power cut. `file`: each
 * file as it was when it was read. `none`: a disk read while it was written to.
 */
export type Consistency = 'application' | 'crash' | 'file' | 'none';

export interface ConsistencyMark {
  readonly level: Consistency;
  /** Why it is not more, where more was asked for. */
  readonly reason?: string;
}

/** What a plan asks for. */
export interface ConsistencyChoice {
  /** Freeze applications (the scripts in bin/thirdparty/ebk_user) around the snapshot. */
  readonly freeze: boolean;
  /** When that does not come about. */
  readonly otherwise: 'fall-back' | 'fail';
  /** Read disks that are written to and have no snapshot provider. */
  readonly allowInconsistent: boolean;
  /** From the first freeze to the last thaw, at most (s). */
  readonly freezeLimit: number;
}

export const defaultConsistency: ConsistencyChoice = { freeze: false, otherwise: 'fall-back', allowInconsistent: false, freezeLimit: 60 };
