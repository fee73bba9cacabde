// Looks after vaults by itself: their structure is checked, their data are read share by share, and space is given back.

import { atLeast, equals, oneOf } from '../state/table.ts';
import type { Care, VaultRow } from '../state/vaults.ts';
import type { AgentContext } from './context.ts';
import type { TaskDesk } from './task-desk.ts';
import type { TaskRequest } from './task-requests.ts';

const day = 24 * 3600 * 1000;
const maxUnusedPercent = 5;

export interface VaultCare {
  /** Starts at most one piece of work, and none while anything else is to be done. */
  tick(): void;
}

interface Work {
  readonly request: Extract<TaskRequest, { type: 'check' | 'prune' }>;
  readonly care: Partial<Care>;
}

export function createVaultCare(context: AgentContext, desk: TaskDesk): VaultCare {
  const { state, clock } = context;
  return {
    tick() {
      if (state.tasks.count([oneOf('state', ['queued', 'running'])]) > 0) return;
      for (const vault of state.vaults.where([equals('state', 'available')])) {
        if (state.pools.get(vault.poolId)?.state !== 'online') continue;
        const work = workOn(context, vault, clock.now());
        if (!work) continue;
        // Written down first: a task that kills the agent must not be started again and again.
        state.vaults.update(vault.id, { care: { ...vault.care, ...work.care } });
        desk.submit({ type: work.request.type, name: vault.name, request: work.request, vaultId: vault.id });
        return;
      }
    },
  };
}

function workOn({ state, settings }: AgentContext, vault: VaultRow, now: number): Work | undefined {
  const { care } = vault;
  const isDue = (last: number, days: number) => days > 0 && now - Math.max(last, vault.createdAt) >= days * day;
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
