// One connection for ordinary commands. No wait on it is without a limit.
import { isIP } from 'node:net';
import { Redis } from 'ioredis';
import { certificates } from '../sessions.ts';
import { explain, type Rights } from './failures.ts';
import type { RedisAccess } from './settings.ts';

/** How long the server may take to let us in, and to answer one ordinary command (ms). */
export const answerMs = 20_000;

/** What a session is for, to follow "could not", and what it may need. */
export interface Purpose {
  readonly what: string;
  readonly rights: Rights;
}

export interface Session {
  /** Rejects with DATABASE_… errors. */
  ask(command: string, ...words: readonly (string | Buffer | number)[]): Promise<unknown>;
  /** Many commands in one go; their answers in order, with DATABASE_… errors among them. */
  askAll(commands: readonly (readonly [string, ...(string | Buffer)[]])[]): Promise<readonly unknown[]>;
  close(): void;
}

/** Throws DATABASE_DOWN, DATABASE_LOGIN, DATABASE_BUSY, DATABASE_FAILED where the server does not prove itself, FILE_UNREADABLE. */
export async function openSession(access: RedisAccess, { what, rights }: Purpose, signal: AbortSignal): Promise<Session> {
  const { address, user, password } = access;
  const tls = tlsOptions(access);
  const client = new Redis({
    ...('socket' in address ? { path: address.socket } : { host: address.host, port: address.port }),
    ...(tls && { tls }),
    protocol: 2,
    lazyConnect: true,
    disableClientInfo: true,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    connectTimeout: answerMs,
    commandTimeout: answerMs,
  });
  let said: unknown;
  client.on('error', (error: unknown) => {
    said ??= error;
  });
  const close = () => client.disconnect();
  const explained = (error: unknown) => {
    signal.throwIfAborted();
    return explain(error, access, what, rights);
  };
  signal.addEventListener('abort', close, { once: true });
  try {
    signal.throwIfAborted();
    await client.connect();
    // The library takes a refused login for a warning; so it is ours.
    if (password !== '') await client.call('AUTH', ...(user === '' ? [password] : [user, password]));
  } catch (error) {
    close();
    signal.removeEventListener('abort', close);
    throw explained(said ?? error);
  }
  return {
    ask: (command, ...words) =>
      client.callBuffer(command, ...words).catch((error: unknown) => {
        throw explained(error);
      }),
    askAll: async (commands) => {
      const pipeline = client.pipeline();
      for (const [command, ...words] of commands) pipeline.call(command, ...words);
      return ((await pipeline.exec()) ?? []).map(([error, answer]) => (error ? explained(error) : answer));
    },
    close: () => {
      signal.removeEventListener('abort', close);
      close();
    },
  };
}

/** Undefined for a line without TLS. Throws FILE_UNREADABLE. */
export function tlsOptions({ address, ca }: RedisAccess) {
  if (ca === '' || 'socket' in address) return undefined;
  return { ca: certificates(ca), host: address.host, ...(isIP(address.host) === 0 && { servername: address.host }) };
}
