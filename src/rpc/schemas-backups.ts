import { type Static, Type } from 'typebox';
import type { BackupSummary } from '../model/backup.ts';
import { listOf, listQuery, strict, Time } from './schemas-common.ts';
import { serviceTargets } from './schemas-services.ts';
import { Task } from './schemas-tasks.ts';

export const BackupStateName = Type.Union([
  Type.Literal('available'),
  Type.Literal('creating'),
  Type.Literal('restoring'),
  Type.Literal('deleting'),
  Type.Literal('error'),
]);
const Kind = Type.Union([Type.Literal('manual'), Type.Literal('auto'), Type.Literal('foreign')], {
  description: 'foreign: not made by an agent',
});
const text = Type.Union([Type.String(), Type.Null()]);

export const Backup = strict({
  id: Type.String({ description: 'the record’s ID (restic: snapshot ID); a temporary one while creating or after an error' }),
  name: Type.String(),
  description: Type.String(),
  state: BackupStateName,
  kind: Kind,
  vaultId: Type.String(),
  vaultName: Type.String(),
  planId: text,
  planName: text,
  source: Type.Union([Type.String(), Type.Null()], { description: 'files, disk, command, mysql …' }),
  method: Type.Union([Type.String(), Type.Null()], { description: 'how the source was read, where there are several ways' }),
  consistency: Type.Union([Type.String(), Type.Null()], { description: 'application, crash, file or none' }),
  consistencyReason: Type.Union([Type.String(), Type.Null()], { description: 'why it is not more, where more was asked for' }),
  full: Type.Boolean(),
  warnings: Type.Integer(),
  hostname: Type.String(),
  username: Type.String(),
  paths: Type.Array(Type.String()),
  tags: Type.Array(Type.String()),
  tree: text,
  parent: text,
  time: Time,
  endedAt: Type.Union([Time, Type.Null()]),
  /** Plain bytes of the backup; 0 while unknown. */
  sizeBytes: Type.Integer(),
  addedBytes: Type.Integer({ description: 'what this backup added to the vault' }),
  summary: Type.Union([Type.Unsafe<BackupSummary>(Type.Object({})), Type.Null()]),
  taskId: Type.Union([Type.String(), Type.Null()], { description: 'the task that made it, while known' }),
  keep: Type.Union([Type.String(), Type.Null()], {
    description: 'the rule that an automatic one was made under: 30d, 3m, 7, permanent, gfs:…',
  }),
  deleteAt: Type.Union([Time, Type.Null()], { description: 'when its deletion is done; until then backupUndelete takes it back' }),
  replica: Type.Boolean({ description: 'a copy of a backup of another vault' }),
});
export type Backup = Static<typeof Backup>;

export const BackupDelete = strict({
  now: Type.Optional(Type.Boolean({ description: 'at once and for good, instead of after 24 hours' })),
});

export const BackupRun = strict({
  plan: Type.String({ description: 'ID or name' }),
  name: Type.Optional(Type.String({ description: 'manualbk_xxxx if not given' })),
  description: Type.Optional(Type.String({ description: 'at most 255 characters' })),
  full: Type.Optional(Type.Boolean({ description: 're-read everything and verify what is stored already' })),
});
export type BackupRun = Static<typeof BackupRun>;

export const BackupQuery = listQuery({
  state: Type.Optional(BackupStateName),
  vault: Type.Optional(Type.String({ description: 'ID or name' })),
  plan: Type.Optional(Type.String({ description: 'ID or name' })),
  server: Type.Optional(Type.String({ description: 'host name' })),
  type: Type.Optional(Type.String({ description: 'files, disk, command, mysql …' })),
  kind: Type.Optional(Kind),
  replica: Type.Optional(Type.Boolean({ description: 'copies of backups of other vaults, or none of them' })),
});
export type BackupQuery = Static<typeof BackupQuery>;
export const BackupList = listOf(Backup);

const commandWords = {
  argv: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
  shell: Type.Optional(Type.String({ minLength: 1 })),
  named: Type.Optional(Type.String({ minLength: 1, description: 'a command of /etc/stillpoint/allow.yaml' })),
};

export const RestoreTargetInput = Type.Union([
  strict({
    kind: Type.Literal('files'),
    path: Type.String({ minLength: 1, description: 'absolute; / means in place' }),
    include: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { description: 'paths inside the backup; all if empty' })),
    overwrite: Type.Optional(Type.Union([Type.Literal('always'), Type.Literal('if-changed'), Type.Literal('never')])),
    delete: Type.Optional(Type.Boolean({ description: 'remove what the backup does not have' })),
    verify: Type.Optional(Type.Boolean()),
  }),
  strict({
    kind: Type.Literal('disk'),
    map: Type.Record(Type.String(), Type.String(), { description: 'disk in the backup → device or image file' }),
    verify: Type.Optional(Type.Boolean()),
  }),
  strict({
    kind: Type.Literal('command'),
    ...commandWords,
    before: Type.Optional(Type.Array(strict(commandWords), { description: 'run first, in order; if one fails nothing is loaded' })),
    after: Type.Optional(Type.Array(strict(commandWords), { description: 'run in order once the load has succeeded' })),
  }),
  ...serviceTargets,
]);
export type RestoreTargetInput = Static<typeof RestoreTargetInput>;

export const BackupRestore = strict({ target: RestoreTargetInput, dryRun: Type.Optional(Type.Boolean()) });
export type BackupRestore = Static<typeof BackupRestore>;

export const BackupLs = strict({
  path: Type.Optional(Type.String({ description: '/ if not given' })),
  recursive: Type.Optional(Type.Boolean()),
});
export const BackupFind = strict({
  pattern: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })]),
  backup: Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())])),
  vault: Type.Optional(Type.String({ description: 'look into all backups of this vault' })),
});
export const BackupDiff = strict({ from: Type.String({ minLength: 1 }), to: Type.String({ minLength: 1 }) });
export const BackupCat = strict({ path: Type.String({ minLength: 1 }) });

export const BackupDeleted = strict({
  backup: Backup,
  task: Type.Union([Task, Type.Null()], { description: 'that deletes it; null while the deletion can be taken back' }),
});
export type BackupDeleted = Static<typeof BackupDeleted>;
