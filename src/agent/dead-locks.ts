// Lock files that a dead task left in a vault would stop the next prune. Those whose names we wrote down are removed, and no others.
import type { LockRow } from '../state/locks.ts';
import type { AgentContext } from './context.ts';
import type { TaskDesk } from './task-desk.ts';

export interface DeadLocks {
  /** Removes what tasks that no longer run left behind; answers at once. */
  sweep(): void;
}

export function createDeadLocks({ state, log }: AgentContext, desk: () => TaskDesk): DeadLocks {
  /** Vaults that are being cleaned; the end of any later task sweeps again. */
  const busy = new Set<string>();

  async function clean(vaultId: string, locks: readonly LockRow[]): Promise<void> {
    const vault = state.vaults.get(vaultId);
    const names = locks.map((lock) => lock.name);
    if (!vault) return forget(locks);
    const request = { type: 'vault-unlock', ownLocks: names, all: false } as const;
    const { task } = await desk().ended(desk().submit({ type: 'vault-unlock', name: vault.name, request, vaultId, first: true }).id);
    if (task.state === 'done' || task.state === 'warnings') forget(locks);
    else log.warn({ vault: vault.name, locks: names, code: task.problem?.code }, 'locks of a dead task could not be removed yet');
  }

  function forget(locks: readonly LockRow[]): void {
    for (const lock of locks) state.locks.remove(lock.vaultId, lock.name);
  }

  return {
    sweep() {
      const dead = state.locks.all().filter((lock) => !desk().live(lock.taskId));
      for (const [vaultId, locks] of Map.groupBy(dead, (lock) => lock.vaultId)) {
        if (busy.has(vaultId)) continue;
        busy.add(vaultId);
        clean(vaultId, locks)
          .catch((error: unknown) => log.warn({ err: error }, 'locks of a dead task could not be removed yet'))
          .finally(() => busy.delete(vaultId));
      }
    },
  };
}
