// What a task with few rights asks of the process of root that takes its images (rdtask images), and what that answers: JSON, one object a
// line, orders on descriptor 3, events on descriptor 4. The end of the pipe removes the image.
import type { Problem } from '../base/errors.ts';
import type { Places } from './place.ts';
import type { Warning } from './warning.ts';

export interface ImageRequest {
  readonly kind: 'files' | 'disk';
  /** Absolute. */
  readonly paths: readonly string[];
  /** The task's id: images are named after it. */
  readonly task: string;
}

/** What writes to a disk while it is read; `unknown`: that cannot be seen, and `what` says why. */
export interface DiskWriter {
  readonly path: string;
  readonly what: string;
  readonly unknown?: true;
}

/** One after the other; each is answered. `choose` once, then `take`, `open`, any number of `intact`, `remove`. */
export type ImageOrder =
  | { readonly ask: 'sweep' }
  /** Who writes to these disks. */
  | { readonly ask: 'writers'; readonly paths: readonly string[] }
  | { readonly ask: 'choose'; readonly request: ImageRequest }
  | { readonly ask: 'take' | 'open' | 'intact' | 'remove' };

/** What can be imaged, as ports/snapshot.ts says it. */
export interface ImagePlanFacts {
  readonly provider: string;
  readonly freezes: 'self' | 'outside';
  readonly volumes: readonly string[];
  readonly apart?: string;
}

export type ImageEvent =
  | { readonly type: 'warning'; readonly warning: Warning }
  /** The order failed. */
  | { readonly type: 'problem'; readonly problem: Problem }
  /** To `choose`: there is no image to be had. */
  | { readonly type: 'none'; readonly problem: Problem }
  | { readonly type: 'plan'; readonly plan: ImagePlanFacts }
  | { readonly type: 'opened'; readonly apart?: string; readonly places: Places }
  | { readonly type: 'writers'; readonly writers: readonly DiskWriter[] }
  | { readonly type: 'done' };
