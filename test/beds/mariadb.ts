// A real MariaDB server on files, a socket and a configuration of its own. What a test gives as options stands in my.cnf, so data, redo log and
// binary log can lie wherever it wants; a data folder that holds a database already (a restored one) is started as it is.
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { needPrograms, run, startServer, stopServer } from './programs.ts';

export interface SqlServer {
  readonly socket: string;
  readonly pid: number;
  /** Path of what the server itself writes about. */
  readonly log: string;
  /** Runs statements, separated by semicolons, as root in a session of their own; gives the rows of the last one. */
  sql(text: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** A session that stays open until the caller ends it; root without a password unless said. */
  connect(user?: string, password?: string): Promise<Connection>;
  /** In the server's own order: it flushes and closes everything. */
  stop(): Promise<void>;
  /** SIGKILL: what a crash leaves behind stays. */
  kill(): Promise<void>;
}

export interface SqlServerOptions {
  /** For my.cnf, the socket and the log; and `data/` unless the options name a datadir. Short: a socket's path has 107 bytes at most. */
  readonly dir: string;
  /** Lines of my.cnf: `{ 'log-bin': '/srv/log/bin', 'skip-name-resolve': true }`. Networking is off unless a port is given. */
  readonly options?: Readonly<Record<string, string | number | true>>;
}

const programs = ['mariadbd', 'mariadb-install-db', 'setpriv'];

/** Resolves when it answers. Throws, naming the apt packages, where a program is missing, and with the server's log where it does not start. */
export async function startMariadb({ dir, options = {} }: SqlServerOptions): Promise<SqlServer> {
  needPrograms(programs, 'mariadb-server util-linux');
  const data = String(options['datadir'] ?? join(dir, 'data'));
  const conf = join(dir, 'my.cnf');
  mkdirSync(data, { recursive: true });
  // A server that starts clears what looks like its own out of the directory for temporary tables: others must not have theirs there.
  const own = { datadir: data, tmpdir: dir, socket: join(dir, 'socket'), 'pid-file': join(dir, 'pid') };
  writeFileSync(conf, configuration({ ...own, ...options }));
  if (!existsSync(join(data, 'mysql'))) {
    const install = ['--user=root', '--auth-root-authentication-method=normal', '--skip-test-db'];
    await run('mariadb-install-db', [`--defaults-file=${conf}`, ...install], { timeout: 120_000 });
  }
  const log = join(dir, 'log');
  return whenItAnswers(startServer('mariadbd', [`--defaults-file=${conf}`, '--user=root'], log), join(dir, 'socket'), log);
}

function configuration(options: Readonly<Record<string, string | number | true>>): string {
  const quick = { 'skip-networking': options['port'] === undefined, 'bind-address': '127.0.0.1', 'innodb-buffer-pool-size': '32M' };
  const lines = Object.entries<string | number | boolean>({ ...quick, ...options }).filter(([, value]) => value !== false);
  return `[mysqld]\n${lines.map(([name, value]) => (value === true ? name : `${name} = ${value}`)).join('\n')}\n`;
}

/** The face of a server that was just started, MariaDB's or MySQL's. Throws with the end of its log when it ends instead of answering. */
export async function whenItAnswers(server: ChildProcess, socket: string, log: string): Promise<SqlServer> {
  const killNow = () => server.kill('SIGKILL');
  process.once('exit', killNow);
  const connect = (user = 'root', password = '') =>
    createConnection({ socketPath: socket, user, password, multipleStatements: true, supportBigNumbers: true });
  const gone = () => server.exitCode !== null || server.signalCode !== null;
  const deadline = Date.now() + 90_000;
  for (;;) {
    try {
      await (await connect()).end();
      break;
    } catch (error) {
      if (gone() || Date.now() > deadline) {
        await stopServer(server);
        throw new Error(`the server does not answer:\n${readFileSync(log, 'utf8').slice(-3000)}`, { cause: error });
      }
      await pause(50);
    }
  }
  const end = async (signal: NodeJS.Signals) => {
    process.removeListener('exit', killNow);
    if (gone()) return;
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill(signal);
    await ended;
  };
  return {
    socket,
    pid: server.pid!,
    log,
    connect,
    sql: async (text) => {
      const connection = await connect();
      try {
        const [result, fields] = await connection.query<RowDataPacket[]>(text);
        const many = (fields as readonly unknown[] | undefined)?.some((one) => one === undefined || Array.isArray(one));
        const last: unknown = many ? result.at(-1) : result;
        return Array.isArray(last) ? last : [];
      } finally {
        connection.destroy();
      }
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}
