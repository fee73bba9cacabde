// What a backup of a server's files says of them, so that they can be put where a new server looks for them.
import type { ServerFacts } from '../server-facts.ts';

export interface ImageFacts extends ServerFacts {
  readonly format: 1;
  readonly method: 'snapshot';
  /** Paths of the backup → where below the new server's directory; an empty `to`: not needed. The longest that fits counts. */
  readonly moves: readonly { readonly from: string; readonly to: string }[];
  /** Tablespaces outside of the data directory: the log names them by these very paths. */
  readonly elsewhere: readonly string[];
  /** Options by which the new server finds them; `@` stands for its directory. */
  readonly options: Readonly<Record<string, string>>;
  /** Where its binary log lies below the new server's directory, and its name without number. */
  readonly binlog?: { readonly folder: string; readonly name: string };
}
