// Errors that a person can act on: a stable code, what failed on which thing, and what to do next.
// Floors 0-4 throw them; the task queue, the RPC and the command line log them once; only entry files exit.
import { type ErrorCode, errorCodes, type Retry } from './error-codes.ts';

export type Params = Readonly<Record<string, string | number | bigint | boolean>>;

/** What an error looks like on the wire (application/problem+json, task protocol, --json). */
export interface Problem {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly hint: string;
  readonly retry: Retry;
  readonly exit: number;
}

export class StillpointError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retry: Retry;
  readonly exit: number;

  constructor(problem: Problem, options?: { cause?: unknown }) {
    super(problem.detail, options);
    this.name = 'StillpointError';
    this.code = problem.code;
    this.hint = problem.hint;
    this.retry = problem.retry;
    this.exit = problem.exit;
  }

  toProblem(): Problem {
    return { code: this.code, detail: this.message, hint: this.hint, retry: this.retry, exit: this.exit };
  }
}

/** Makes the error of `code` without throwing it. `params` fill the {placeholders} of the message and the hint. */
export function failure(code: ErrorCode, params: Params = {}, options?: { cause?: unknown }): StillpointError {
  const entry = errorCodes[code];
  const fill = (text: string) => text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in params ? String(params[name]) : whole));
  return new StillpointError({ code, detail: fill(entry.message), hint: fill(entry.hint), retry: entry.retry, exit: entry.exit }, options);
}

/** Throws the error of `code`. */
export function fail(code: ErrorCode, params: Params = {}, options?: { cause?: unknown }): never {
  throw failure(code, params, options);
}

/** Any thrown value as a StillpointError; what nobody foresaw becomes INTERNAL, with the cause kept. */
export function asStillpointError(error: unknown): StillpointError {
  if (error instanceof StillpointError) return error;
  if (error instanceof Error && error.name === 'AbortError') return failure('TASK_CANCELLED', {}, { cause: error });
  const detail = error instanceof Error ? error.message : String(error);
  return failure('INTERNAL', { detail }, { cause: error });
}

export function isCode(error: unknown, ...codes: readonly ErrorCode[]): boolean {
  return error instanceof StillpointError && codes.includes(error.code);
}

/** The errno name of a system error (ENOENT, ENOSPC, …), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
