import { type Static, Type } from 'typebox';
import type { RecordInfo, RecoverReport } from '../model/task.ts';
import { strict, Time } from './schemas-common.ts';
import { Task } from './schemas-tasks.ts';

export const VaultRecover = strict({
  at: Type.Integer({ minimum: 1, description: 'the moment (ms since the epoch) that the vault is brought back to' }),
  dryRun: Type.Optional(Type.Boolean({ description: 'only say what would be done' })),
});
export type VaultRecover = Static<typeof VaultRecover>;

export const VaultRecovering = strict({
  at: Time,
  task: Type.Union([Task, Type.Null()], { description: 'that brings the vault back; null for a dry run, whose answer is complete' }),
  records: Type.Union([Type.Unsafe<readonly RecordInfo[]>(Type.Array(Type.Object({}))), Type.Null()], {
    description: 'of a dry run: the backups as they were then',
  }),
  recovered: Type.Union([Type.Unsafe<RecoverReport>(Type.Object({})), Type.Null()], { description: 'of a dry run: what would be done' }),
});
export type VaultRecovering = Static<typeof VaultRecovering>;
