// What a logical backup cannot do, said with the backup and not at the restore.
import type { Warn } from '../../../ports/source.ts';
import { label, type Server } from '../server.ts';
import type { Ask } from '../session.ts';
import type { DumpTables } from './choice.ts';

/** Names are told of so many. */
const named = 3;

export async function warnOfLimits(ask: Ask, server: Server, { tables }: DumpTables, warn: Warn): Promise<void> {
  const chosen = new Set(tables.map(({ database, table }) => `${database}.${table}`));
  const tell = (which: readonly string[], detail: string) => {
    if (which.length === 0) return;
    const more = which.length > named ? ` and ${which.length - named} more` : '';
    warn({ item: label(server), detail: `${detail}: ${which.slice(0, named).join(', ')}${more}` });
  };
  const having = async (sql: string) => (await ask(sql)).map((row) => `${row['place']}.${row['name']}`).filter((name) => chosen.has(name));
  const locked = tables.filter((table) => !table.transactional).map(({ database, table, engine }) => `${database}.${table} (${engine})`);
  tell(locked, 'writers to tables without transactions wait while the backup is read');
  tell(
    await having(`SELECT DISTINCT TABLE_SCHEMA AS place, TABLE_NAME AS name FROM information_schema.COLUMNS WHERE DATA_TYPE = 'float'
      AND TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY 1, 2`),
    'the engine writes FLOAT columns with 6 digits, so they come back rounded; a physical backup keeps all digits',
  );
  if (server.kind === 'MySQL') return;
  tell(
    await having(`SELECT TABLE_SCHEMA AS place, TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_TYPE = 'SYSTEM VERSIONED'`),
    'only the current rows of system-versioned tables are in the backup',
  );
}
