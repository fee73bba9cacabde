import { type Static, Type } from 'typebox';
import { listOf, listQuery, strict, Time } from './schemas-common.ts';

export const AuditResult = Type.Union([Type.Literal('ok'), Type.Literal('failed')]);

export const AuditEntry = strict({
  id: Type.String(),
  seq: Type.Integer({ description: 'counts up by one; a gap means that entries are missing' }),
  at: Time,
  actor: Type.String({ description: 'the user of agentcli; stillpoint for what the agent did by itself' }),
  address: Type.String(),
  trace: Type.String({ description: 'createPolicy, deleteBackup …' }),
  resourceType: Type.String(),
  resourceId: Type.String(),
  resourceName: Type.String(),
  result: AuditResult,
  code: Type.Union([Type.String(), Type.Null()], { description: 'of the error, where it failed' }),
  detail: Type.String(),
});
export type AuditEntry = Static<typeof AuditEntry>;

export const AuditQuery = listQuery({
  actor: Type.Optional(Type.String()),
  trace: Type.Optional(Type.String({ description: 'the whole name' })),
  resource: Type.Optional(Type.String({ description: 'a type (vault), a name, or the beginning of an ID' })),
  result: Type.Optional(AuditResult),
});
export const AuditList = listOf(AuditEntry);

const Count = Type.Integer({ minimum: 0 });
const TimeOrNull = Type.Union([Time, Type.Null()]);

export const AuditProved = strict({
  entries: Count,
  first: Count,
  last: Count,
  from: TimeOrNull,
  to: TimeOrNull,
  hash: Type.String({ description: 'of the last entry' }),
});
export type AuditProved = Static<typeof AuditProved>;

export const AuditSwitch = strict({
  on: Type.Optional(Type.Boolean({ description: 'switches the tracker; only told how it is if left out' })),
});

export const AuditTracker = strict({
  on: Type.Boolean(),
  entries: Count,
  from: TimeOrNull,
  to: TimeOrNull,
});
export type AuditTracker = Static<typeof AuditTracker>;
