// Something that can be brought to a still point: what stands behind a pair of scripts, a database, a file system.

/** What a freeze learned and the backup keeps (binary log position, GTID, WAL range, labels): plain text by name, no secrets. */
export type FreezeFacts = Readonly<Record<string, string>>;

export interface FreezeLimit {
  /** CLOCK_BOOTTIME (ms): by then it is thawed, whatever happens. What is held at a server has a limit there, too, that ends no later. */
  readonly deadline: number;
  /** Ends a freeze that is under way. */
  readonly signal: AbortSignal;
}

/** Calls come in this order: freeze, held any number of times, thaw at least once. */
export interface Quiescer {
  /** Short and unique among those of one freeze, for logs and reports: `mysql`, `file system /srv/data`. */
  readonly name: string;
  /**
   * True: held only until the images exist. What stands behind the others may rest upon it and cannot answer meanwhile (a database whose server
   * is stopped), so it is frozen after them, proven before them, and let go at once.
   */
  readonly brief?: boolean;
  /**
   * Resolves when it holds still. Throws a FREEZE_… error when it cannot or must not be frozen, having undone what it began. May be called
   * again after a thaw.
   */
  freeze(limit: FreezeLimit): Promise<FreezeFacts>;
  /** Proves that it has been still without a break since freeze() resolved. Throws FREEZE_LOST with the reason, in words an operator knows. */
  held(): Promise<void>;
  /**
   * Lets it run on; gives what is known only now (the end of a WAL range). Idempotent: also after a freeze that failed half-way or was
   * thawed by somebody else. Throws FREEZE_THAW_FAILED when it may still be frozen: it is then called again, without end.
   */
  thaw(): Promise<FreezeFacts>;
}
