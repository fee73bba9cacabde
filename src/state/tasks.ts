import type { Problem } from '../base/errors.ts';
import type { Progress, TaskResult, TaskType } from '../model/task.ts';
import type { Warning } from '../ports/source.ts';
import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

export type TaskStateName = 'queued' | 'running' | 'done' | 'warnings' | 'failed' | 'cancelled' | 'died';

/** With what an eye on the clock adds. */
export interface TimedProgress extends Progress {
  readonly bytesPerSecond: number;
  readonly secondsLeft: number | null;
}

export interface TaskRow {
  readonly id: string;
  readonly type: TaskType;
  readonly state: TaskStateName;
  /** Of what it works on. */
  readonly name: string;
  /** What was asked for, without secrets, so that a queued task can be started after a restart of the agent. */
  readonly request: unknown;
  readonly poolId: string | null;
  readonly vaultId: string | null;
  readonly planId: string | null;
  readonly backupId: string | null;
  readonly createdAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly progress: TimedProgress | null;
  readonly warningCount: number;
  /** The first 100. */
  readonly warnings: readonly Warning[];
  readonly problem: Problem | null;
  readonly result: TaskResult | null;
}

export type TaskTable = Table<TaskRow>;

export const createTaskTable = (database: Database): TaskTable =>
  createTable<TaskRow>(database, {
    what: 'task',
    table: 'tasks',
    named: false,
    order: 'created_at DESC, rowid DESC',
    columns: {
      id: 'plain',
      type: 'plain',
      state: 'plain',
      name: 'plain',
      request: 'json',
      poolId: 'plain',
      vaultId: 'plain',
      planId: 'plain',
      backupId: 'plain',
      createdAt: 'plain',
      startedAt: 'plain',
      endedAt: 'plain',
      progress: 'json',
      warningCount: 'plain',
      warnings: 'json',
      problem: 'json',
      result: 'json',
    },
  });
