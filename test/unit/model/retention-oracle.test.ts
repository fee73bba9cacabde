// B3: random lives of plans (backups of all kinds, changes of the rule, states, clocks that jump) against an oracle that is written from the
// law alone, with plain UTC dates, and against what must always hold.
import { describe, expect, test } from 'vitest';
import type { BackupState } from '../../../src/model/backup.ts';
import { judgeRetention, type Kept, type RetentionQuestion } from '../../../src/model/retention.ts';
import type { Retention } from '../../../src/model/retention-rule.ts';
import { type Random, randomOf } from './random.ts';

const hour = 3_600_000;
const day = 24 * hour;

/** IDs of what may be removed. Zone: UTC. */
function oracle({ backups, inForce, now, strictGuide }: RetentionQuestion): Set<string> {
  const gone = new Set<string>();
  if (inForce.kind === 'rule' && !inForce.enabled) return gone;
  const newestFirst = [...backups].sort((a, b) => b.time - a.time);
  const autos = newestFirst.filter((b) => b.kind === 'auto');
  const good = autos.filter((b) => b.state === 'available');
  const law = inForce.kind === 'rule' ? inForce.retention : undefined;
  // Its own time.
  for (const b of good) if (b.rule?.kind === 'time' && now >= later(b.time, b.rule.amount, b.rule.unit)) gone.add(b.id);
  // The rule in force.
  if (law?.kind === 'quantity' || law?.kind === 'gfs') {
    const chosen = law.kind === 'quantity' ? good.slice(0, law.count) : good.filter((b) => chosenBy(law, b, good));
    for (const b of good) if (b.rule && b.rule.kind !== 'permanent' && !chosen.includes(b)) gone.add(b.id);
  }
  // Failed ones.
  const failed = autos.filter((b) => b.state === 'error');
  for (const b of failed) if (failed.indexOf(b) >= 10 || now >= later(b.time, 1, 'months')) gone.add(b.id);
  // What stays all the same.
  for (const b of backups) if (b.usedBy) gone.delete(b.id);
  if (!strictGuide) {
    const usable = newestFirst.filter((b) => b.state === 'available');
    for (const b of [usable[0], usable.filter((u) => u.consistency === 'application')[0]]) if (b) gone.delete(b.id);
  }
  return gone;
}

function later(time: number, amount: number, unit: 'days' | 'months'): number {
  if (unit === 'days') return time + amount * day;
  const date = new Date(time);
  const month = date.getUTCMonth() + amount;
  const last = new Date(Date.UTC(date.getUTCFullYear(), month + 1, 0)).getUTCDate();
  return Date.UTC(date.getUTCFullYear(), month, Math.min(date.getUTCDate(), last)) + (time % day);
}

/** A backup is chosen for a period if none in it is newer, and fewer periods than asked for have newer backups. */
function chosenBy(scheme: Extract<Retention, { kind: 'gfs' }>, backup: Kept, good: readonly Kept[]): boolean {
  const newer = good.filter((b) => b.time > backup.time);
  if (newer.length < scheme.last) return true;
  const periods = { daily: dayOf, weekly: weekOf, monthly: monthOf, yearly: yearOf };
  return (Object.keys(periods) as (keyof typeof periods)[]).some((name) => {
    const taken = new Set(newer.map((b) => periods[name](b.time)));
    return !taken.has(periods[name](backup.time)) && taken.size < scheme[name];
  });
}

const dayOf = (time: number) => Math.floor(time / day);
/** Weeks begin on Mondays; 1 January 1970 was a Thursday. */
const weekOf = (time: number) => Math.floor((dayOf(time) + 3) / 7);
const monthOf = (time: number) => new Date(time).getUTCFullYear() * 12 + new Date(time).getUTCMonth();
const yearOf = (time: number) => new Date(time).getUTCFullYear();

function randomRule(random: Random): Retention {
  const amount = () => random.one([0, 0, 1, 2, 3, 7]);
  return random.one<() => Retention>([
    () => ({ kind: 'quantity', count: random.one([1, 2, 3, 7]) }),
    () => ({ kind: 'time', amount: random.one([2, 3, 30, 100]), unit: 'days' }),
    () => ({ kind: 'time', amount: random.one([1, 3, 6, 12]), unit: 'months' }),
    () => ({ kind: 'permanent' }),
    () => ({ kind: 'gfs', last: 1 + amount(), daily: amount(), weekly: amount(), monthly: amount(), yearly: amount() }),
  ])();
}

function randomBackup(random: Random, id: string, time: number, rule: Retention | null): Kept {
  const kind = random.one<Kept['kind']>(['auto', 'auto', 'auto', 'auto', 'auto', 'auto', 'manual', 'foreign']);
  const state: BackupState = kind !== 'foreign' && random.chance(0.25) ? 'error' : 'available';
  const consistency = random.one([null, 'crash', 'crash', 'file', 'application'] as const);
  return { id, time, kind, state, consistency, rule: kind === 'auto' ? rule : null };
}

