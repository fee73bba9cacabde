// Every scheduled start, and what became of it: none is lost without a word.
import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

/** `made-up`: it ran later, once for all that fell into a time when the agent was off. */
export type StartOutcome = 'run' | 'made-up' | 'skipped';

export interface StartRow {
  readonly id: string;
  readonly planId: string;
  /** ms since the epoch. */
  readonly due: number;
  readonly outcome: StartOutcome;
  /** Why it was skipped, for people; empty otherwise. */
  readonly reason: string;
  /** Of its last attempt. */
  readonly taskId: string | null;
  /** 1 for the first. */
  readonly attempt: number;
  /** When (ms) a failed run is tried again. */
  readonly retryAt: number | null;
  readonly at: number;
}

export type StartTable = Table<StartRow>;

export const createStartTable = (database: Database): StartTable =>
  createTable<StartRow>(database, {
    what: 'start',
    table: 'starts',
    named: false,
    order: 'due DESC, id',
    columns: {
      id: 'plain',
      planId: 'plain',
      due: 'plain',
      outcome: 'plain',
      reason: 'plain',
      taskId: 'plain',
      attempt: 'plain',
      retryAt: 'plain',
      at: 'plain',
    },
  });
