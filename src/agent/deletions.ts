// Deleting a backup: an operator may take it back for a day; what retention removes has been told long before.
import { fail } from '../base/errors.ts';
import type { BackupRow } from '../state/backups.ts';
import { atMost, equals } from '../state/table.ts';
import type { ClockTrust } from './clock-trust.ts';
import type { AgentContext } from './context.ts';
import { needRemovable } from './immutable.ts';
import type { TaskDesk } from './task-desk.ts';

const hour = 3600 * 1000;
/** How long an operator's deletion can be taken back. */
export const undeleteFor = 24 * hour;

export interface Deletions {
  /** Answers the task that removes the record, if it is removed now. Throws VAULT_IMMUTABLE. */
  remove(backup: BackupRow, now: boolean): string | null;
  /** Throws UNDELETE_LATE. */
  bringBack(backup: BackupRow): void;
  /** Removes what has waited long enough. */
  sweep(): void;
}

export function createDeletions({ state, clock }: AgentContext, desk: TaskDesk, trust: Pick<ClockTrust, 'doubt'>): Deletions {
  /** `expire`: because time has passed, so that the task proves the clock first. */
  function forget(vaultId: string, rows: readonly BackupRow[], name: string, expire: boolean): string {
    const records = rows.flatMap(({ record }) => record ?? []);
    const [only, ...more] = rows;
    const backupId = more.length === 0 ? only?.id : undefined;
    return desk.submit({
      type: 'forget',
      name,
      request: { type: 'forget', records, ...(expire && { expire }) },
      vaultId,
      ...(backupId && { backupId }),
    }).id;
  }

  return {
    remove(backup, now) {
      return state.transaction(() => {
        if (backup.record === null) {
          // A backup that failed left no record in the vault: there is nothing to take back.
          state.backups.remove(backup.id);
          return null;
        }
        const vault = state.vaults.get(backup.vaultId);
        if (vault) needRemovable(vault, backup, clock.now());
        const stateBefore = backup.stateBefore ?? backup.state;
        state.backups.update(backup.id, { state: 'deleting', stateBefore, deleteAt: now ? null : clock.now() + undeleteFor });
        return now ? forget(backup.vaultId, [backup], backup.name || backup.id.slice(0, 8), false) : null;
      });
    },
    bringBack(backup) {
      const name = backup.name || backup.id.slice(0, 8);
      if (backup.state !== 'deleting') fail('UNDELETE_LATE', { backup: name, detail: `it is ${backup.state}` });
      if (backup.deleteAt === null) fail('UNDELETE_LATE', { backup: name, detail: 'it is being removed' });
      state.backups.update(backup.id, { state: backup.stateBefore ?? 'available', stateBefore: null, deleteAt: null });
    },
    sweep() {
      // A clock that jumped ahead would end the day in which it can be taken back.
      if (trust.doubt() !== null) return;
      const due = state.backups.where([equals('state', 'deleting'), atMost('delete_at', clock.now())]);
      for (const [vaultId, rows] of Map.groupBy(due, (row) => row.vaultId)) {
        if (state.vaults.get(vaultId)?.state !== 'available') continue;
        state.transaction(() => {
          for (const row of rows) state.backups.update(row.id, { deleteAt: null });
          forget(vaultId, rows, rows.length === 1 ? rows[0]!.name || rows[0]!.id.slice(0, 8) : `${rows.length} backups`, true);
        });
      }
    },
  };
}
