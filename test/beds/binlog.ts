// Backups of a binary log in a vault of their own, and what is applied from there to another server.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localBackend } from '../../src/backends/local.ts';
import { applyBinlogs } from '../../src/databases/mysql/binlog/apply.ts';
import { countedReader } from '../../src/engine/counted-reader.ts';
import type { LogMark, MysqlSource, ServerAddress, Until } from '../../src/model/service.ts';
import type { RecordInfo } from '../../src/model/task.ts';
import { openRepository, recordInfo } from '../../src/repository/repository.ts';
import { type SqlServer, startMariadb } from './mariadb.ts';
import { freePort } from './programs.ts';
import { backupTask, testVault } from './vault.ts';

const password = 'password';

export const logSource = (server: ServerAddress): MysqlSource => ({
  kind: 'mysql',
  method: 'incremental',
  server: { user: 'root', ...server },
  databases: [],
  tables: [],
});

/** A server with a binary log, below `dir`; its port tells it from others of this host. */
export async function logServer(dir: string, id: number, more: Readonly<Record<string, string | number | true>> = {}): Promise<SqlServer> {
  mkdirSync(dir, { recursive: true });
  const options = {
    'server-id': id,
    'log-bin': 'bin',
    'sync-binlog': 0,
    'innodb-flush-log-at-trx-commit': 2,
    'innodb-log-file-size': '8M',
  };
  return startMariadb({ dir, options: { ...options, port: await freePort(), ...more } });
}

/** Where the log stands, as a base backup would say it. Nobody may write meanwhile. */
export async function markOf(server: SqlServer): Promise<LogMark> {
  const [now] = await server.sql('SELECT @@server_uid AS uid, UNIX_TIMESTAMP(NOW(3)) AS at, @@gtid_binlog_pos AS gtid');
  const [status] = await server.sql('SHOW MASTER STATUS');
  const place = `${status!['File']}:${status!['Position']}`;
  return { place, gtid: String(now!['gtid']), at: Math.floor(Number(now!['at']) * 1000), server: String(now!['uid']) };
}

/** Names and checksums of all tables of the database `t`. */
export async function stateOf(server: SqlServer): Promise<string> {
  const tables = await server.sql(`SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 't' ORDER BY 1`);
  if (tables.length === 0) return '';
  const rows = await server.sql(`CHECKSUM TABLE ${tables.map(({ name }) => `t.\`${name}\``).join(', ')} EXTENDED`);
  return rows.map((row) => `${row['Table']}=${row['Checksum']}`).join(' ');
}

export type LogBed = Awaited<ReturnType<typeof logBed>>;

/** To be removed by `remove`. */
export async function logBed() {
  const dir = mkdtempSync(join(tmpdir(), 'binlog-'));
  const vault = testVault(join(dir, 'pool'), 'v/a', password);
  await vault.create('recovery');
  const context = {
    warn: () => undefined,
    signal: new AbortController().signal,
    scratch: () => mkdtempSync(join(dir, 'scratch-')),
  };
  return {
    dir,
    vault,
    context,
    /** Of `server`, by its socket unless said. */
    backup: async (server: ServerAddress, since?: LogMark): Promise<RecordInfo> => {
      const result = await vault.run({ ...backupTask(logSource(server)), ...(since && { since }) });
      return result.record!;
    },
    /** Into a running server. */
    apply: async (server: SqlServer, base: LogMark, logs: readonly RecordInfo[], until?: Until): Promise<void> => {
      const repository = await openRepository(localBackend({ root: join(dir, 'pool'), path: 'v/a' }), password);
      await repository.loadIndex();
      const reader = countedReader(repository, context.signal, () => undefined);
      const other = async (record: string) => {
        const { tree, paths, tags } = recordInfo(record, await repository.records.load(record));
        return { record, root: tree, paths, tags, totalFiles: 0, totalBytes: 0 };
      };
      const run = { reader, other, warn: context.warn, signal: context.signal, onFile: () => undefined };
      const backup = { record: 'base', root: '', paths: [], tags: {}, totalFiles: 0, totalBytes: 0 };
      try {
        const ids = logs.map(({ id }) => id);
        await applyBinlogs({ address: { socket: server.socket }, run: { ...run, backup }, base, logs: ids, until, context });
      } finally {
        await reader.close();
        await repository.close();
      }
    },
    /** A new server on a copy of the data folder of one that is stopped; without a log, as those of the product. */
    restored: async (name: string, data: string, id: number): Promise<SqlServer> => {
      rmSync(join(dir, name), { recursive: true, force: true });
      mkdirSync(join(dir, name));
      cpSync(data, join(dir, name, 'data'), { recursive: true });
      return logServer(join(dir, name), id, { 'skip-log-bin': true });
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
