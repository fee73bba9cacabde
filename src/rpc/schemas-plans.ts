import { type Static, Type } from 'typebox';
import { listOf, listQuery, strict, Time } from './schemas-common.ts';
import { RetentionInput, Rule, ScheduleInput } from './schemas-policies.ts';
import { BucketSourceInput, MysqlSourceInput, PostgresSourceInput, RedisSourceInput, serviceSources } from './schemas-services.ts';

const Paths = Type.Array(Type.String({ minLength: 1 }), { minItems: 1, description: 'absolute paths' });
const Patterns = Type.Array(Type.String({ minLength: 1 }));

export const FilesSourceInput = strict({
  kind: Type.Literal('files'),
  paths: Paths,
  excludes: Type.Optional(Patterns),
  excludeFiles: Type.Optional(Patterns),
  oneFileSystem: Type.Optional(Type.Boolean()),
  excludeCaches: Type.Optional(Type.Boolean()),
});

export const DiskSourceInput = strict({ kind: Type.Literal('disk'), paths: Paths });

export const ServerSourceInput = strict({
  kind: Type.Literal('server'),
  disks: Type.Optional(
    Type.Union([Type.Literal('all'), Type.Literal('system'), Type.Literal('data')], {
      description: 'found at the start of each backup; system: what the host starts and runs from; data: the others; all if not given',
    }),
  ),
  exclude: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), { description: 'stable names (/dev/disk/by-id/…), serial numbers or device paths' }),
  ),
});

export const CommandSourceInput = strict({
  kind: Type.Literal('command'),
  argv: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
  shell: Type.Optional(Type.String({ minLength: 1, description: 'a line for bash, run with pipefail' })),
  named: Type.Optional(Type.String({ minLength: 1, description: 'a command of /etc/stillpoint/allow.yaml' })),
  fileName: Type.Optional(Type.String({ description: 'name of the file that the output becomes; the plan’s name if not given' })),
  minBytes: Type.Optional(Type.Integer({ minimum: 0 })),
  expectTail: Type.Optional(Type.String({ description: 'regular expression that the last 4 KiB must match' })),
});

/** As a caller gives it; what is left out takes the defaults of model/plan.ts. */
export const SourceInput = Type.Union([
  FilesSourceInput,
  DiskSourceInput,
  ServerSourceInput,
  CommandSourceInput,
  MysqlSourceInput,
  PostgresSourceInput,
  RedisSourceInput,
  BucketSourceInput,
]);
export type SourceInput = Static<typeof SourceInput>;

const Source = Type.Union([
  Type.Required(FilesSourceInput),
  DiskSourceInput,
  Type.Required(ServerSourceInput),
  strict({
    ...CommandSourceInput.properties,
    fileName: Type.String(),
    minBytes: Type.Integer(),
  }),
  ...serviceSources,
]);

/** How far a backup is one moment of its source, and what is done when that cannot be had. */
const Consistency = strict({
  freeze: Type.Boolean({ description: 'freeze applications (the scripts in bin/thirdparty/ebk_user) around the snapshot' }),
  otherwise: Type.Union([Type.Literal('fall-back'), Type.Literal('fail')], { description: 'when the backup would not be consistent' }),
  allowInconsistent: Type.Boolean({ description: 'read disks that are written to and have no snapshot' }),
  freezeLimit: Type.Integer({ minimum: 1, maximum: 600, description: 'seconds from the first freeze to the last thaw, at most' }),
});

const SourceKind = Type.Union([
  Type.Literal('files'),
  Type.Literal('disk'),
  Type.Literal('server'),
  Type.Literal('command'),
  Type.Literal('mysql'),
  Type.Literal('postgres'),
  Type.Literal('redis'),
  Type.Literal('bucket'),
]);

/** Of a server, as the host is now. */
const FoundDisk = strict({
  path: Type.String(),
  names: Type.Array(Type.String(), { description: 'what else it is known by, also after a restart' }),
  model: Type.Optional(Type.String()),
  size: Type.Integer({ description: 'bytes' }),
  system: Type.Boolean({ description: 'the host starts or runs from it' }),
  uses: Type.Array(strict({ point: Type.String({ description: 'a mount point, or swap' }), writable: Type.Boolean() })),
  excluded: Type.Boolean({ description: 'the plan leaves it out' }),
});
export type FoundDisk = Static<typeof FoundDisk>;

