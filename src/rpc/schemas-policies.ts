// Policies, timers, retention: what callers give and get.
import { type Static, Type } from 'typebox';
import { listOf, listQuery, strict, Time } from './schemas-common.ts';

// Numbers are checked by model/starts.ts, which says what is wrong.
const Days = Type.Array(Type.Integer(), { description: '1 is Monday, 7 Sunday' });
const Hours = Type.Array(Type.Integer(), { description: '0 to 23, each at its beginning' });
const Zone = Type.String({ minLength: 1, description: 'IANA name; UTC for cron, else that of the host, if not given' });

export const ScheduleInput = Type.Union([
  strict({
    cron: Type.String({ minLength: 1, description: 'five fields; a day must fit both the day of the month and that of the week' }),
    zone: Type.Optional(Zone),
  }),
  strict({ hours: Hours, weekdays: Days, zone: Type.Optional(Zone) }),
  strict({
    hours: Hours,
    everyDays: Type.Integer({ description: '1 to 30, counted from today, or from `from`' }),
    from: Type.Optional(Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}$' })),
    zone: Type.Optional(Zone),
  }),
]);
export type ScheduleInput = Static<typeof ScheduleInput>;

const Schedule = Type.Union([
  strict({ kind: Type.Literal('cron'), expression: Type.String(), zone: Type.String() }),
  strict({
    kind: Type.Literal('hours'),
    hours: Type.Array(Type.Integer()),
    days: Type.Union([strict({ weekdays: Type.Array(Type.Integer()) }), strict({ every: Type.Integer(), from: Type.String() })]),
    zone: Type.String(),
  }),
]);

/** Checked by model/retention.ts, which says what is wrong. */
export const RetentionInput = Type.Union([
  strict({ days: Type.Integer({ description: '2 to 99999; 99999 is for ever' }) }),
  strict({ months: Type.Integer({ description: '1, 3, 6 or 12 calendar months' }) }),
  strict({ count: Type.Integer({ description: 'the newest 2 to 99999' }) }),
  strict({ permanent: Type.Literal(true) }),
  strict({
    last: Type.Optional(Type.Integer()),
    daily: Type.Optional(Type.Integer()),
    weekly: Type.Optional(Type.Integer()),
    monthly: Type.Optional(Type.Integer()),
    yearly: Type.Optional(Type.Integer()),
  }),
]);
export type RetentionInput = Static<typeof RetentionInput>;

export const Retention = Type.Union([
  strict({ kind: Type.Literal('time'), amount: Type.Integer(), unit: Type.Union([Type.Literal('days'), Type.Literal('months')]) }),
  strict({ kind: Type.Literal('quantity'), count: Type.Integer() }),
  strict({ kind: Type.Literal('permanent') }),
  strict({
    kind: Type.Literal('gfs'),
    last: Type.Integer(),
    daily: Type.Integer(),
    weekly: Type.Integer(),
    monthly: Type.Integer(),
    yearly: Type.Integer(),
  }),
]);

const FullEvery = Type.Union([Type.Integer({ minimum: 1, maximum: 3650 }), Type.Null()], {
  description: 'a start makes a full backup when the last is so many days old; null for never',
});

/** A rule as callers give it. */
export const RuleInput = strict({
  schedule: ScheduleInput,
  retention: Type.Optional(RetentionInput),
  fullEveryDays: Type.Optional(FullEvery),
});

export const Rule = strict({ schedule: Schedule, retention: Retention, fullEveryDays: FullEvery });

export const Policy = strict({
  id: Type.String(),
  name: Type.String(),
  type: Type.Literal('backup'),
  enabled: Type.Boolean(),
  rule: Rule,
  text: Type.String({ description: 'the rule in words' }),
  vaults: Type.Array(Type.String(), { description: 'names of the vaults that it is applied to' }),
  plans: Type.Array(Type.String(), { description: 'names of the plans that chose it themselves' }),
  next: Type.Union([Time, Type.Null()]),
  createdAt: Time,
  updatedAt: Time,
});
export type Policy = Static<typeof Policy>;

export const PolicyCreate = strict({ name: Type.String(), enabled: Type.Optional(Type.Boolean()), ...RuleInput.properties });
export type PolicyCreate = Static<typeof PolicyCreate>;
export const PolicyUpdate = Type.Partial(PolicyCreate, { additionalProperties: false });
export type PolicyUpdate = Static<typeof PolicyUpdate>;
export const PolicyQuery = listQuery({ enabled: Type.Optional(Type.Boolean()) });
export const PolicyList = listOf(Policy);
export const PolicyApply = strict({ policy: Type.String({ description: 'ID or name' }) });

export const PreviewInput = strict({
  retention: Type.Optional(RetentionInput),
  at: Type.Optional(Type.String({ description: 'as if it were then: ISO 8601; now if not given' })),
});
export const Preview = strict({
  items: Type.Array(
    strict({
      id: Type.String(),
      name: Type.String(),
      kind: Type.String(),
      time: Time,
      keep: Type.Boolean(),
      reason: Type.String(),
      expiresAt: Type.Union([Time, Type.Null()]),
    }),
  ),
  removed: Type.Integer(),
});
export type Preview = Static<typeof Preview>;

export const Start = strict({
  due: Time,
  outcome: Type.Union([Type.Literal('run'), Type.Literal('made-up'), Type.Literal('skipped')]),
  reason: Type.String(),
  taskId: Type.Union([Type.String(), Type.Null()]),
  attempt: Type.Integer(),
  retryAt: Type.Union([Time, Type.Null()]),
});
export const StartQuery = listQuery({ outcome: Type.Optional(Type.String()) });
export const StartList = listOf(Start);
