// A session of PostgreSQL's streaming replication protocol, over npm's pg: how the engine hands out whole copies and its log.
// Messages: "Streaming Replication Protocol" of the PostgreSQL documentation.
import { Socket } from 'node:net';
import { Client, type ClientConfig } from 'pg';
import { collector } from '../../base/collect.ts';
import { failure, isCode } from '../../base/errors.ts';
import { certificates, detailOf, type Row } from '../sessions.ts';
import { database, postgresFailure } from './failures.ts';
import type { Access } from './settings.ts';

export interface Replication {
  /** The rows of a command that gives one set of them. */
  command(sql: string, what: string): Promise<readonly Row[]>;
  /**
   * A command that answers with copied data: the messages as they come, with back-pressure; what is not taken is not read. Ends with the
   * command. `reply` sends a message the other way, where the command takes some.
   */
  copy(sql: string, what: string): Copy;
  close(): void;
}

export interface Copy {
  readonly messages: AsyncIterable<Buffer>;
  /** Result sets so far, before and after the data, each a list of rows. */
  readonly results: readonly (readonly Row[])[];
  reply(message: Buffer): void;
  /** Says that no more is wanted; the server ends the command then. */
  finish(): void;
}

/** What pg's Client has, and its types do not tell. */
interface Wire {
  readonly stream: { pause(): void; resume(): void };
  query(sql: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** Bytes that wait to be taken before the line is no longer read. */
const ahead = 1 << 20;

const passed = collector(4 << 20);

/** Throws DATABASE_GRANTS for an account that may not replicate, DATABASE_… errors. */
export async function openReplication(access: Access, signal?: AbortSignal): Promise<Replication> {
  const socket = new Socket();
  const client = new Client(configOf(access, socket));
  const wire = (client as unknown as { readonly connection: Wire }).connection;
  let lost: Error | undefined;
  const end = Promise.withResolvers<void>();
  client.on('error', (error) => {
    lost ??= error;
  });
  client.on('end', () => {
    lost ??= new Error('Connection terminated by the server');
    end.resolve();
  });
  const giveUp = () => socket.destroy(new Error('timeout expired'));
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    signal?.throwIfAborted();
    await client.connect();
  } catch (error) {
    socket.destroy();
    throw replicationFailure(error, access, 'open a replication session');
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
  return {
    command: async (sql, what) => {
      try {
        return (await client.query<Row>(sql)).rows;
      } catch (error) {
        throw replicationFailure(lost ?? error, access, what);
      }
    },
    copy: (sql, what) => {
      const copy = copying(sql, wire);
      client.query(copy.submittable as never);
      void end.promise.then(() => copy.fail(lost!));
      return { ...copy.copy, messages: explained(copy.copy.messages, (error) => replicationFailure(error, access, what)) };
    },
    close: () => {
      lost ??= new Error('it was closed');
      client.end().catch(() => undefined);
      // In the middle of a copy the server listens to nothing but the end of the line.
      socket.destroy();
    },
  };
}

function configOf(access: Access, socket: Socket): ClientConfig {
  const { user, password, host, port, ca } = access;
  const config: ClientConfig & { replication: string } = {
    user,
    password: () => password,
    host,
    port,
    database: 'replication',
    replication: 'true',
    ssl: ca === '' ? false : { ca: certificates(ca), rejectUnauthorized: true },
    stream: () => socket,
    connectionTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: 'stillpoint',
    options: '',
  };
  return config;
}

/** A query of pg's client that keeps what comes for whoever takes it. */
function copying(sql: string, wire: Wire) {
  const waiting: Buffer[] = [];
  const results: Row[][] = [];
  let fields: readonly string[] = [];
  let rows: Row[] = [];
  let bytes = 0;
  let ended = false;
  let failed: { readonly error: unknown } | undefined;
  let wake: (() => void) | undefined;
  const tell = () => {
    wake?.();
    wake = undefined;
  };
  const fail = (error: unknown) => {
    if (ended) return;
    failed ??= { error };
    tell();
  };
  const submittable = {
    submit: () => wire.query(sql),
    handleRowDescription: (message: { fields: readonly { name: string }[] }) => {
      fields = message.fields.map(({ name }) => name);
      rows = [];
      results.push(rows);
    },
    handleDataRow: (message: { fields: readonly unknown[] }) => {
      rows.push(Object.fromEntries(fields.map((name, i) => [name, message.fields[i]])));
    },
    handleCopyData: ({ chunk }: { chunk: Buffer }) => {
      waiting.push(Buffer.from(chunk)); // its memory is the parser's, and used again
      bytes += chunk.length;
      passed(2 * chunk.length);
      if (bytes > ahead) wire.stream.pause();
      tell();
    },
    handleReadyForQuery: () => {
      ended = true;
      tell();
    },
    handleCommandComplete: () => undefined,
    handleCopyInResponse: () => undefined,
    handlePortalSuspended: () => undefined,
    handleEmptyQuery: () => undefined,
    handleError: fail,
  };
  async function* messages(): AsyncGenerator<Buffer> {
    for (;;) {
      const next = waiting.shift();
      if (next) {
        bytes -= next.length;
        if (bytes < ahead / 2) wire.stream.resume();
        yield next;
      } else if (failed) throw failed.error;
      else if (ended) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  }
  const copy: Copy = {
    messages: messages(),
    results,
    reply: (message) => wire.sendCopyFromChunk(message),
    finish: () => wire.endCopyFrom(),
  };
  return { submittable, fail, copy };
}

async function* explained(messages: AsyncIterable<Buffer>, explain: (error: unknown) => Error): AsyncGenerator<Buffer> {
  try {
    yield* messages;
  } catch (error) {
    throw explain(error);
  }
}

/** Who may not replicate is told what would let him. */
function replicationFailure(error: unknown, access: Access, what: string): Error {
  const known = postgresFailure(error, access, what);
  const { user } = access;
  const detail = detailOf(error);
  const grant = (statement: string) => failure('DATABASE_GRANTS', { user, database, missing: detail, statement }, { cause: error });
  if (isCode(known, 'DATABASE_RIGHT') || /replication role|REPLICATION attribute/i.test(detail))
    return grant(`ALTER ROLE "${user}" REPLICATION`);
  if (/no pg_hba\.conf entry for replication/i.test(detail))
    return grant(`a line for ${user} with the database "replication" in pg_hba.conf, then SELECT pg_reload_conf()`);
  return known;
}