const Strategy = Type.Union([Type.Literal('manual'), Type.Literal('scheduled')]);
const Missed = Type.Union([Type.Literal('once'), Type.Literal('skip')], {
  description: 'starts that fell into a time when the agent was off',
});
const Clock = Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d$' });
const Window = strict({ from: Clock, to: Clock, zone: Type.Optional(Type.String({ minLength: 1 })) });
const Names = Type.Array(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' }), { maxItems: 16 });
const Hooks = strict({ before: Names, after: Names, failure: Names });
const Limits = strict({
  readBytesPerSecond: Type.Integer({ minimum: 0, description: '0 for no limit' }),
  cpuPercent: Type.Integer({ minimum: 0, maximum: 6400, description: 'of one processor; 0 for no limit' }),
});
const Address = Type.String({ pattern: '^https?://', maxLength: 2048 });
const Heartbeat = strict({ start: Type.Optional(Address), success: Type.Optional(Address), failure: Type.Optional(Address) });

export const Plan = strict({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  vaultId: Type.String(),
  vaultName: Type.String(),
  source: Source,
  disks: Type.Optional(Type.Array(FoundDisk, { description: 'source server, where one plan is shown: what it would read now' })),
  method: Type.String(),
  poolName: Type.String(),
  base: Type.Union([Type.String(), Type.Null()], { description: 'name of the plan whose backups it continues (the associated plan)' }),
  state: Type.Union([
    Type.Literal('available'),
    Type.Literal('failed'),
    Type.Literal('paused'),
    Type.Literal('unavailable'),
    Type.Literal('dissociated'),
  ]),
  stateDetail: Type.String(),
  strategy: Strategy,
  timing: Type.Union([Type.Literal('manual'), Type.Literal('vault'), Type.Literal('policy'), Type.Literal('own')], {
    description: 'where its rule comes from',
  }),
  policyName: Type.Union([Type.String(), Type.Null()]),
  rule: Type.Union([Rule, Type.Null()], { description: 'by which it runs now' }),
  ruleText: Type.String(),
  next: Type.Union([Time, Type.Null()], { description: 'its next scheduled start' }),
  pause: Type.Union([
    strict({ by: Type.Union([Type.Literal('operator'), Type.Literal('source')]), since: Time, reason: Type.String() }),
    Type.Null(),
  ]),
  window: Type.Union([Window, Type.Null()]),
  hooks: Hooks,
  limits: Limits,
  retries: Type.Integer(),
  spreadMinutes: Type.Integer(),
  missed: Missed,
  maxAgeHours: Type.Union([Type.Integer(), Type.Null()]),
  hasHeartbeat: Type.Boolean(),
  consistency: Consistency,
  backups: Type.Integer(),
  lastGoodAt: Type.Union([Time, Type.Null()]),
  lastTask: Type.Union([strict({ id: Type.String(), state: Type.String(), endedAt: Type.Union([Time, Type.Null()]) }), Type.Null()]),
  createdAt: Time,
  updatedAt: Time,
});
export type Plan = Static<typeof Plan>;

export const PlanCreate = strict({
  name: Type.String(),
  description: Type.Optional(Type.String()),
  vault: Type.Optional(Type.String({ description: 'ID or name; may be left out while there is just one' })),
  source: SourceInput,
  method: Type.Optional(
    Type.String({ description: 'files: snapshot; disk, server: direct; command: stream; databases and buckets: that of the source' }),
  ),
  strategy: Type.Optional(
    Type.Union([Type.Literal('manual'), Type.Literal('scheduled'), Type.Literal('vault')], {
      description: 'manual: only when told to; vault: as the policy of its vault says; scheduled: the same unless it has a timer or policy',
    }),
  ),
  policy: Type.Optional(Type.String({ description: 'runs by this policy, whatever its vault has' })),
  schedule: Type.Optional(ScheduleInput),
  retention: Type.Optional(RetentionInput),
  fullEveryDays: Type.Optional(Type.Union([Type.Integer({ minimum: 1, maximum: 3650 }), Type.Null()])),
  window: Type.Optional(Type.Union([Window, Type.Null()])),
  hooks: Type.Optional(Type.Partial(Hooks, { additionalProperties: false })),
  limits: Type.Optional(Type.Partial(Limits, { additionalProperties: false })),
  retries: Type.Optional(Type.Integer({ minimum: 0, maximum: 10 })),
  spreadMinutes: Type.Optional(Type.Integer({ minimum: 0, maximum: 720 })),
  missed: Type.Optional(Missed),
  maxAgeHours: Type.Optional(Type.Union([Type.Integer({ minimum: 1, maximum: 87_600 }), Type.Null()])),
  heartbeat: Type.Optional(Type.Union([Heartbeat, Type.Null()])),
  consistency: Type.Optional(Type.Partial(Consistency, { additionalProperties: false })),
  allowMissing: Type.Optional(Type.Boolean({ description: 'accept paths that do not exist yet' })),
});
export type PlanCreate = Static<typeof PlanCreate>;

export const PlanUpdate = Type.Partial(PlanCreate, { additionalProperties: false });
export type PlanUpdate = Static<typeof PlanUpdate>;

export const PlanQuery = listQuery({ vault: Type.Optional(Type.String({ description: 'ID or name' })), source: Type.Optional(SourceKind) });
export type PlanQuery = Static<typeof PlanQuery>;
export const PlanList = listOf(Plan);
