// A plain line to the server, for what no client library does: the stream that a replica gets, and values too large to hold.
import { createConnection, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ReplyError } from './failures.ts';
import { answerMs, tlsOptions } from './session.ts';
import type { RedisAccess } from './settings.ts';

export interface Wire {
  /** Resolves when the line can take more. */
  write(...pieces: readonly (string | Uint8Array)[]): Promise<void>;
  /** The next line without its end. Throws ReplyError for one that begins with `-`. `ms`: how long nothing may come. */
  line(ms: number): Promise<string>;
  /** The next bytes as they come, at least one, at most `most`. */
  some(ms: number, most: number): Promise<Buffer>;
  close(): void;
}

export class Silence extends Error {}

const empty = Buffer.alloc(0);
const longestLine = 64 * 1024;

/** Logged in. Throws ReplyError, Silence, and the errors of sockets. The line ends with `signal`. */
export async function openWire(access: RedisAccess, signal: AbortSignal): Promise<Wire> {
  signal.throwIfAborted();
  const socket = dial(access);
  let lost: Error | undefined;
  let wake: () => void = () => undefined;
  const stir = () => wake();
  socket.on('readable', stir).on('drain', stir).on('connect', stir).on('secureConnect', stir);
  socket.on('error', (error) => {
    lost ??= error;
    stir();
  });
  socket.on('end', stir).on('close', () => {
    lost ??= new Error('the server closed the connection');
    stir();
  });
  const abort = () => socket.destroy(new Error('it was ended'));
  signal.addEventListener('abort', abort, { once: true });

  /** Waits until `ready` gives something; asks again whenever the socket stirs. */
  const until = <T>(ready: () => T | undefined, ms: number): Promise<T> =>
    new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        wake = () => undefined;
        settle();
      };
      const timer = setTimeout(() => end(() => reject(new Silence(`nothing came for ${Math.round(ms / 1000)} s`))), ms);
      wake = () => {
        const value = ready();
        if (value !== undefined) end(() => resolve(value));
        else if (lost) end(() => reject(lost));
        else if (socket.readableEnded) end(() => reject(new Error('the server closed the connection')));
      };
      wake();
    });

  let held: Buffer = empty;
  const more = () => until(() => (socket.read() as Buffer | null) ?? undefined, silenceMs);
  let silenceMs = answerMs;

  const wire: Wire = {
    write: async (...pieces) => {
      if (lost) throw lost;
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
      if (socket.writableNeedDrain) await until(() => (socket.writableNeedDrain ? undefined : true), stuckMs);
    },
    line: async (ms) => {
      silenceMs = ms;
      for (;;) {
        const end = held.indexOf('\n');
        if (end >= 0) {
          const text = held.toString('latin1', 0, end).replace(/\r$/, '');
          held = held.subarray(end + 1);
          if (text.startsWith('-')) throw new ReplyError(text.slice(1));
          return text;
        }
        if (held.length > longestLine) throw new Error('this is no answer of a Redis server');
        const piece = await more();
        held = held.length === 0 ? piece : Buffer.concat([held, piece]);
      }
    },
    some: async (ms, most) => {
      silenceMs = ms;
      if (held.length === 0) held = await more();
      const piece = held.subarray(0, most);
      held = held.subarray(piece.length);
      return piece;
    },
    close: () => {
      signal.removeEventListener('abort', abort);
      lost ??= new Error('the line was closed');
      socket.destroy();
      stir();
    },
  };
  try {
    await until(() => (socket.connecting || (isTls(access) && !secured(socket)) ? undefined : true), answerMs);
    const { user, password } = access;
    if (password !== '') await order(wire, 'AUTH', ...(user === '' ? [password] : [user, password]));
    return wire;
  } catch (error) {
    wire.close();
    throw error;
  }
}

/** How long the server may take nothing of what it is sent (ms). */
const stuckMs = 120_000;

/** One command, and the line that it is answered with. Throws ReplyError. */
export async function order(wire: Wire, ...words: readonly string[]): Promise<string> {
  await wire.write(command(words));
  return wire.line(answerMs);
}

/** As the server wants it: all words with their lengths. */
export function command(words: readonly (string | Buffer)[]): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = typeof word === 'string' ? Buffer.from(word) : word;
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, lineEnd);
  }
  return Buffer.concat(pieces);
}

const lineEnd = Buffer.from('\r\n');

function dial(access: RedisAccess): Socket {
  const { address } = access;
  if ('socket' in address) return createConnection({ path: address.socket });
  const { host, port } = address;
  const tls = tlsOptions(access);
  const socket = tls ? connectTls({ ...tls, port }) : createConnection({ host, port });
  return socket.setNoDelay(true).setKeepAlive(true, 30_000);
}

const isTls = ({ ca }: RedisAccess): boolean => ca !== '';

const secured = (socket: Socket): boolean => 'authorized' in socket && socket.authorized === true;
