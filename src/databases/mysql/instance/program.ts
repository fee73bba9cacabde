// The server program of this host that can run what a backup holds, and the user it runs as.
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fail } from '../../../base/errors.ts';
import { outputOf } from '../../../base/program.ts';
import { findUser } from '../../../base/users.ts';
import type { Server } from '../server.ts';

export interface ServerProgram {
  readonly kind: Server['kind'];
  readonly path: string;
  /** `10.11.19` */
  readonly version: string;
}

/** Programs of servers are seldom on the path of other users than root. */
const folders = ['/usr/sbin', '/usr/local/sbin', '/usr/libexec', '/usr/local/mysql/bin'];
const packages: Readonly<Record<Server['kind'], string>> = { MariaDB: 'mariadb-server', MySQL: 'mysql-server' };
const names: Readonly<Record<Server['kind'], readonly string[]>> = { MariaDB: ['mariadbd', 'mysqld'], MySQL: ['mysqld'] };

const series = (version: string): string => version.split('.').slice(0, 2).join('.');

/**
 * `version`: of the server that the files are of; only the same series reads them for sure. Undefined where they are statements, not files.
 * Throws TOOL_MISSING, TOOL_VERSION.
 */
export async function serverProgram(kind: Server['kind'], version: string | undefined): Promise<ServerProgram> {
  const found: ServerProgram[] = [];
  for (const path of programs(names[kind])) {
    const text = await outputOf([path, '--no-defaults', '--version'], { package: packages[kind] }).catch(() => '');
    const has = /Ver (\d+\.\d+\.\d+)/.exec(text)?.[1];
    if (has !== undefined && (kind === 'MariaDB') === /mariadb/i.test(text)) found.push({ kind, path, version: has });
  }
  const first = found[0] ?? fail('TOOL_MISSING', { tool: names[kind][0]!, package: packages[kind] });
  if (version === undefined) return first;
  const fitting = found.find((one) => series(one.version) === series(version));
  return (
    fitting ??
    fail('TOOL_VERSION', { tool: first.path, have: first.version, server: `${kind} ${version} of the backup`, package: packages[kind] })
  );
}

function programs(wanted: readonly string[]): readonly string[] {
  const path = [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ...folders];
  return wanted.flatMap((name) => [...new Set(path)].map((folder) => join(folder, name))).filter(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** As whom the server runs: as we do, but never as root. Throws INSTANCE_USER where root has nobody for it. */
export function serverOwner(): Owner {
  const [uid, gid] = [process.geteuid!(), process.getegid!()];
  if (uid !== 0) return { uid, gid };
  const detail = 'no database runs as root, and this host has no user mysql: make one, or run the restore as another user';
  return findUser('mysql') ?? fail('INSTANCE_USER', { detail });
}

/** Root makes the directory, but the server has to get there. Throws TARGET_FAILED. */
export async function needReach(directory: string, owner: Owner): Promise<void> {
  if (process.geteuid!() !== 0) return;
  let there = directory;
  while (!existsSync(there)) there = dirname(there);
  const may = await outputOf(['test', '-x', there], { package: 'coreutils', ...owner }).then(
    () => true,
    () => false,
  );
  if (!may) fail('TARGET_FAILED', { path: directory, detail: `the user mysql, as whom the server runs, may not enter ${there}` });
}
