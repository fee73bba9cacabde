// What a plan's source stands for at the start of a backup.
import type { ReadSource } from '../model/plan.ts';

export interface Settled {
  readonly source: ReadSource;
  /** Its paths were found, not named: what came and went since the last backup is worth a word. */
  readonly found: boolean;
  /** What was found out on the way, kept in the backup below /.stillpoint. */
  readonly files: readonly { readonly name: string; readonly text: string }[];
}
