// When something runs and how long it stays, as a file asks for it: compared as the agent would keep it, and written again as a file has it.
import type { PolicyRule } from '../../model/policy.ts';
import { type Retention, retentionFrom } from '../../model/retention-rule.ts';
import type { Schedule, Window } from '../../model/schedule.ts';
import { type ScheduleWords, scheduleFrom, windowFrom } from '../../model/starts.ts';
import { differences } from './change.ts';
import { type Entry, judged } from './read.ts';
import type { FilePlan, FileRetention, FileSchedule } from './schema.ts';

export interface RuleWords {
  readonly schedule?: FileSchedule;
  readonly retention?: FileRetention;
  readonly fullEveryDays?: number | null;
}

const hostZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** What differs, and what to send. `before`: a rule or a view's copy of one; undefined for none. Throws APPLY_INVALID. */
export function ruleChanges(entry: Entry<unknown>, words: RuleWords, before: Rule | undefined) {
  const { schedule, retention, fullEveryDays } = words;
  const asked = schedule && keptWords(schedule, before?.schedule as Schedule | undefined);
  const wish = {
    schedule: asked && judged(entry, '/schedule', () => scheduleFrom(asked, Date.now(), hostZone())),
    retention: retention && judged(entry, '/retention', () => retentionFrom(retention)),
    fullEveryDays,
  };
  const changes = differences(before ?? {}, wish);
  const inputs: Readonly<Record<string, unknown>> = { schedule: asked, retention, fullEveryDays };
  return { changes, body: Object.fromEntries(changes.map(({ field }) => [field, inputs[field]])) };
}

type Rule = Readonly<Record<keyof PolicyRule, unknown>>;

/** The day that it counts from and the zone stay where they are not named: else they would be others each day, or on each terminal. */
function keptWords(words: FileSchedule, before: Schedule | undefined): ScheduleWords {
  if (words.hours === undefined || before?.kind !== 'hours') return words;
  const from = words.everyDays !== undefined && 'from' in before.days ? before.days.from : undefined;
  return { ...(from !== undefined && { from }), zone: before.zone, ...words };
}

/** As the agent would keep it. Throws APPLY_INVALID. */
export function settledWindow(entry: Entry<FilePlan>, before: FilePlan['window']): Window | null | undefined {
  const { window } = entry.value;
  if (!window) return window;
  const zone = window.zone ?? before?.zone;
  return judged(entry, '/window', () => windowFrom({ ...window, zone }, hostZone()));
}

export function scheduleWords(schedule: Schedule): FileSchedule {
  if (schedule.kind === 'cron') return { cron: schedule.expression, zone: schedule.zone };
  const { hours, days, zone } = schedule;
  const on = 'every' in days ? { everyDays: days.every, from: days.from } : { weekdays: [...days.weekdays] };
  return { hours: [...hours], ...on, zone };
}

export function retentionWords(retention: Retention): FileRetention {
  if (retention.kind === 'permanent') return { permanent: true };
  if (retention.kind === 'quantity') return { count: retention.count };
  if (retention.kind === 'time') return { [retention.unit]: retention.amount };
  const { kind: _kind, ...scheme } = retention;
  return Object.fromEntries(Object.entries(scheme).filter(([, count]) => count > 0));
}
