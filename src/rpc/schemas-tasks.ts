import { type Static, Type } from 'typebox';
import type { RestoreTarget, TaskResult, TaskType } from '../model/task.ts';
import type { Warning } from '../ports/source.ts';
import { listOf, listQuery, ProblemDocument, strict, Time } from './schemas-common.ts';

export const TaskState = Type.Union(
  [
    Type.Literal('queued'),
    Type.Literal('running'),
    Type.Literal('done'),
    Type.Literal('warnings'),
    Type.Literal('failed'),
    Type.Literal('cancelled'),
    Type.Literal('died'),
  ],
  { description: 'warnings: done, but read them; died: ended with its process or the agent' },
);
export type TaskState = Static<typeof TaskState>;

export const TaskProgress = strict({
  bytesDone: Type.Integer(),
  bytesTotal: Type.Integer({ description: '0 while unknown' }),
  filesDone: Type.Integer(),
  filesTotal: Type.Integer(),
  current: Type.String({ description: 'what is being worked on' }),
  bytesPerSecond: Type.Integer(),
  secondsLeft: Type.Union([Type.Integer(), Type.Null()]),
});
export type TaskProgress = Static<typeof TaskProgress>;

const orNull = <T extends Parameters<typeof Type.Array>[0]>(schema: T) => Type.Union([schema, Type.Null()]);

export const Task = strict({
  id: Type.String(),
  type: Type.Unsafe<TaskType>(Type.String()),
  state: TaskState,
  name: Type.String({ description: 'of what it works on' }),
  poolId: orNull(Type.String()),
  vaultId: orNull(Type.String()),
  vaultName: orNull(Type.String()),
  planId: orNull(Type.String()),
  planName: orNull(Type.String()),
  backupId: orNull(Type.String()),
  createdAt: Time,
  startedAt: orNull(Time),
  endedAt: orNull(Time),
  progress: orNull(TaskProgress),
  warningCount: Type.Integer(),
  warnings: Type.Array(Type.Unsafe<Warning>(strict({ item: Type.String(), detail: Type.String() })), { description: 'the first 100' }),
  problem: orNull(ProblemDocument),
  result: orNull(Type.Unsafe<TaskResult>(Type.Object({}))),
  restore: orNull(
    Type.Unsafe<{ readonly record: string; readonly target: RestoreTarget }>(
      Type.Object({}, { description: 'what a restore writes where: root may have to approve it' }),
    ),
  ),
});
export type Task = Static<typeof Task>;

export const TaskQuery = listQuery({
  state: Type.Optional(TaskState),
  type: Type.Optional(Type.String({ description: 'backup, restore, check, prune …' })),
  vault: Type.Optional(Type.String({ description: 'ID or name' })),
  plan: Type.Optional(Type.String({ description: 'ID or name' })),
  backup: Type.Optional(Type.String()),
});
export type TaskQuery = Static<typeof TaskQuery>;
export const TaskList = listOf(Task);

/**
 * What `GET /v1/tasks/{id}/events` streams: `event:` is the type, `data:` is the rest as JSON. The first event is `state`; after `done` or
 * `failed` the stream ends.
 */
export type TaskStreamEvent =
  | { readonly type: 'state'; readonly task: Task }
  | { readonly type: 'progress'; readonly progress: TaskProgress }
  | { readonly type: 'warning'; readonly warning: Warning }
  /** Ended in the state done or warnings. */
  | { readonly type: 'done'; readonly task: Task }
  /** Ended in the state failed, cancelled or died; `task.problem` says why. */
  | { readonly type: 'failed'; readonly task: Task };
