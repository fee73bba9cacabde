// Logs, made into statements by the engine's tool, one after the other, and given to a server by its client: one session has all of them, and
// temporary tables with it.

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { failure, isCode, StillpointError } from '../../../base/errors.ts';
import { type Program, startProgram } from '../../../base/program.ts';
import { type LineWatch, lineWatch } from './line-watch.ts';
import { explain, type LogTools } from './tools.ts';

export interface ReplayLog {
  /** A beginning, and whole events. */
  readonly bytes: AsyncIterable<Buffer>;
  /** The place in the server's log, for a place in `bytes`. */
  readonly placeOf: (offset: number) => string;
}

export interface Replay {
  readonly tools: LogTools;
  /** Further arguments of the tool. */
  readonly options: readonly string[];
  readonly socket: string;
  readonly user: string;
  /** For what statement format puts into files: LOAD DATA. */
  readonly folder: string;
  readonly logs: Iterable<ReplayLog>;
  readonly signal: AbortSignal;
}

/** Throws DATABASE_FAILED with the place where the server refuses a statement, TOOL_…, what the logs throw, and the signal's reason. */
export async function replay(given: Replay): Promise<void> {
  const { tools, socket, user, signal } = given;
  signal.throwIfAborted();
  const login = ['--protocol=socket', `--socket=${socket}`, `--user=${user}`, '--skip-password'];
  const manner = [
    '--batch',
    '--binary-mode',
    '--skip-reconnect',
    '--local-infile=1',
    '--max-allowed-packet=1G',
    '--default-character-set=utf8mb4',
  ];
  const client = startProgram([tools.client, '--no-defaults', ...login, ...manner], { package: tools.package, input: true, explain });
  client.child.stdout?.resume();
  const lines = lineWatch();
  const end = () => void client.kill();
  signal.addEventListener('abort', end, { once: true });
  try {
    const feeding = pipeline(Readable.from(statements(given, lines), { objectMode: false }), client.child.stdin!);
    const errors = (await Promise.allSettled([feeding, client.ended])).flatMap((one) =>
      one.status === 'rejected' ? [one.reason as Error] : [],
    );
    signal.throwIfAborted();
    if (errors.length > 0) throw cause(errors, client, lines);
  } finally {
    signal.removeEventListener('abort', end);
    await client.kill();
  }
}

/** Ends with an error where the tool or a log does; what was begun by then is rolled back with the client's session. */
async function* statements({ tools, options, folder, logs, signal }: Replay, lines: LineWatch): AsyncGenerator<Buffer> {
  for (const { bytes, placeOf } of logs) {
    const argv = [tools.log, '--no-defaults', ...options, `--local-load=${folder}`, '-'];
    const reader = startProgram(argv, { package: tools.package, input: true, explain });
    const end = () => void reader.kill();
    signal.addEventListener('abort', end, { once: true });
    try {
      const feeding = pipeline(bytes, reader.child.stdin!);
      feeding.catch(() => undefined);
      lines.begin(placeOf);
      for await (const piece of reader.output) {
        lines.see(piece);
        yield piece;
      }
      const [fed, ended] = await Promise.allSettled([feeding, reader.ended]);
      if (fed.status === 'rejected' && !isBroken(fed.reason)) throw fed.reason;
      if (ended.status === 'rejected') throw ended.reason;
    } finally {
      signal.removeEventListener('abort', end);
      await reader.kill();
    }
  }
}

/** The server's own refusal first, then what the vault or a tool said; a broken pipe only says that its other end has gone. */
function cause(errors: readonly Error[], client: Program, lines: LineWatch): Error {
  const said = explain(client.said());
  const line = /^ERROR .*? at line (\d+)/.exec(said)?.[1];
  if (line !== undefined) {
    const what = `apply the binary log at ${lines.placeOf(Number(line))}`;
    return failure('DATABASE_FAILED', { database: 'the new server', what, detail: said });
  }
  return (
    errors.find((error) => error instanceof StillpointError && !isCode(error, 'INTERNAL')) ??
    errors.find((one) => !isBroken(one)) ??
    errors[0]!
  );
}

const isBroken = (error: unknown): boolean => /^(EPIPE|ECONNRESET|ERR_STREAM_\w+)$/.test(String((error as NodeJS.ErrnoException).code));
