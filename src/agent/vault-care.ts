// Looks after vaults by itself: their structure is checked, their data are read share by share, and space is given back.

import { atLeast, equals, oneOf } from '../state/table.ts';
import type { TaskRow } from '../state/tasks.ts';
import type { Care, VaultRow } from '../state/vaults.ts';
import type { AgentContext } from './context.ts';
import type { TaskDesk } from './task-desk.ts';
import type { TaskRequest } from './task-requests.ts';

const day = 24 * 3600 * 1000;
const maxUnusedPercent = 5;
/** Milliseconds until what failed is tried again. */
const tryAgain = 6 * 3600 * 1000;

export interface VaultCare {
  /** Starts at most one piece of work, and none while anything else is to be done, unless it is long overdue. */
  tick(): void;
  /** What succeeded is done; what did not is tried again in a while. */
  ended(task: TaskRow): void;
}

interface Work {
  readonly request: Extract<TaskRequest, { type: 'check' | 'prune' }>;
  /** What is known of the vault once it is done. */
  readonly care: Partial<Care>;
}

export function createVaultCare(context: AgentContext, desk: TaskDesk): VaultCare {
  const { state, clock } = context;
  const underWay = new Map<string, Work>();
  return {
    tick() {
      const quiet = state.tasks.count([oneOf('state', ['queued', 'running'])]) === 0;
      const now = clock.now();
      for (const vault of state.vaults.where([equals('state', 'available')])) {
        if (underWay.size > 0 || state.pools.get(vault.poolId)?.state !== 'online' || isRecent(vault.care.triedAt, now, tryAgain)) continue;
        const work = workOn(context, vault, now, quiet ? 1 : 2);
        if (!work) continue;
        // Written down first: a task that kills the agent must not be started again and again.
        state.vaults.update(vault.id, { care: { ...vault.care, triedAt: now } });
        const { id } = desk.submit({ type: work.request.type, name: vault.name, request: work.request, vaultId: vault.id });
        // One that could not even begin has ended already.
        if (state.tasks.get(id)?.endedAt === null) underWay.set(id, work);
        return;
      }
    },
    ended(task) {
      const work = underWay.get(task.id);
      underWay.delete(task.id);
      const vault = work && task.vaultId ? state.vaults.get(task.vaultId) : undefined;
      // A check that found damage has been made, too.
      if (!work || !vault || (task.state !== 'done' && task.state !== 'warnings' && !task.result?.check)) return;
      state.vaults.update(vault.id, { care: { ...vault.care, ...work.care, triedAt: 0 } });
    },
  };
}

/** A time that a clock ahead of its time wrote down does not count. */
const isRecent = (last: number, now: number, span: number): boolean => last <= now && now - last < span;

/** `patience`: so many times its period a piece of work has to wait for. */
function workOn({ state, settings }: AgentContext, vault: VaultRow, now: number, patience: number): Work | undefined {
  const { care } = vault;
  const isDue = (last: number, days: number) => days > 0 && !isRecent(Math.max(last, vault.createdAt), now, days * day * patience);
  if (isDue(care.checkedAt, settings.checkDays)) return { request: { type: 'check', readData: false }, care: { checkedAt: now } };
  if (isDue(care.prunedAt, settings.pruneDays) && hasForgotten(state, vault, care.prunedAt))
    return { request: { type: 'prune', dryRun: false, maxUnusedPercent }, care: { prunedAt: now } };
  if (isDue(care.readAt, Math.min(1, settings.readDataDays))) {
    const share = (care.share % settings.readDataDays) + 1;
    return { request: { type: 'check', readData: `${share}/${settings.readDataDays}` }, care: { readAt: now, share } };
  }
  return undefined;
}

/** Whether records were removed since. */
const hasForgotten = (state: AgentContext['state'], { id }: VaultRow, since: number): boolean =>
  state.tasks.count([equals('vault_id', id), equals('type', 'forget'), equals('state', 'done'), atLeast('ended_at', since)]) > 0;
