// What root has named in /etc/stillpoint/allow.yaml: what may be done with more rights than the agent's own.
import type { Rights } from './provider.ts';
import type { TaskSpec } from './task.ts';

export interface RestoreRoot {
  /** Absolute and plain. Restores to it and below it need no approval. */
  readonly path: string;
  /** The user that they run as; root if left out. */
  readonly user?: string;
}

/** A command, a dump or a hook that a plan may name: an argument list as it is, or a line for bash. */
export type AllowedCommand = { readonly user: string } & (
  | { readonly argv: readonly string[]; readonly shell?: never }
  | { readonly shell: string; readonly argv?: never }
);

export interface Allowance {
  readonly restoreRoots: readonly RestoreRoot[];
  readonly commands: Readonly<Record<string, AllowedCommand>>;
}

export const nothingAllowed: Allowance = { restoreRoots: [], commands: {} };

/** What a task says of the command that it wants run: one that root has named, or one of its own with the agent's own rights. */
export interface CommandChoice {
  readonly named?: string;
  readonly argv?: readonly string[];
  readonly shell?: string;
  readonly rights?: 'own';
}

/** What became of a task that was judged. */
export interface Grant {
  /** What its process may have; with more than that it must not begin. */
  readonly rights: Rights;
  /** Who the command runs as, or who the restore writes as; the process itself if left out. */
  readonly user?: string;
  /** The task as it was judged: names of commands and symbolic links in paths resolved. This one is to be run, not the one that came. */
  readonly spec: TaskSpec;
}
