// What is kept, and why: what becomes of each backup under the rules.
import type { BackupState } from './backup.ts';
import type { Consistency } from './consistency.ts';
import { countedBy, goes, type Judgement, ordinal, stays } from './retention-count.ts';
import { type Retention, retentionText } from './retention-rule.ts';
import { at, hour, shown } from './wall-clock.ts';

const failedKept = 10;
const busy = { creating: 'made', restoring: 'restored', deleting: 'deleted' } as const;
const failedTime = { amount: 1, unit: 'months' } as const;

/** A backup as retention sees it. */
export interface Kept {
  readonly id: string;
  /** ms since the epoch. */
  readonly time: number;
  readonly kind: 'manual' | 'auto' | 'foreign';
  readonly state: BackupState;
  readonly consistency: Consistency | null;
  /** The rule it was made under; null for one made by hand. */
  readonly rule: Retention | null;
  /** Something needs it whatever the rules say: an image, an instance, a log that continues it. Why, for people. */
  readonly usedBy?: string;
}

/** The rule in force for the plan: `removed` when no policy applies (any more). */
export type InForce = { readonly kind: 'rule'; readonly retention: Retention; readonly enabled: boolean } | { readonly kind: 'removed' };

export interface RetentionQuestion {
  /** All backups of one plan, in any order. */
  readonly backups: readonly Kept[];
  readonly inForce: InForce;
  /** ms since the epoch. */
  readonly now: number;
  /** IANA name: in whose days, weeks, months and years GFS and calendar months are counted. */
  readonly zone: string;
  /** The guide to the letter: neither the newest Available nor the newest application-consistent backup is protected. */
  readonly strictGuide: boolean;
}

export interface Verdict {
  readonly id: string;
  readonly keep: boolean;
  /** In words for the operator, for example "the 3 newest automatic backups are kept, this is the 5th". */
  readonly reason: string;
  /** When its time ends (ms), where its own rule is one of time. */
  readonly expiresAt?: number;
}

/** One verdict for each backup, newest first. The law is in docs/policies.md. */
export function judgeRetention({ backups, inForce, now, zone, strictGuide }: RetentionQuestion): readonly Verdict[] {
  const ordered = backups.toSorted((a, b) => b.time - a.time || (a.id < b.id ? 1 : -1));
  const available = ordered.filter(({ state }) => state === 'available');
  const bench: Bench = {
    inForce,
    now,
    zone,
    counted: inForce.kind === 'rule' ? countedBy(inForce.retention, available.filter(isAutomatic), zone) : undefined,
    failed: new Map(
      ordered
        .filter((backup) => isAutomatic(backup) && backup.state === 'error' && backup.usedBy === undefined)
        .map(({ id }, index) => [id, index + 1]),
    ),
  };
  const guarded = strictGuide ? new Map<string, string>() : guardedOf(available);
  return ordered.map((backup) => {
    const judged = judge(backup, bench);
    const guard = judged.keep ? undefined : guarded.get(backup.id);
    const { keep, reason } = guard ? stays(guard) : judged;
    const mine = isAutomatic(backup) && backup.state !== 'error' && backup.rule?.kind === 'time';
    return { id: backup.id, keep, reason, ...(mine && { expiresAt: endOf(backup.time, backup.rule, zone) }) };
  });
}

/** What is needed to judge one backup of many. */
interface Bench {
  readonly inForce: InForce;
  readonly now: number;
  readonly zone: string;
  /** What the rule in force says of each Available automatic backup, where it is one that counts. */
  readonly counted: ReadonlyMap<string, Judgement> | undefined;
  /** Failed automatic ones, the newest is 1. */
  readonly failed: ReadonlyMap<string, number>;
}

/** Any kind: a plan is never left without a backup to go back to. */
function guardedOf(available: readonly Kept[]): ReadonlyMap<string, string> {
  const reasons = new Map<string, string>();
  const consistent = available.find(({ consistency }) => consistency === 'application');
  if (consistent) reasons.set(consistent.id, 'it is the newest application-consistent backup of its plan');
  if (available[0]) reasons.set(available[0].id, 'it is the newest available backup of its plan');
  return reasons;
}

function judge(backup: Kept, bench: Bench): Judgement {
  if (backup.kind === 'manual') return stays('made by hand: only deleted by hand');
  if (backup.kind === 'foreign') return stays('not made by a plan: only deleted by hand');
  if (backup.usedBy !== undefined) return stays(`in use: ${backup.usedBy}`);
  if (backup.state !== 'available' && backup.state !== 'error') return stays(`in use: it is being ${busy[backup.state]}`);
  if (bench.inForce.kind === 'rule' && !bench.inForce.enabled) return stays('the policy is disabled');
  return backup.state === 'error' ? judgeFailed(backup, bench) : judgeAvailable(backup, bench);
}

function judgeFailed({ id, time }: Kept, { failed, now, zone }: Bench): Judgement {
  const position = failed.get(id)!;
  if (position > failedKept) return goes(`of failed automatic backups the newest ${failedKept} are kept, this is the ${ordinal(position)}`);
  const end = endOf(time, failedTime, zone);
  return now >= end ? goes(`failed, and kept for a month: until ${shown(end, zone)}`) : stays(`failed, kept until ${shown(end, zone)}`);
}

/** Both its own rule and the one in force may remove it (guide 13.5.2: the union of the two). */
function judgeAvailable({ id, time, rule }: Kept, { inForce, counted, now, zone }: Bench): Judgement {
  if (rule === null || rule.kind === 'permanent') return stays('kept for ever');
  if (rule.kind === 'time') {
    const end = endOf(time, rule, zone);
    if (now >= end) return goes(`kept for ${retentionText(rule)}: until ${shown(end, zone)}`);
    const until = `kept until ${shown(end, zone)} (${retentionText(rule)})`;
    const judgement = counted?.get(id);
    return judgement ? { ...judgement, reason: judgement.keep ? `${judgement.reason}; ${until}` : judgement.reason } : stays(until);
  }
  const why = inForce.kind === 'removed' ? 'no policy applies any more' : `the rule is "${retentionText(inForce.retention)}" now`;
  return counted?.get(id) ?? stays(`made while ${retentionText(rule)} were kept; ${why}: only deleted by hand`);
}

function isAutomatic({ kind }: Kept): boolean {
  return kind === 'auto';
}

/** When (ms) what was made at `time` has been kept for as long as the rule says. A day is 24 h; a month is one of the calendar in `zone`. */
export function endOf(time: number, { amount, unit }: { readonly amount: number; readonly unit: 'days' | 'months' }, zone: string): number {
  return unit === 'days' ? time + amount * 24 * hour : at(time, zone).add({ months: amount }).epochMilliseconds;
}
