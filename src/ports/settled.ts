// What a plan's source stands for at the start of a backup.
import type { FactsByName } from '../model/freeze.ts';
import type { ReadSource } from '../model/plan.ts';
import type { LogMark } from '../model/service.ts';

export interface Settled {
  readonly source: ReadSource;
  /** Its paths were found, not named: what came and went since the last backup is worth a word. */
  readonly found: boolean;
  /** What was found out on the way, kept in the backup below /.stillpoint. */
  readonly files: readonly { readonly name: string; readonly text: string }[];
  /** Of a database that was frozen: where in its log the image lies, from what its freeze said of itself; undefined where that is not known. */
  readonly logMarkOf?: (facts: FactsByName) => LogMark | undefined;
}
