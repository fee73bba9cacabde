// Short ways to write backups, rules and moments; wall-clock time is that of Berlin.
import { type InForce, judgeRetention, type Kept, type RetentionQuestion } from '../../../src/model/retention.ts';
import type { Retention } from '../../../src/model/retention-rule.ts';

export const zone = 'Europe/Berlin';
export const at = (text: string, where = zone) => Temporal.PlainDateTime.from(text).toZonedDateTime(where).epochMilliseconds;
export const newest = (count: number): Retention => ({ kind: 'quantity', count });
export const months = (amount: number): Retention => ({ kind: 'time', amount, unit: 'months' });
export const days = (amount: number): Retention => ({ kind: 'time', amount, unit: 'days' });
export const forEver: Retention = { kind: 'permanent' };
export const force = (retention: Retention, enabled = true): InForce => ({ kind: 'rule', retention, enabled });

/** Named by its time, automatic and Available unless told otherwise. */
export function backup(time: string, rule: Retention | null, other: Partial<Kept> = {}): Kept {
  return { id: time, time: at(time), kind: 'auto', state: 'available', consistency: 'crash', rule, ...other };
}

export function judge(backups: readonly Kept[], inForce: InForce, now: string, other: Partial<RetentionQuestion> = {}) {
  return judgeRetention({ backups, inForce, now: at(now), zone, strictGuide: true, ...other });
}

export const kept = (...question: Parameters<typeof judge>) =>
  judge(...question)
    .filter(({ keep }) => keep)
    .map(({ id }) => id)
    .toReversed();
