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

export interface DatabaseFreezer {
  /** `mysql`, `postgres`, `mssql`, `hana`: the name of its scripts and of its quiescer. */
  readonly name: string;
  /** The settings it knows; others are refused at the door. */
  readonly settings: Readonly<Record<string, DatabaseSetting>>;
  /**
   * Whether a server seems to run on this host (a socket, a port that listens, a process), without logging in. Where none does and no user is
   * set, the application is absent, which is no failure; where one runs and no user is set, that is one.
   */
  present(settings: DatabaseSettings): Promise<boolean>;
  /** Opens nothing yet. `tell` takes lines for log/thirdparty.log; they hold no secrets. Throws USAGE for settings that cannot be. */
  quiescer(settings: DatabaseSettings, tell: (line: string) => void): Quiescer;
}
