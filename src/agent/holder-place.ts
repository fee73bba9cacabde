// What the parts of `rdfreeze database` have in common.
import type { DatabaseFreezer } from '../ports/database.ts';

export type Databases = Readonly<Record<string, () => Promise<DatabaseFreezer>>>;

/** One freeze of one database. */
export interface HolderPlace {
  readonly database: string;
  readonly id: string;
  /** AGENT_RUN/freeze/<id>. */
  readonly folder: string;
  /** In `folder`: quiescers/scripts/holders.ts. */
  readonly holder: string;
  /** A freezer of the agent started the script, not a person at a prompt. */
  readonly byAgent: boolean;
}

/** `Log` of agent_func.sh takes the mark for the level. */
export function say(level: 'INFO' | 'ERROR', text: string): void {
  process.stderr.write(`[${level}] ${text.replaceAll('\n', ' ')}\n`);
}
