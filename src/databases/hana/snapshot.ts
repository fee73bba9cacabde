// What is known of a data snapshot that is being created or is held.
import { hostname } from 'node:os';
import type { Row, Session } from '../sessions.ts';

export interface DataSnapshot {
  readonly hold: Session;
  /** Opened beforehand: none can be opened while a file system is frozen. */
  watch: Session;
  /** The hold as the server knows it. */
  readonly connection: string;
  /** By which it is found again, also by another process. */
  readonly comment: string;
  readonly deadline: number;
  /** CREATE was sent; settles when its answer is there. */
  creating?: Promise<void>;
  created: boolean;
  id?: string;
  /** CLOSE was sent and has not answered. */
  closing?: { readonly session: Session; readonly done: Promise<unknown>; readonly since: number };
}

/** Begins the comment of every snapshot of this host; none but the agent writes it, and it makes one at a time. */
export const mark = `stillpoint ${hostname().replaceAll(/[^A-Za-z0-9.-]/g, '-')} `;

export interface Prepared {
  readonly id: string;
  readonly comment: string;
}

export function preparedOf(rows: readonly Row[]): readonly Prepared[] {
  return rows.map((row) => ({ id: String(row['ID']), comment: String(row['COMMENT'] ?? '') }));
}
