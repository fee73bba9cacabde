// A database that can be frozen by the agent's own code, called by its pair of scripts in bin/thirdparty/ebk_user.
import type { Quiescer } from './quiescer.ts';

/** What stands on top of the script, by lower-case name (`user`, `password`, `socket`, …); secrets are in clear here and go nowhere else. */
export type DatabaseSettings = Readonly<Record<string, string>>;

export interface DatabaseSetting {
  /** Used where the script leaves it empty. */
  readonly fallback?: string;
  /** Written into the script as the output of `agentcli encpwd`. */
  readonly secret?: boolean;
}

/**
 * Something that the server cannot be restored without. An image is worth an application's name only where all of them are in it. `holds`
 * follows "keeps": `its redo log`.
 */
export type DatabasePlace =
  /** A directory or a file of this host: absolute, links followed. */
  | { readonly holds: string; readonly path: string }
  /** Why it cannot be said where it is: it is on another host, or this user may not see it. */
  | { readonly holds: string; readonly unseen: string };

/**
 * The name of the one fact that every freeze of a database gives: where it keeps its files, as a JSON list of DatabasePlace. By the database,
 * for one pair of scripts may freeze several.
 */
export const filesFact = (database: string): string => `${filesPrefix}${database}`;

/** Undefined for other facts. */
export const databaseOfFact = (fact: string): string | undefined =>
  fact.startsWith(filesPrefix) ? fact.slice(filesPrefix.length) : undefined;

const filesPrefix = 'files/';

export interface DatabaseFreezer {
  /** `mysql`, `postgres`, `mssql`, `hana`: the name of its scripts and of its quiescer. */
  readonly name: string;
  /** The settings it knows; others are refused at the door. */
  readonly settings: Readonly<Record<string, DatabaseSetting>>;
  /**
   * Whether a server seems to run on this host (a socket, a port that listens, a process outside of containers), without logging in. Where
   * none does and no user is set, the application is absent, which is no failure; where one runs and no user is set, that is one.
   */
  present(settings: DatabaseSettings): Promise<boolean>;
  /**
   * Opens nothing yet. `tell` takes lines for log/thirdparty.log; they hold no secrets. `id`: that of the freeze, `$2` of its scripts; what a
   * freeze leaves behind at the server is named by it. A freeze gives the fact filesFact(name). Throws USAGE for settings that cannot be.
   */
  quiescer(settings: DatabaseSettings, tell: (line: string) => void, id?: string): Quiescer;
}
