// What a replica does for its first copy: say who it is, ask, wait while the server forks, take the RDB. Then it goes.
import { failure } from '../../base/errors.ts';
import { lacking, missingIn, ReplyError } from './failures.ts';
import type { Purpose } from './session.ts';
import type { RedisAccess } from './settings.ts';
import { order, type Wire } from './wire.ts';

export const backupPurpose: Purpose = { what: 'give a copy of its data', rights: ['+ping', '+info', '+replconf', '+psync'] };

/** How long it may take (ms). Nothing limits the whole: a large copy takes its time. */
export interface Patience {
  /** Without a byte of the copy once it has begun, or of the server's signs of life before. */
  readonly silence: number;
  /** Until the copy begins, without any progress of the server's. */
  readonly fork: number;
}

export const usualPatience: Patience = { silence: 120_000, fork: 600_000 };

export interface Copy {
  readonly replicationId: string;
  readonly offset: number;
  /** Sent as the server made it, without a file on its own disk. */
  readonly diskless: boolean;
  /** Throws unless it came whole, as far as the protocol tells. */
  readonly bytes: AsyncIterable<Buffer>;
  /** Closes the line. */
  leave(): void;
}

/**
 * Asks the server for a copy of all it holds, as of now. `progress`: something that changes while the server works on it; undefined where that is
 * not to be known. Throws DATABASE_GRANTS, DATABASE_BUSY, DATABASE_FAILED …
 */
export async function requestCopy(
  wire: Wire,
  access: RedisAccess,
  patience: Patience,
  progress: () => Promise<string | undefined>,
): Promise<Copy> {
  await introduce(wire, access);
  // A server that waits for more replicas before it forks (repl-diskless-sync-delay, 5 s if nobody set it) sends empty lines first.
  const answer = (await order(wire, 'PSYNC', '?', '-1')) || (await firstLine(wire, patience, progress));
  const [, replicationId, offset] = /^\+FULLRESYNC (\S+) (\d+)$/.exec(answer) ?? [];
  if (replicationId === undefined) throw strange(`it answered PSYNC with ${answer.slice(0, 100)}`);
  const header = await firstLine(wire, patience, progress);
  const mark = /^\$EOF:(.{40})$/.exec(header)?.[1];
  const length = /^\$(\d+)$/.exec(header)?.[1];
  if (mark === undefined && length === undefined) throw strange(`it announced its copy with ${header.slice(0, 100)}`);
  return {
    replicationId,
    offset: Number(offset),
    diskless: mark !== undefined,
    bytes: mark === undefined ? ofLength(wire, Number(length), patience) : untilMark(wire, Buffer.from(mark, 'latin1'), patience),
    leave: () => wire.close(),
  };
}

const strange = (detail: string) => failure('DATABASE_FAILED', { database: 'Redis', what: backupPurpose.what, detail });

/** Throws DATABASE_GRANTS with all that is missing, but for the right to PSYNC, where something else is missing too. */
async function introduce(wire: Wire, access: RedisAccess): Promise<void> {
  const missing = new Set<string>();
  let denied: unknown;
  const say = async (...words: readonly string[]) => {
    try {
      await order(wire, ...words);
    } catch (error) {
      if (!(error instanceof ReplyError) || !error.message.startsWith('NOPERM')) throw error;
      denied = error;
      missing.add(missingIn(error.message));
    }
  };
  await say('PING');
  await say('REPLCONF', 'capa', 'eof', 'capa', 'psync2');
  if (missing.size > 0) throw lacking(access, [...missing], backupPurpose.rights, denied);
  // Then the server need not keep for us what is written meanwhile. Older than 7.0 it does not know the word.
  await order(wire, 'REPLCONF', 'rdb-only', '1').catch((error: unknown) => {
    if (!(error instanceof ReplyError)) throw error;
  });
}

/** So many times as long may it take where its progress is not to be seen. */
const unseen = 6;

/** The line that the server has to say next. Until it comes, empty lines say that the server is still there. */
async function firstLine(wire: Wire, patience: Patience, progress: () => Promise<string | undefined>): Promise<string> {
  let seen: string | undefined;
  let since = Date.now();
  for (;;) {
    const line = await wire.line(patience.silence);
    if (line !== '') return line;
    const now = await progress();
    if (now !== undefined && now !== seen) since = Date.now();
    seen = now;
    const limit = now === undefined ? patience.fork * unseen : patience.fork;
    if (Date.now() - since < limit) continue;
    const detail = `it has not begun to send its copy after ${Math.round(limit / 1000)} s without progress`;
    throw failure('DATABASE_BUSY', { database: 'Redis', detail });
  }
}

const atMost = 1 << 20;

async function* ofLength(wire: Wire, length: number, { silence }: Patience): AsyncGenerator<Buffer> {
  for (let left = length; left > 0; ) {
    const piece = await wire.some(silence, Math.min(left, atMost));
    left -= piece.length;
    yield piece;
  }
}

/** All but the mark, which stands at the end of what the server sends. */
async function* untilMark(wire: Wire, mark: Buffer, { silence }: Patience): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  for (;;) {
    const piece = await wire.some(silence, atMost);
    // What is held is copied only where a piece is smaller than the mark.
    if (piece.length < mark.length) held = Buffer.concat([held, piece]);
    else {
      if (held.length > 0) yield held;
      held = piece;
    }
    const cut = held.length - mark.length;
    if (cut > 0) {
      yield held.subarray(0, cut);
      held = Buffer.from(held.subarray(cut));
    }
    if (held.equals(mark)) return;
  }
}
