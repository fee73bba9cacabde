// A PostgreSQL server on a data directory that was restored: beside the original, so its links lead to the restored WAL and tablespaces, and the
// lock file of the original's process is gone. It recovers as after a power cut.
import { readFileSync } from 'node:fs';
import { chown, mkdir, readdir, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort, run, startServer, stopServer } from './programs.ts';

export interface CopiedCluster {
  readonly data: string;
  /** Instead of `data/pg_wal`. */
  readonly wal: string;
  /** Of the only tablespace. */
  readonly space: string;
}

export interface PostgresCopy {
  /** Runs statements as the superuser, one result column a line (psql -At). */
  sql(text: string): Promise<string>;
  /** Runs one of PostgreSQL's client programs against it. */
  client(program: string, ...args: readonly string[]): Promise<string>;
  log(): string;
  /** Shuts down as an administrator would. */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** Runs one of PostgreSQL's own programs as its user, root or not. */
export async function runAsPostgres(program: string, ...args: readonly string[]): Promise<string> {
  return run('setpriv', [...(await asPostgres()), join(await programs(), program), ...args], { timeout: 120_000 });
}

/** `dir`: an empty directory for its socket and log. Throws with the server's log where it does not come up. */
export async function startPostgresCopy(
  { data, wal, space }: CopiedCluster,
  dir: string,
  password: string,
  options: Readonly<Record<string, string>> = {},
): Promise<PostgresCopy> {
  const [oid] = await readdir(join(data, 'pg_tblspc'));
  await relink(join(data, 'pg_wal'), wal);
  await relink(join(data, 'pg_tblspc', oid!), space);
  await rm(join(data, 'postmaster.pid'), { force: true });
  const { uid, gid } = await stat(data);
  await mkdir(dir, { recursive: true });
  await chown(dir, uid, gid);
  const port = String(await freePort());
  const log = join(dir, 'log');
  const settings = { listen_addresses: '', port, unix_socket_directories: dir, fsync: 'off', ...options };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = startServer('setpriv', [...(await asPostgres()), join(await programs(), 'postgres'), '-D', data, ...args], log);
  const bin = await programs();
  const client = (program: string, ...more: readonly string[]) =>
    run(join(bin, program), ['-h', dir, '-p', port, '-U', 'postgres', ...more], { env: { PGPASSWORD: password }, timeout: 120_000 });
  const sql = async (text: string) => (await client('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', 'postgres', '-c', text)).trimEnd();
  const gone = () => server.exitCode !== null || server.signalCode !== null;
  for (let tries = 0; ; tries++) {
    try {
      await sql('SELECT 1');
      break;
    } catch (error) {
      if (gone() || tries > 1000) {
        await stopServer(server);
        throw new Error(`it does not start:\n${readFileSync(log, 'utf8').slice(-2000)}`, { cause: error });
      }
      await pause(50);
    }
  }
  return {
    sql,
    client,
    log: () => readFileSync(log, 'utf8'),
    async stop() {
      if (gone()) return;
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGINT');
      await ended;
    },
    kill: () => stopServer(server),
  };
}

async function relink(link: string, target: string): Promise<void> {
  await rm(link, { force: true });
  await symlink(target, link);
}

async function programs(): Promise<string> {
  const root = '/usr/lib/postgresql';
  const versions = (await readdir(root)).sort((a, b) => Number(b) - Number(a));
  return join(root, versions[0]!, 'bin');
}

async function asPostgres(): Promise<readonly string[]> {
  const { uid, gid } = process.getuid!() === 0 ? await stat('/var/lib/postgresql') : { uid: process.getuid!(), gid: process.getgid!() };
  return [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--pdeathsig', 'KILL'];
}
