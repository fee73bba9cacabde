// The write-ahead log as the server sends it (START_REPLICATION PHYSICAL), cut into its segments.
import { fail } from '../../../base/errors.ts';
import { database } from '../failures.ts';
import type { Copy } from '../replication.ts';

const [walData, keepAlive] = [0x77, 0x6b];

/** ms; a server ends a session that says nothing for a minute (wal_sender_timeout), and a slow vault is no reason for that. */
const saysAlive = 5000;

/** The bytes of the log in [start, end). Throws DATABASE_FAILED where the server leaves something out or ends before. */
export async function* walBytes(copy: Copy, start: bigint, end: bigint): AsyncGenerator<Buffer> {
  let at = start;
  const alive = setInterval(() => copy.reply(status(at)), saysAlive);
  try {
    for await (const message of copy.messages) {
      if (message[0] === keepAlive && message[17] === 1) copy.reply(status(at));
      if (message[0] !== walData) continue;
      if (message.readBigUInt64BE(1) !== at) fail('DATABASE_FAILED', { database, what: 'send its log', detail: 'it left something out' });
      const piece = message.subarray(25, 25 + Number(min(BigInt(message.length - 25), end - at)));
      at += BigInt(piece.length);
      yield piece;
      if (at === end) break;
    }
  } finally {
    clearInterval(alive);
  }
  if (at !== end) fail('DATABASE_FAILED', { database, what: 'send its log', detail: 'it ended before what it had written' });
}

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** A standby status update: written, flushed and applied up to `at`. */
function status(at: bigint): Buffer {
  const message = Buffer.alloc(34);
  message[0] = 0x72;
  for (const offset of [1, 9, 17]) message.writeBigUInt64BE(at, offset);
  // Microseconds since 2000.
  message.writeBigInt64BE(BigInt(Date.now() - 946_684_800_000) * 1000n, 25);
  return message;
}

/** Cuts a stream into pieces of `size` bytes; the last is filled up with zeros, as the server's own segments are. */
export function pieces(bytes: AsyncIterable<Buffer>, size: number): { next(): AsyncGenerator<Buffer>; close(): Promise<void> } {
  const reader = bytes[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  return {
    async *next() {
      for (let left = size; left > 0; ) {
        if (rest.length === 0) {
          const { value, done } = await reader.next();
          rest = done ? Buffer.alloc(Math.min(left, 1 << 20)) : value;
          continue;
        }
        const piece = rest.subarray(0, left);
        rest = rest.subarray(piece.length);
        left -= piece.length;
        yield piece;
      }
    },
    close: async () => {
      await reader.return?.();
    },
  };
}
