// Waiting for a task.
import { setTimeout as pause } from 'node:timers/promises';
import { exits } from '../base/error-codes.ts';
import { failure, isCode } from '../base/errors.ts';
import type { Client } from '../rpc/client.ts';
import { problemToError } from '../rpc/client.ts';
import type { Task } from '../rpc/schemas-tasks.ts';
import { shortId } from './format.ts';
import { openProgress, type ProgressView } from './progress.ts';
import type { Session } from './session.ts';

export interface FollowOptions {
  /** Ctrl-C cancels the task instead of leaving it alone. */
  readonly cancelOnInterrupt?: boolean | undefined;
}

const ended: ReadonlySet<string> = new Set(['done', 'warnings', 'failed', 'cancelled', 'died']);
const reconnects = 5;

/**
 * Shows progress until the task has ended, and answers it. Throws TASK_GOES_ON if somebody interrupts the waiting.
 * A connection that breaks is made again: the agent may have been restarted, and the task's state survives that.
 */
export async function followTask(session: Session, task: Task, options: FollowOptions = {}): Promise<Task> {
  const client = await session.agent();
  const view = await openProgress(session.terminal, session.json);
  try {
    let latest = task;
    for (let failures = 0; !ended.has(latest.state); ) {
      try {
        latest = await listen(client, latest, view, session.interrupted);
      } catch (error) {
        if (session.interrupted.aborted) return await interrupted(session, client, latest, options, view);
        failures += 1;
        if (!isCode(error, 'AGENT_UNREACHABLE') || failures > reconnects) throw error;
        await pause(failures * 500);
      }
    }
    return latest;
  } finally {
    view.stop();
  }
}

async function listen(client: Client, task: Task, view: ProgressView, signal: AbortSignal): Promise<Task> {
  let latest = task;
  for await (const event of client.events(task.id, signal)) {
    if (event.type === 'progress') view.update(event.progress);
    else if (event.type !== 'warning') latest = event.task;
    if (event.type === 'state' && event.task.progress) view.update(event.task.progress);
  }
  return latest;
}

async function interrupted(session: Session, client: Client, task: Task, options: FollowOptions, view: ProgressView): Promise<Task> {
  view.stop();
  const id = shortId(task.id);
  if (!options.cancelOnInterrupt) throw failure('TASK_GOES_ON', { id });
  session.remark(`cancelling the task ${id} …\n`);
  const { signal } = new AbortController();
  await client.call('taskCancel', { params: { id: task.id } }, { signal });
  return listen(client, task, { update() {}, stop() {} }, signal);
}

/** Sets the exit code of a task that ended, or throws what it failed with. */
export function concludeTask(session: Session, task: Task): void {
  if (task.state === 'warnings') session.exitCode = exits.warnings;
  if (task.state === 'done' || task.state === 'warnings') return;
  if (task.problem) throw problemToError(task.problem);
  throw task.state === 'cancelled' ? failure('TASK_CANCELLED') : failure('TASK_DIED', { detail: 'no reason is known' });
}
