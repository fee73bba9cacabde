// The client of the RPC: typed by the table of routes, speaks mutual TLS to rdagent on loopback.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { userInfo } from 'node:os';
import { PassThrough, type Readable } from 'node:stream';
import { type ErrorCode, errorCodes } from '../base/error-codes.ts';
import { failure, StillpointError } from '../base/errors.ts';
import { linesOf } from '../base/lines.ts';
import { addresses, type RouteName } from './addresses.ts';
import type { Input, NameOfKind, Reply } from './routes.ts';
import type { TaskStreamEvent } from './schemas-tasks.ts';
import { readServerSentEvents } from './sse.ts';

/** Where the agent listens and what proves who we are (PEM texts). */
export interface Connection {
  readonly host: string;
  readonly port: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** POST only; one is made up if none is given. The same key within 24 hours gets the first answer again. */
  readonly idempotencyKey?: string;
}

export interface Client {
  readonly address: string;
  /** One JSON question and answer. Throws the agent's own error, or AGENT_UNREACHABLE. */
  call<N extends NameOfKind<'json'>>(name: N, input: Input<N>, options?: CallOptions): Promise<Reply<N>>;
  /** Follows a task to its end; the first event tells the present state. */
  events(taskId: string, signal?: AbortSignal): AsyncGenerator<TaskStreamEvent>;
  /** ls, find, diff: one object a line. Throws what the task failed with, after the lines that came before. */
  lines<N extends NameOfKind<'lines'>>(name: N, input: Input<N>, signal?: AbortSignal): AsyncGenerator<unknown>;
  /** cat: raw bytes. If the task fails on the way the stream is destroyed with its error; it never ends as if it were complete. */
  bytes<N extends NameOfKind<'bytes'>>(name: N, input: Input<N>, signal?: AbortSignal): Promise<Readable>;
  /** Plain text, whole. */
  text<N extends NameOfKind<'text'>>(name: N, input: Input<N>, signal?: AbortSignal): Promise<string>;
  close(): void;
}

interface LooseInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

export function createClient(connection: Connection): Client {
  const { host, port, ca, cert, key } = connection;
  const address = `${host}:${port}`;
  const agent = new Agent({ keepAlive: true, ca, cert, key, servername: 'localhost', minVersion: 'TLSv1.2' });

  async function send(name: RouteName, input: LooseInput, options: CallOptions = {}): Promise<IncomingMessage> {
    const [method, path] = addresses[name].split(' ') as [string, string];
    const text = input.body === undefined ? undefined : JSON.stringify(input.body);
    const headers: Record<string, string> = { accept: 'application/json, application/problem+json, */*' };
    headers['x-stillpoint-user'] = userInfo().username;
    if (text !== undefined) headers['content-type'] = 'application/json';
    if (method === 'POST') headers['idempotency-key'] = options.idempotencyKey ?? randomUUID();
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host, port, agent, method, path: pathOf(path, input), headers, ...(options.signal && { signal: options.signal }) },
        resolve,
      );
      outgoing.on('error', (error) =>
        reject(options.signal?.aborted ? error : failure('AGENT_UNREACHABLE', { address }, { cause: error })),
      );
      outgoing.end(text);
    });
  }

  async function open(name: RouteName, input: LooseInput, options?: CallOptions): Promise<IncomingMessage> {
    const answer = await send(name, input, options);
    if ((answer.statusCode ?? 500) < 400) return answer;
    throw problemToError(await readJson(answer, address));
  }

  /** A stream that broke says nothing about why; its task does. */
  async function whyBroken(answer: IncomingMessage, error: unknown): Promise<unknown> {
    const task = answer.headers['x-task-id'];
    if (typeof task !== 'string') return error;
    const { problem } = await client.call('taskShow', { params: { id: task } });
    return problem ? problemToError(problem) : failure('AGENT_UNREACHABLE', { address }, { cause: error });
  }

  const client: Client = {
    address,
    async call(name, input, options) {
      return (await readJson(await open(name, input as LooseInput, options), address)) as never;
    },

    async *events(taskId, signal) {
      const answer = await open('taskEvents', { params: { id: taskId } }, signal ? { signal } : {});
      try {
        for await (const { event, data } of readServerSentEvents(answer)) {
          yield { type: event, ...(JSON.parse(data) as object) } as TaskStreamEvent;
          if (event === 'done' || event === 'failed') return;
        }
      } catch (error) {
        if (signal?.aborted || error instanceof StillpointError) throw error;
        throw failure('AGENT_UNREACHABLE', { address }, { cause: error });
      } finally {
        answer.destroy();
      }
      throw failure('AGENT_UNREACHABLE', { address });
    },

    async *lines(name, input, signal) {
      const answer = await open(name, input as LooseInput, signal ? { signal } : {});
      try {
        for await (const line of linesOf(answer)) {
          const value = JSON.parse(line) as { problem?: unknown };
          if (value.problem) throw problemToError(value.problem);
          yield value;
        }
      } catch (error) {
        if (signal?.aborted || error instanceof StillpointError) throw error;
        throw await whyBroken(answer, error);
      } finally {
        answer.destroy();
      }
    },

    async bytes(name, input, signal) {
      const answer = await open(name, input as LooseInput, signal ? { signal } : {});
      const out = new PassThrough();
      answer.on('error', (error) => {
        whyBroken(answer, error).then(
          (reason) => out.destroy(reason as Error),
          () => out.destroy(error),
        );
      });
      out.on('close', () => answer.destroy());
      return answer.pipe(out);
    },

    async text(name, input, signal) {
      const answer = await open(name, input as LooseInput, signal ? { signal } : {});
      return (await readBody(answer, address)).toString('utf8');
    },

    close() {
      agent.destroy();
    },
  };
  return client;
}

function pathOf(template: string, input: LooseInput): string {
  const path = template.replace(/:(\w+)/g, (_, part: string) => encodeURIComponent(input.params?.[part] ?? ''));
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(input.query ?? {})) {
    for (const item of Array.isArray(value) ? value : [value]) if (item !== undefined) query.append(key, String(item));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

async function readJson(answer: IncomingMessage, address: string): Promise<unknown> {
  const body = await readBody(answer, address);
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw failure('AGENT_UNREACHABLE', { address }, { cause: error });
  }
}

async function readBody(answer: IncomingMessage, address: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  try {
    for await (const part of answer) parts.push(part as Buffer);
    return Buffer.concat(parts);
  } catch (error) {
    throw failure('AGENT_UNREACHABLE', { address }, { cause: error });
  }
}

/** Rebuilds the error that the agent reported, so that callers see one kind of error wherever it was thrown. */
export function problemToError(document: unknown): StillpointError {
  const problem = document as { code?: string; detail?: string; hint?: string };
  const code = (problem.code && problem.code in errorCodes ? problem.code : 'INTERNAL') as ErrorCode;
  const { retry, exit, hint } = errorCodes[code];
  return new StillpointError({ code, detail: problem.detail ?? 'the agent gave no reason', hint: problem.hint ?? hint, retry, exit });
}
