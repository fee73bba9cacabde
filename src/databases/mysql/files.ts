// Where MySQL and MariaDB keep their files: a data directory, and whatever was put elsewhere.
import { readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { DatabasePlace } from '../../ports/database.ts';
import { isAtLeast, pairs, type Server } from './server.ts';
import { type Ask, errorNumber } from './session.ts';

/** Variables that name a directory; relative to the data directory, empty for it. Each belongs to some versions only. */
const directories: Readonly<Record<string, string>> = {
  innodb_log_group_home_dir: 'its redo log',
  innodb_undo_directory: 'its undo log',
  innodb_doublewrite_dir: 'its doublewrite files',
  aria_log_dir_path: 'its Aria log',
  rocksdb_datadir: 'its RocksDB tables',
  rocksdb_wal_dir: 'its RocksDB log',
};
const others = ['datadir', 'innodb_data_home_dir', 'innodb_data_file_path', 'log_bin_basename', 'log_bin_index'];

/** Needs PROCESS. Paths as the server sees them. */
export async function filesOf(ask: Ask, server: Server): Promise<readonly DatabasePlace[]> {
  const names = [...others, ...Object.keys(directories)].map((name) => `'${name}'`).join(', ');
  const variables = pairs(await ask(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`));
  const set = (name: string) => variables.get(name) ?? '';
  const data = set('datadir');
  const at = (path: string) => resolve(data, path);
  const binary = server.binaryLog ? [set('log_bin_basename'), set('log_bin_index')].filter((path) => path !== '') : [];
  return [
    { holds: 'its data', path: at('') },
    ...systemFiles(set('innodb_data_file_path')).map((file) =>
      place('its InnoDB system tablespace', dirname(at(join(set('innodb_data_home_dir'), file)))),
    ),
    ...Object.entries(directories).flatMap(([name, holds]) => (variables.has(name) ? [place(holds, at(set(name)))] : [])),
    ...binary.map((path) => place('its binary log', dirname(at(path)))),
    ...(await tablespaces(ask, server, at)),
    ...(await linked(at(''))).map((path) => place('tables', path)),
  ];
}

const place = (holds: string, path: string): DatabasePlace => ({ holds, path });

/** `ibdata1:12M;/disk2/ibdata2:50M:autoextend` */
const systemFiles = (text: string): readonly string[] => text.split(';').flatMap((part) => /^\s*([^:]+)/.exec(part)?.[1]?.trim() || []);

const unknownTable = 1109;

/** Those that lie outside of the data directory (`DATA DIRECTORY`, `CREATE TABLESPACE`). */
async function tablespaces(ask: Ask, server: Server, at: (path: string) => string): Promise<readonly DatabasePlace[]> {
  const { view, column } = whereShown(server);
  try {
    const rows = await ask(`SELECT ${column} AS path FROM information_schema.${view} WHERE ${column} NOT LIKE './%'`);
    return rows.flatMap(({ path }) => (path ? [place('a tablespace', dirname(at(String(path))))] : []));
  } catch (error) {
    if (errorNumber(error) === 0) throw error;
    // No InnoDB, or one too old to put tables elsewhere.
    return errorNumber(error) === unknownTable ? [] : [{ holds: 'its tablespaces', unseen: (error as Error).message }];
  }
}

/** MariaDB has but one of the two views since 10.6; MySQL gave them other names in 8. */
function whereShown({ kind, version }: Server): { readonly view: string; readonly column: string } {
  if (kind === 'MariaDB' && isAtLeast(version, '10.6.0')) return { view: 'INNODB_SYS_TABLESPACES', column: 'FILENAME' };
  return { view: kind === 'MySQL' && isAtLeast(version, '8.0.0') ? 'INNODB_DATAFILES' : 'INNODB_SYS_DATAFILES', column: 'PATH' };
}

/** Databases and files of tables that are symbolic links (MyISAM's DATA DIRECTORY). What cannot be looked into cannot be backed up either. */
async function linked(data: string): Promise<readonly string[]> {
  const entries = async (folder: string) => readdir(folder, { withFileTypes: true }).catch(() => []);
  const found: string[] = [];
  for (const top of await entries(data)) {
    const path = join(data, top.name);
    if (top.isSymbolicLink()) found.push(path);
    if (!(await isFolder(path))) continue;
    for (const entry of await entries(path)) if (entry.isSymbolicLink()) found.push(join(path, entry.name));
  }
  const kinds = await Promise.all(found.map((path) => stat(path).catch(() => undefined)));
  return found.filter((_, i) => kinds[i]?.isDirectory() || kinds[i]?.isFile());
}

const isFolder = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
