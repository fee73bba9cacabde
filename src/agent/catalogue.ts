// The catalogue of backups: what the vaults hold, kept so that lists are quick. The vault is right, always; a scan makes it so again.
import type { RecordInfo } from '../model/task.ts';
import type { BackupRow } from '../state/backups.ts';
import type { State } from '../state/state.ts';
import { equals } from '../state/table.ts';

/** A record as a backup; one that stock restic made shows up too, as foreign. */
export function backupOf(vaultId: string, record: RecordInfo, known?: BackupRow): BackupRow {
  const { tags, summary } = record;
  const ours = tags.plan !== undefined || tags.name !== undefined;
  return {
    id: record.id,
    vaultId,
    record: record.id,
    name: tags.name ?? known?.name ?? '',
    description: tags.description ?? known?.description ?? '',
    state: 'available',
    kind: ours ? (tags.kind ?? 'manual') : 'foreign',
    planId: tags.plan ?? null,
    planName: tags.planName ?? known?.planName ?? null,
    source: tags.source ?? null,
    method: tags.method ?? null,
    consistency: tags.consistency ?? null,
    consistencyReason: tags.consistencyReason ?? null,
    full: tags.full ?? false,
    warnings: tags.warnings ?? known?.warnings ?? 0,
    hostname: record.hostname,
    username: record.username,
    paths: record.paths,
    tags: record.rawTags,
    tree: record.tree,
    parent: record.parent ?? null,
    time: record.time,
    endedAt: known?.endedAt ?? null,
    sizeBytes: summary?.totalBytes ?? 0,
    addedBytes: summary?.dataAddedPacked ?? 0,
    summary: summary ?? null,
    taskId: known?.taskId ?? null,
    keep: tags.keep ?? null,
    deleteAt: known?.deleteAt ?? null,
    stateBefore: known?.stateBefore ?? null,
    replica: false,
  };
}

/** Makes the catalogue of a vault agree with the records that were found in it; what is being made or has failed stays. */
export function takeRecords(state: State, vaultId: string, records: readonly RecordInfo[]): void {
  state.transaction(() => {
    const known = new Map(state.backups.where([equals('vault_id', vaultId)]).map((row) => [row.id, row]));
    for (const record of records) {
      const row = known.get(record.id);
      known.delete(record.id);
      if (!row) state.backups.insert(backupOf(vaultId, record));
      else state.backups.update(row.id, { ...backupOf(vaultId, record, row), state: row.state });
    }
    for (const row of known.values()) if (row.record !== null) state.backups.remove(row.id);
  });
}
