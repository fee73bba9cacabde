// What is known of databases that one session has suspended.
import type { Row } from '../sessions.ts';
import type { Server } from './look.ts';
import type { Session } from './session.ts';

export interface Suspension {
  /** The session that suspends: its end, however it comes, makes the server let go. */
  readonly hold: Session;
  /** Opened beforehand: none can be opened while a file system is frozen. */
  watch: Session;
  /** @@SPID of the hold. */
  readonly session: number;
  readonly deadline: number;
  /** Where the thaw records the snapshot; empty for nowhere. */
  readonly metadata: string;
  server?: Server;
  /** The batch that suspends and waits; settles when it has ended. */
  batch?: Promise<void>;
  /** How the batch ended, once it has. */
  ended?: string;
  /** What the server said when the freeze was done, and when it was asked (boottime): how long each database was suspended by then (ms). */
  proof?: { readonly at: number; readonly ms: ReadonlyMap<number, number> };
}

/** The rows of one session. The server's documentation calls the column a tinyint, though session ids go further. */
export function rowsOf(rows: readonly Row[], session: number): readonly Row[] {
  return rows.filter((row) => Number(row['session']) === session || Number(row['session']) === session % 256);
}

/** A file of its own for each freeze, so that none takes the place of one that a backup still needs. Freezes by hand share their id. */
export function metadataFile(directory: string, id: string, now: Date): string {
  if (directory === '') return '';
  const when = now.toISOString().replace(/[-:]|\.\d+/g, '');
  const slash = directory.startsWith('/') ? '/' : '\\';
  const folder = directory.endsWith(slash) ? directory : directory + slash;
  return `${folder}stillpoint-${id.replace(/[^A-Za-z0-9._-]/g, '-').slice(0, 64)}-${when}.bkm`;
}
