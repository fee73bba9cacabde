// Starts the process of a task with what the agent knows: where its log goes, and where the names of its locks are kept.
import { closeSync, writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { openLogFile, rotateLog } from '../base/log.ts';
import type { Start } from '../host/starter.ts';
import type { TaskSpec } from '../model/task.ts';
import type { TaskRow } from '../state/tasks.ts';
import type { AgentContext } from './context.ts';
import type { LiveTask } from './live-task.ts';
import { rightsOf } from './rights.ts';
import { startTaskProcess, type TaskProcess } from './task-process.ts';

export interface TaskRunner {
  start(task: TaskRow, spec: TaskSpec, live: LiveTask, onOutput?: (output: Readable) => void): TaskProcess;
}

/** A task that talks more than this many bytes is not listened to any further. */
const textLimit = 1024 * 1024;
/** Milliseconds from a cancel to SIGTERM and to SIGKILL. */
const patience = { term: 10_000, kill: 20_000 };
export function createTaskRunner(context: AgentContext, startProcess: Start): TaskRunner {
  const { layout, settings, state, clock, bootId, log } = context;
  /** A name too many does no harm: its file is gone. The task whose work is done must not fail for it. */
  const forgetLock = (vaultId: string, name: string) => {
    try {
      state.locks.remove(vaultId, name);
    } catch (error) {
      log.warn({ err: error, lock: name }, 'a lock that was removed could not be struck off');
    }
  };
  return {
    start(task, spec, live, onOutput) {
      const text = openTaskLog(layout.taskLog, `${new Date(clock.now()).toISOString()} ${task.type} ${task.id}`);
      const running = startTaskProcess(
        spec,
        {
          start: ({ output }) => startProcess({ verb: 'task', rights: rightsOf(spec), niceness: settings.taskNiceness, output }),
          patience,
        },
        {
          onText: text.write,
          ...(onOutput && { onOutput }),
          onEvent(event) {
            if (event.type === 'progress') live.onProgress(event.progress);
            else if (event.type === 'warning') live.onWarning(event.warning);
            else if (event.type === 'usage') live.onUsage(event);
            else if (task.vaultId === null) log.error({ task: task.id }, 'a task without a vault speaks of locks');
            else if (event.type === 'lock-removed') forgetLock(task.vaultId, event.name);
            else state.locks.add({ vaultId: task.vaultId, name: event.name, taskId: task.id, bootId, createdAt: clock.now() });
          },
        },
      );
      void running.ended.then(text.close);
      return running;
    },
  };
}

function openTaskLog(path: string, title: string) {
  rotateLog(path);
  const fd = openLogFile(path);
  let written = 0;
  let open = true;
  const put = (piece: Uint8Array | string) => {
    try {
      writeSync(fd, Buffer.from(piece));
    } catch {
      // A full disk: the task is worth more than its log.
    }
  };
  put(`--- ${title}\n`);
  return {
    write(bytes: Uint8Array) {
      if (!open || written > textLimit) return;
      written += bytes.length;
      put(bytes);
      if (written > textLimit) put('\n--- it says more than is kept\n');
    },
    close() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}
