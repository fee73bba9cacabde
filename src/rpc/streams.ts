// Answers that come in pieces.
import { Readable } from 'node:stream';
import { type Problem, StillpointError } from '../base/errors.ts';
import type { TaskOutput } from './handlers.ts';
import type { TaskStreamEvent } from './schemas-tasks.ts';
import { formatServerSentEvent } from './sse.ts';

/** A comment line this often keeps proxies and clients from taking a silent task for a dead connection. */
const heartbeatMs = 15_000;

/** How the answer to ls, find, diff or cat begins: its first piece is waited for, so that an early failure can still be a plain error. */
export async function beginOutput(output: TaskOutput, kind: 'lines' | 'bytes'): Promise<Readable> {
  const chunks = output.chunks[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done) {
    const problem = await output.problem;
    if (problem) throw new StillpointError(problem);
  }
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let piece = first; !piece.done; piece = await chunks.next()) yield piece.value;
    const problem = await output.problem;
    if (problem) yield* end(problem);
  }
  function* end(problem: Problem): Generator<Uint8Array> {
    // Raw bytes have no place for an error: the connection is cut, so that what was read never looks complete.
    if (kind === 'bytes') throw new StillpointError(problem);
    yield Buffer.from(`${JSON.stringify({ problem })}\n`);
  }
  return Readable.from(pieces(), { objectMode: false });
}

export function eventStream(events: AsyncIterable<TaskStreamEvent>): Readable {
  const source = events[Symbol.asyncIterator]();
  async function* texts(): AsyncGenerator<string> {
    try {
      let next = source.next();
      for (;;) {
        const result = await withHeartbeat(next);
        if (result === 'heartbeat') {
          yield ': still here\n\n';
          continue;
        }
        if (result.done) return;
        const { type, ...rest } = result.value;
        yield formatServerSentEvent(type, rest);
        next = source.next();
      }
    } finally {
      await source.return?.(undefined);
    }
  }
  return Readable.from(texts(), { objectMode: false });
}

async function withHeartbeat<T>(promise: Promise<T>): Promise<T | 'heartbeat'> {
  let timer: NodeJS.Timeout | undefined;
  const beat = new Promise<'heartbeat'>((resolve) => {
    timer = setTimeout(() => resolve('heartbeat'), heartbeatMs);
  });
  try {
    return await Promise.race([promise, beat]);
  } finally {
    clearTimeout(timer);
  }
}
