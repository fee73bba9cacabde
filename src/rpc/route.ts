// What an operation of the RPC is, as data.
import { type TSchema, Type } from 'typebox';
import * as s from './schemas-common.ts';
import { Task } from './schemas-tasks.ts';

/** How an answer looks: JSON, server-sent events, one JSON object a line, or bytes; or plain text. */
export type ReplyKind = 'json' | 'events' | 'lines' | 'bytes' | 'text';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly area: string;
  readonly summary: string;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  readonly reply: TSchema;
  readonly kind: ReplyKind;
  /** Status of success. */
  readonly status: number;
  /** The answer tells something that is told only once, so it is not kept for a repeated request. */
  readonly once?: boolean;
  /** What the audit trail calls it (guide 11), and what kind of thing it is done to; none for what changes nothing. */
  readonly trace?: Trace;
}

export interface Trace {
  readonly name: string;
  readonly resource: string;
}

interface Shape {
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  readonly reply?: TSchema;
  readonly kind?: ReplyKind;
  readonly status?: number;
  readonly once?: boolean;
  readonly trace?: Trace;
}

export type Completed<S extends Shape> = S & {
  readonly method: Route['method'];
  readonly path: string;
  readonly area: string;
  readonly summary: string;
  readonly reply: S['reply'] extends TSchema ? S['reply'] : TSchema;
  readonly kind: S['kind'] extends ReplyKind ? S['kind'] : 'json';
  readonly status: number;
};

export function route<const S extends Shape>(area: string, line: string, summary: string, shape: S): Completed<S> {
  const [method, path] = line.split(' ') as [Route['method'], string];
  return { status: 200, kind: 'json', reply: Type.Unknown(), ...shape, method, path, area, summary } as unknown as Completed<S>;
}

/** Of operations on one thing. */
export const one = { params: s.Reference } as const;
/** Of operations that go on as a task. */
export const started = { reply: Task, status: 202 } as const;
