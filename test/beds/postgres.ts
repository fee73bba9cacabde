// A real PostgreSQL server of its own, reached by a socket and a port of 127.0.0.1. It does not run as root.
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, needPrograms, run, startServer, stopServer } from './programs.ts';

export interface Postgres {
  /** Directory of the socket. */
  readonly socket: string;
  readonly port: number;
  /** The superuser. */
  readonly user: string;
  readonly password: string;
  readonly data: string;
  /** Runs statements as the superuser, one result column a line (psql -At). */
  sql(text: string): Promise<string>;
  /** What the server wrote into its log so far. */
  log(): string;
  /** Shuts down as an administrator would, without waiting for clients. */
  stop(): Promise<void>;
  /** SIGKILL to the server's first process; the others end by themselves. */
  kill(): Promise<void>;
  /** Up again on the same data. */
  restart(): Promise<void>;
}

export interface PostgresOptions {
  /** An empty directory; its owner becomes the user postgres. */
  readonly dir: string;
  /** Server settings. */
  readonly options?: Readonly<Record<string, string>>;
  /** A hot standby of this server instead of a cluster of its own. */
  readonly standbyOf?: Postgres;
}

const password = 'bed pass+word';

/** Throws, naming the apt package, where it is not installed. */
export async function startPostgres({ dir, options = {}, standbyOf }: PostgresOptions): Promise<Postgres> {
  needPrograms(['setpriv', 'psql'], 'postgresql postgresql-client util-linux');
  const bin = await programs();
  const { uid, gid } = await owner();
  const asPostgres = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--pdeathsig', 'KILL'];
  const data = join(dir, 'data');
  const socket = join(dir, 'socket');
  const log = join(dir, 'log');
  const port = await freePort();
  await mkdir(socket);
  await writeFile(join(dir, 'pw'), `${password}\n`);
  for (const path of [dir, socket, join(dir, 'pw')]) await chown(path, uid, gid);
  await chmod(dir, 0o755);
  const env = { PGPASSWORD: password };
  if (standbyOf) {
    const from = ['-h', standbyOf.socket, '-p', String(standbyOf.port), '-U', 'postgres'];
    await run('setpriv', [...asPostgres, join(bin, 'pg_basebackup'), ...from, '-D', data, '-R', '-c', 'fast', '--no-sync'], { env });
  } else {
    const init = [
      '-D',
      data,
      '-U',
      'postgres',
      '-A',
      'scram-sha-256',
      '--pwfile',
      join(dir, 'pw'),
      '--no-sync',
      '-E',
      'UTF8',
      '--no-locale',
    ];
    await run('setpriv', [...asPostgres, join(bin, 'initdb'), ...init]);
  }

  const settings = { listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: socket, fsync: 'off', ...options };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const sql = (text: string) =>
    run('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', socket, '-p', String(port), '-U', 'postgres', '-c', text], { env }).then((out) =>
      out.trimEnd(),
    );
  let server: ChildProcess | undefined;
  const restart = async () => {
    server = startServer('setpriv', [...asPostgres, join(bin, 'postgres'), '-D', data, ...args], log);
    await answers(sql, server, log);
  };
  await restart();
  return {
    socket,
    port,
    user: 'postgres',
    password,
    data,
    sql,
    log: () => readFileSync(log, 'utf8'),
    restart,
    kill: () => stopServer(server!),
    stop: async () => {
      if (server!.exitCode !== null || server!.signalCode !== null) return;
      const gone = new Promise((resolve) => server!.once('exit', resolve));
      server!.kill('SIGINT');
      await gone;
    },
  };
}

async function programs(): Promise<string> {
  const root = '/usr/lib/postgresql';
  const versions = (await readdir(root).catch(() => [])).sort((a, b) => Number(b) - Number(a));
  if (!versions[0]) throw new Error('missing postgres: apt-get install -y --no-install-recommends postgresql');
  return join(root, versions[0], 'bin');
}

/** Root may not run it; anybody else runs it as himself. */
async function owner(): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = [process.getuid!(), process.getgid!()];
  return uid === 0 ? await stat('/var/lib/postgresql') : { uid, gid };
}

async function answers(sql: (text: string) => Promise<string>, server: ChildProcess, log: string): Promise<void> {
  for (;;) {
    try {
      await sql('SELECT 1');
      return;
    } catch (error) {
      if (server.exitCode !== null || server.signalCode !== null) throw new Error(readFileSync(log, 'utf8'), { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
