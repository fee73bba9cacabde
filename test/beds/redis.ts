// A real Redis server of a test's own, on 127.0.0.1 and a socket; and a client for it.
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort, needPrograms, startServer, stopServer } from './programs.ts';

export interface RedisServer {
  readonly dir: string;
  readonly port: number;
  readonly tlsPort: number;
  readonly socket: string;
  readonly pid: number;
  /** As the user `default`, through the socket. */
  readonly client: Redis;
  /** What the server wrote into its log so far. */
  log(): string;
  /** SIGKILL, unless it is gone already. */
  kill(): Promise<void>;
}

export interface RedisOptions {
  /** Its directory; short, since a socket's path has 107 bytes at most. */
  readonly dir: string;
  /** Lines of redis.conf. */
  readonly options?: Readonly<Record<string, string | number>>;
  /** Password of the user `default`. */
  readonly password?: string;
  /** PEM texts for a second port with TLS. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/** Throws, naming the apt package, where it is not installed. */
export async function startRedis({ dir, options = {}, password, tls }: RedisOptions): Promise<RedisServer> {
  needPrograms(['redis-server', 'redis-cli', 'setpriv'], 'redis-server redis-tools util-linux');
  mkdirSync(dir, { recursive: true });
  const port = await freePort();
  const tlsPort = tls ? await freePort() : 0;
  const [conf, socket, log] = [join(dir, 'redis.conf'), join(dir, 'socket'), join(dir, 'log')];
  if (tls) {
    writeFileSync(join(dir, 'key.pem'), tls.key);
    writeFileSync(join(dir, 'cert.pem'), tls.cert);
  }
  const lines = {
    bind: '127.0.0.1',
    port,
    dir,
    unixsocket: socket,
    save: '""',
    appendonly: 'no',
    'repl-diskless-sync-delay': 0,
    ...(password !== undefined && { requirepass: `"${password}"` }),
    ...(tls && {
      'tls-port': tlsPort,
      'tls-key-file': join(dir, 'key.pem'),
      'tls-cert-file': join(dir, 'cert.pem'),
      'tls-ca-cert-file': join(dir, 'cert.pem'),
      'tls-auth-clients': 'no',
    }),
    ...options,
  };
  writeFileSync(
    conf,
    `${Object.entries(lines)
      .map(([name, value]) => `${name} ${value}`)
      .join('\n')}\n`,
  );
  const server = startServer('redis-server', [conf], log);
  const killNow = () => server.kill('SIGKILL');
  process.once('exit', killNow);
  const client = new Redis({ path: socket, lazyConnect: true, retryStrategy: () => null, ...(password !== undefined && { password }) });
  client.on('error', () => undefined);
  await whenItAnswers(server, log, client);
  return {
    dir,
    port,
    tlsPort,
    socket,
    pid: server.pid!,
    client,
    log: () => readFileSync(log, 'utf8'),
    kill: async () => {
      process.removeListener('exit', killNow);
      client.disconnect();
      await stopServer(server);
    },
  };
}

async function whenItAnswers(server: ChildProcess, log: string, client: Redis): Promise<void> {
  for (const deadline = Date.now() + 60_000; ; await pause(20)) {
    try {
      return await client.connect();
    } catch (error) {
      if (server.exitCode === null && Date.now() < deadline) continue;
      await stopServer(server);
      throw new Error(`Redis does not answer:\n${existsSync(log) ? readFileSync(log, 'utf8').slice(-2000) : ''}`, { cause: error });
    }
  }
}
