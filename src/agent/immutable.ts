// What an immutable vault holds, as far as the agent knows without asking the pool.
import { fail } from '../base/errors.ts';
import type { BackupRow } from '../state/backups.ts';
import type { VaultRow } from '../state/vaults.ts';

const day = 24 * 3600 * 1000;

/** Until when (ms since the epoch) the record is locked at least; 0 in a vault that is not immutable. */
export function heldUntil(
  { immutableDays }: Pick<VaultRow, 'immutableDays'>,
  { time, endedAt }: Pick<BackupRow, 'time' | 'endedAt'>,
): number {
  return immutableDays > 0 ? (endedAt ?? time) + immutableDays * day : 0;
}

/** Throws VAULT_IMMUTABLE for a backup that nobody can remove at `now`. */
export function needRemovable(vault: VaultRow, backup: BackupRow, now: number): void {
  const until = heldUntil(vault, backup);
  if (until > now)
    fail('VAULT_IMMUTABLE', {
      vault: vault.name,
      until: new Date(until).toISOString(),
      detail: `the backup ${backup.name || backup.id.slice(0, 8)} is locked`,
    });
}