/** A plan's life, event by event; `look` sees each question that is asked on the way. What is judged away goes, nearly always. */
function live(seed: number, zone: string, look: (question: RetentionQuestion, random: Random) => void): void {
  const random = randomOf(seed);
  const strictGuide = random.chance(0.5);
  let now = Date.UTC(2026, random.below(12), 1 + random.below(31), random.below(24));
  let inForce: RetentionQuestion['inForce'] = { kind: 'rule', retention: randomRule(random), enabled: true };
  let stamp: Retention | null = inForce.retention;
  let backups: Kept[] = [];
  for (let step = 0; step < 50; step++) {
    now += random.one([hour, 5 * hour, day, day, day, 3 * day, 20 * day, 40 * day, -2 * day]) + random.below(hour);
    const event = random.below(20);
    if (event === 0) inForce = { kind: 'removed' };
    else if (event === 1 && inForce.kind === 'rule') inForce = { ...inForce, enabled: !inForce.enabled };
    else if (event < 4) {
      inForce = { kind: 'rule', retention: randomRule(random), enabled: true };
      stamp = inForce.retention;
    } else if (event < 7 && backups.length > 0) {
      const index = random.below(backups.length);
      const { usedBy: _, ...rest } = backups[index]!;
      const state = random.one<BackupState>(['available', 'restoring', 'deleting', 'creating', 'error']);
      backups[index] = random.chance(0.3) ? { ...rest, usedBy: 'an image' } : { ...rest, state };
    } else backups.push(randomBackup(random, `backup-${seed}-${step}`, now - random.below(hour), random.chance(0.05) ? null : stamp));
    const question: RetentionQuestion = { backups: shuffled(random, backups), inForce, now, zone, strictGuide };
    look(question, random);
    const gone = goneOf(question);
    if (random.chance(0.9)) backups = backups.filter(({ id }) => !gone.has(id));
  }
}

const shuffled = (random: Random, backups: readonly Kept[]) => random.some(backups.length, backups);
const goneOf = (question: RetentionQuestion) => new Set(judgeRetention(question).flatMap(({ id, keep }) => (keep ? [] : [id])));

test('B3 300 random lives are judged as the oracle judges them', () => {
  let removed = 0;
  for (let seed = 1; seed <= 300; seed++) {
    live(seed, 'UTC', (question) => {
      const gone = goneOf(question);
      expect([...gone].toSorted(), `seed ${seed}: ${JSON.stringify(question)}`).toEqual([...oracle(question)].toSorted());
      removed += gone.size;
    });
  }
  expect(removed).toBeGreaterThan(2000);
});

describe.each(['Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Kolkata', 'America/New_York'])('B3 always, in %s', (zone) => {
  test('B3 what must hold for whatever happened holds', () => {
    for (let seed = 1001; seed <= 1040; seed++) live(seed, zone, (question, random) => invariants(question, random));
  });
});

function invariants(question: RetentionQuestion, random: Random): void {
  const { backups, inForce, now, strictGuide } = question;
  const verdicts = judgeRetention(question);
  const byId = new Map(backups.map((backup) => [backup.id, backup]));
  const judged = verdicts.map(({ id }) => byId.get(id)!);
  const gone = judged.filter((_, index) => !verdicts[index]!.keep);
  const left = judged.filter((_, index) => verdicts[index]!.keep);

  expect(new Set(verdicts.map(({ id }) => id)).size).toBe(backups.length);
  expect(judged.map(({ time }) => time)).toEqual(judged.map(({ time }) => time).toSorted((a, b) => b - a));
  for (const { reason } of verdicts) expect(reason).toMatch(/^(?!.*(undefined|NaN|\{|object)).{5,}/);
  for (const { kind, state, usedBy, rule } of gone) {
    expect(kind).toBe('auto');
    expect(usedBy).toBeUndefined();
    expect(['available', 'error']).toContain(state);
    if (state === 'available') expect([undefined, 'permanent']).not.toContain(rule?.kind);
  }
  const available = judged.filter(({ state }) => state === 'available');
  if (!strictGuide && available.length > 0) {
    expect(left).toContain(available[0]);
    const consistent = available.find(({ consistency }) => consistency === 'application');
    if (consistent) expect(left).toContain(consistent);
  }
  if (inForce.kind === 'rule' && !inForce.enabled) expect(gone).toEqual([]);
  if (inForce.kind === 'rule' && inForce.enabled && inForce.retention.kind === 'quantity') {
    const bound = left.filter(
      ({ kind, state, rule, usedBy }) => kind === 'auto' && state === 'available' && rule && rule.kind !== 'permanent' && !usedBy,
    );
    expect(bound.length).toBeLessThanOrEqual(inForce.retention.count + (strictGuide ? 0 : 2));
  }
  // What may go today may go on any later day, if nothing else changes; and what went makes nothing else go.
  const tomorrow = goneOf({ ...question, now: now + random.below(400 * day) });
  for (const { id } of gone) expect(tomorrow).toContain(id);
  expect([...goneOf({ ...question, backups: left })]).toEqual([]);
}
