// Retention at work: what a plan keeps is judged anew after each of its backups, and what goes is told, audited and removed.
import { setImmediate } from 'node:timers/promises';
import type { Plan } from '../model/plan.ts';
import { type InForce, judgeRetention, type Kept, type Verdict } from '../model/retention.ts';
import type { Retention } from '../model/retention-rule.ts';
import type { BackupRow } from '../state/backups.ts';
import { equals } from '../state/table.ts';
import { agentItself } from './audit.ts';
import type { ClockTrust } from './clock-trust.ts';
import type { AgentContext } from './context.ts';
import { heldUntil } from './immutable.ts';
import { basesInUse } from './log-chain.ts';
import { ruleOf } from './plan-view.ts';
import type { TaskDesk } from './task-desk.ts';

export interface Expiry {
  /** Removes what the plan keeps no longer. Nothing while the clock is doubted. */
  expire(planId: string): void;
  /** Every plan, also those that are gone: their backups still expire by their own time. */
  expireAll(): Promise<void>;
}

export function createExpiry(context: AgentContext, desk: TaskDesk, trust: ClockTrust): Expiry {
  const { state, events, audit, log } = context;

  function expire(planId: string): void {
    if (trust.doubt() !== null) return;
    const backups = state.backups.where([equals('plan_id', planId)]);
    const verdicts = new Map(verdictsOn(context, planId, backups).map((verdict) => [verdict.id, verdict]));
    const leaving = backups.filter((row) => verdicts.get(row.id)?.keep === false);
    for (const [vaultId, rows] of Map.groupBy(leaving, (row) => row.vaultId)) {
      const vault = state.vaults.get(vaultId);
      const pool = vault && state.pools.get(vault.poolId);
      if (vault?.state !== 'available' || pool?.state !== 'online') continue;
      state.transaction(() => leave(vaultId, rows, verdicts));
    }
  }

  function leave(vaultId: string, rows: readonly BackupRow[], verdicts: ReadonlyMap<string, Verdict>): void {
    const [first] = rows as [BackupRow, ...BackupRow[]];
    const subject = { kind: 'plan', id: first.planId ?? '', name: first.planName ?? '' } as const;
    for (const row of rows) {
      const reason = verdicts.get(row.id)?.reason ?? '';
      log.info({ backup: row.id, name: row.name, reason }, 'a backup expires');
      events.note({
        subject,
        type: 'BACKUP_EXPIRED',
        level: 'info',
        content: `${row.name} (${iso(row.time)}) expired: ${reason}`,
      });
      const resource = { resourceType: 'backup', resourceId: row.id, resourceName: row.name };
      audit.record({ ...agentItself, trace: 'deleteBackup', ...resource, result: 'ok', detail: reason });
      // A run that failed has left no record.
      if (row.record === null) state.backups.remove(row.id);
      else state.backups.update(row.id, { state: 'deleting' });
    }
    const records = rows.flatMap(({ record }) => record ?? []);
    if (records.length === 0) return;
    const name = rows.length === 1 ? first.name : `${records.length} backups of ${subject.name}`;
    const planId = subject.id === '' ? {} : { planId: subject.id };
    desk.submit({ type: 'forget', name, request: { type: 'forget', records, expire: true }, vaultId, ...planId });
  }

  return {
    expire,
    async expireAll() {
      for (const planId of state.backups.plansWithAutomatic()) {
        expire(planId);
        // Many plans have many backups: questions of people are answered in between.
        await setImmediate();
      }
    },
  };
}

/** What becomes of each backup of a plan, now or `at` a moment, by the rule in force or by `retention` as if it were. */
export function verdictsOn(
  context: AgentContext,
  planId: string,
  backups: readonly BackupRow[],
  asIf: { readonly at?: number; readonly retention?: Retention } = {},
): readonly Verdict[] {
  const { state, clock, settings } = context;
  const plan = state.plans.get(planId);
  const rule = asIf.retention ? ({ kind: 'rule', retention: asIf.retention, enabled: true } as const) : inForce(context, plan);
  const used = plan ? basesInUse(state, plan) : new Map<string, string>();
  const now = asIf.at ?? clock.now();
  for (const row of backups) {
    const vault = state.vaults.get(row.vaultId);
    if (vault && heldUntil(vault, row) > now)
      used.set(row.id, `its vault is immutable: nobody can remove it before ${iso(heldUntil(vault, row))}`);
  }
  return judgeRetention({
    backups: backups.map((row) => keptOf(row, used)),
    inForce: rule,
    now,
    zone: zoneOf(context, plan),
    strictGuide: settings.strictGuide,
  });
}

function inForce({ state }: AgentContext, plan: Plan | undefined): InForce {
  const effective = plan && ruleOf(state, plan);
  return effective ? { kind: 'rule', retention: effective.rule.retention, enabled: effective.enabled } : { kind: 'removed' };
}

function keptOf(row: BackupRow, used: ReadonlyMap<string, string>): Kept {
  const { id, time, kind, state, consistency, keep } = row;
  // A run that failed has no record; what a check found damaged may be whole again, and a full backup may mend it.
  const damaged = state === 'error' && row.record !== null;
  const usedBy = damaged ? 'a check found damage that hurts it: it stays until it is deleted by hand' : used.get(id);
  return { id, time, kind, state, consistency: consistency as Kept['consistency'], rule: keep, ...(usedBy && { usedBy }) };
}

function zoneOf({ state }: AgentContext, plan: Plan | undefined): string {
  return (plan && ruleOf(state, plan)?.rule.schedule.zone) ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
}

const iso = (ms: number): string => new Date(ms).toISOString();
