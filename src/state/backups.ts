import type { BackupState, BackupSummary } from '../model/backup.ts';
import type { Retention } from '../model/retention-rule.ts';
import type { Database } from './database.ts';
import { createTable, type Table } from './table.ts';

export interface BackupRow {
  /** The record's id; a temporary one while there is no record. */
  readonly id: string;
  readonly vaultId: string;
  readonly record: string | null;
  readonly name: string;
  readonly description: string;
  readonly state: BackupState;
  readonly kind: 'manual' | 'auto' | 'foreign';
  readonly planId: string | null;
  readonly planName: string | null;
  readonly source: string | null;
  readonly method: string | null;
  readonly consistency: string | null;
  readonly consistencyReason: string | null;
  readonly full: boolean;
  readonly warnings: number;
  readonly hostname: string;
  readonly username: string;
  readonly paths: readonly string[];
  /** Raw tags of the record. */
  readonly tags: readonly string[];
  readonly tree: string | null;
  readonly parent: string | null;
  readonly time: number;
  readonly endedAt: number | null;
  readonly sizeBytes: number;
  readonly addedBytes: number;
  readonly summary: BackupSummary | null;
  readonly taskId: string | null;
  /** The rule that an automatic one was made under. */
  readonly keep: Retention | null;
  /** When (ms) an operator's deletion is done; until then it can be taken back. */
  readonly deleteAt: number | null;
  /** What it was before it was deleted, and is again if that is taken back. */
  readonly stateBefore: BackupState | null;
  /** A copy of a backup of another vault. */
  readonly replica: boolean;
}

export interface BackupTable extends Table<BackupRow> {
  /** Of every plan that has automatic backups, also of those that are gone. */
  plansWithAutomatic(): readonly string[];
  /** The plan's newest backup that can be restored: its time (ms) and size (bytes), without the rest of its row. */
  lastGood(planId: string): { readonly time: number; readonly sizeBytes: number } | undefined;
}

export const createBackupTable = (database: Database): BackupTable => ({
  ...createTable<BackupRow>(database, {
    what: 'backup',
    table: 'backups',
    named: false,
    order: 'time DESC, id',
    columns: {
      id: 'plain',
      vaultId: 'plain',
      record: 'plain',
      name: 'plain',
      description: 'plain',
      state: 'plain',
      kind: 'plain',
      planId: 'plain',
      planName: 'plain',
      source: 'plain',
      method: 'plain',
      consistency: 'plain',
      consistencyReason: 'plain',
      full: 'flag',
      warnings: 'plain',
      hostname: 'plain',
      username: 'plain',
      paths: 'json',
      tags: 'json',
      tree: 'plain',
      parent: 'plain',
      time: 'plain',
      endedAt: 'plain',
      sizeBytes: 'plain',
      addedBytes: 'plain',
      summary: 'json',
      taskId: 'plain',
      keep: 'json',
      deleteAt: 'plain',
      stateBefore: 'plain',
      replica: 'flag',
    },
  }),
  plansWithAutomatic: () =>
    database.all("SELECT DISTINCT plan_id FROM backups WHERE kind = 'auto' AND plan_id IS NOT NULL").map((row) => String(row['plan_id'])),
  lastGood(planId) {
    const row = database.get(
      "SELECT time, size_bytes FROM backups WHERE plan_id = :planId AND state IN ('available', 'restoring') ORDER BY time DESC LIMIT 1",
      { planId },
    );
    return row && { time: Number(row['time']), sizeBytes: Number(row['size_bytes']) };
  },
});
