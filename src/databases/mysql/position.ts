// Where the binary log stands in what is frozen, for a restore that goes on from there.
import type { FreezeFacts } from '../../ports/quiescer.ts';
import type { Row } from '../sessions.ts';
import type { Method } from './method.ts';
import type { Server } from './server.ts';
import type { Ask } from './session.ts';

/** Call while the lock is held. */
export async function positionFacts(ask: Ask, server: Server, method: Method): Promise<FreezeFacts> {
  if (!server.binaryLog) return { position: 'none, the binary log is off' };
  const at = method.position === 'log_status' ? await fromLogStatus(ask) : await fromMasterStatus(ask, server);
  if (method.commitsWait) return { position: 'exact', ...at, ...unsynced(server) };
  // Commits went on between this reading and the snapshot: only the restored server knows how far its own data goes.
  const lower = Object.fromEntries(Object.entries(at).map(([name, value]) => [`${name}-at-least`, value]));
  return { position: 'that of the restored server, which it reports after its recovery', ...lower, ...unsynced(server) };
}

/** The line for the log and the report; undefined where all is well. */
export function syncWarning(server: Server): string | undefined {
  if (!server.binaryLog || server.syncBinlog === 1) return undefined;
  return `sync_binlog is ${server.syncBinlog}: a snapshot may lack the last events of the binary log; set sync_binlog=1`;
}

function unsynced(server: Server): FreezeFacts {
  const warning = syncWarning(server);
  return warning === undefined ? {} : { warning };
}

async function fromMasterStatus(ask: Ask, server: Server): Promise<FreezeFacts> {
  const row = (await ask('SHOW MASTER STATUS'))[0] ?? {};
  const at = { 'binary-log-file': String(row['File'] ?? ''), 'binary-log-position': String(row['Position'] ?? '') };
  if (server.kind === 'MySQL') return { ...at, ...filled('gtid', row['Executed_Gtid_Set']) };
  const gtid: Row = (await ask('SELECT @@GLOBAL.gtid_binlog_pos AS log_pos, @@GLOBAL.gtid_slave_pos AS replica_pos'))[0] ?? {};
  return { ...at, ...filled('gtid', gtid['log_pos']), ...filled('gtid-of-source', gtid['replica_pos']) };
}

async function fromLogStatus(ask: Ask): Promise<FreezeFacts> {
  const value = (await ask('SELECT LOCAL AS own FROM performance_schema.log_status'))[0]?.['own'];
  const own = (typeof value === 'string' ? JSON.parse(value) : (value ?? {})) as Row;
  return {
    'binary-log-file': String(own['binary_log_file'] ?? ''),
    'binary-log-position': String(own['binary_log_position'] ?? ''),
    ...filled('gtid', own['gtid_executed']),
  };
}

/** GTID sets come with line breaks. */
const filled = (name: string, value: unknown): FreezeFacts => (value ? { [name]: String(value).replace(/\s+/g, '') } : {});
