// All records of the vault.
import { isCode } from '../base/errors.ts';
import { backgroundLane } from '../base/lane.ts';
import { decodeRecord, type RecordFile } from './record.ts';
import { loadFile } from './unpacked.ts';
import type { OpenState } from './vault-state.ts';

/** The readable records, oldest first; what cannot be read is told to `onDamage`. */
export async function readRecords(state: OpenState, onDamage: (name: string, error: unknown) => void): Promise<RecordFile[]> {
  const { backend, cipher } = state;
  const records: RecordFile[] = [];
  const lane = backgroundLane(Math.max(4, backend.connections));
  for await (const { name } of backend.list('snapshots'))
    lane.add(async () => {
      try {
        records.push(decodeRecord(await loadFile(backend, 'snapshots', name, cipher), name));
      } catch (error) {
        if (isCode(error, 'BACKEND_NOT_FOUND')) return; // forgotten meanwhile
        if (!isCode(error, 'REPO_DAMAGED', 'BACKEND_SHORT')) throw error;
        onDamage(name, error);
      }
    });
  await lane.idle();
  return records.sort((a, b) => a.timeMs - b.timeMs || (a.id < b.id ? -1 : 1));
}
