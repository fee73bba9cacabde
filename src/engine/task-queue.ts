// Which task runs when: so many at once, one writer a vault, and within a vault nobody overtakes a task that he would disturb.
import type { TaskType } from '../model/task.ts';
import { accessOf, mayRunBeside, type Weight, weightOf } from './task-access.ts';

export interface QueueItem {
  readonly id: string;
  readonly type: TaskType;
  /** null where no vault is concerned. */
  readonly vaultId: string | null;
}

export interface TaskQueue {
  /** Starts it at once if it may. `first` puts it before all that wait. */
  add(item: QueueItem, options?: { readonly first?: boolean }): void;
  /** Takes a waiting task out; false if it is not waiting (any more). */
  withdraw(id: string): boolean;
  readonly waiting: readonly QueueItem[];
  readonly running: readonly QueueItem[];
  /** Starts nothing any more. */
  stop(): void;
  /** Resolves when nothing runs. */
  idle(): Promise<void>;
}

export interface QueueSettings {
  /** Heavy tasks at a time. */
  readonly atOnce: number;
  /** Light tasks at a time. */
  readonly lightAtOnce: number;
  /** Runs one to its end; it never rejects: a failure is an end like any other. */
  readonly run: (item: QueueItem) => Promise<void>;
}

export function createTaskQueue(settings: QueueSettings): TaskQueue {
  const slots: Readonly<Record<Weight, number>> = { heavy: settings.atOnce, light: settings.lightAtOnce };
  let waiting: QueueItem[] = [];
  const running = new Map<string, QueueItem>();
  const idlers: (() => void)[] = [];
  let stopped = false;

  function startWhatMay(): void {
    if (stopped) return;
    const still: QueueItem[] = [];
    for (const item of waiting) {
      if (hasSlot(item) && isUndisturbed(item, [...running.values(), ...still])) start(item);
      else still.push(item);
    }
    waiting = still;
  }

  function hasSlot(item: QueueItem): boolean {
    const weight = weightOf(item.type);
    let taken = 0;
    for (const other of running.values()) if (weightOf(other.type) === weight) taken++;
    return taken < slots[weight];
  }

  function start(item: QueueItem): void {
    running.set(item.id, item);
    void settings.run(item).finally(() => {
      running.delete(item.id);
      startWhatMay();
      if (running.size === 0) for (const resolve of idlers.splice(0)) resolve();
    });
  }

  return {
    add(item, options) {
      if (options?.first) waiting.unshift(item);
      else waiting.push(item);
      startWhatMay();
    },
    withdraw(id) {
      const before = waiting.length;
      waiting = waiting.filter((item) => item.id !== id);
      const found = waiting.length < before;
      if (found) startWhatMay();
      return found;
    },
    get waiting() {
      return waiting;
    },
    get running() {
      return [...running.values()];
    },
    stop() {
      stopped = true;
    },
    idle() {
      if (running.size === 0) return Promise.resolve();
      return new Promise((resolve) => {
        idlers.push(resolve);
      });
    },
  };
}

function isUndisturbed(item: QueueItem, others: readonly QueueItem[]): boolean {
  return others.every((other) => other.vaultId !== item.vaultId || mayRunBeside(accessOf(other.type), accessOf(item.type)));
}
