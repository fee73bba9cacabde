// What follows when a command has started a task: say so, or wait for its end.
import type { Task } from '../rpc/schemas-tasks.ts';
import { shortId } from './format.ts';
import type { Session } from './session.ts';
import type { WaitOptions } from './verb.ts';

/** Without --wait the task's id; with it progress, the outcome in words (or the task as JSON) and the exit code. */
export async function startedTask(session: Session, task: Task, options: WaitOptions): Promise<void> {
  if (options.wait) return waitForTask(session, task, options);
  if (session.json) return session.printJson(task);
  const id = shortId(task.id);
  session.print(`task ${id} ${task.state}\n`);
  session.remark(`follow it with: agentcli task wait ${id}\n`);
}

export async function waitForTask(session: Session, task: Task, options: WaitOptions): Promise<void> {
  const { concludeTask, followTask } = await import('./follow.ts');
  // Read while the task works, not after it.
  const words = session.json ? undefined : import('./outcome.ts');
  const last = await followTask(session, task, options);
  if (!words) session.printJson(last);
  else {
    const { outcomeText, warningsText } = await words;
    session.print(outcomeText(last, session.terminal.paint));
    session.remark(warningsText(last, session.terminal.paintError));
  }
  concludeTask(session, last);
}
