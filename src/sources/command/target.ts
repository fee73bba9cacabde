// Restoring a command's output: the load command gets it on its standard input.
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { fail } from '../../base/errors.ts';
import type { BlobId } from '../../ports/blob.ts';
import type { ContentReader } from '../../ports/target.ts';
import { type CommandLine, commandName, killGroup, startCommand } from './process.ts';

/** Throws TARGET_FAILED when the command fails. Returns the bytes it was given. */
export async function feedCommand(
  line: CommandLine,
  content: readonly BlobId[],
  reader: ContentReader,
  signal: AbortSignal,
): Promise<number> {
  const child = startCommand(line, ['pipe', 'ignore', 'pipe']);
  const path = commandName(line);
  let said = '';
  child.stderr!.on('data', (piece: Buffer) => {
    said = (said + piece.toString('utf8')).slice(-1000);
  });
  let bytes = 0;
  // The end of its input means to a load command that all has come, and it may commit: it must be dead before a stream that broke off ends.
  const broken = () => killGroup(child);
  const counted = async function* () {
    try {
      for await (const piece of reader.stream(content)) {
        bytes += piece.length;
        yield piece;
      }
    } catch (error) {
      broken();
      throw error;
    }
  };
  const ended = once(child, 'close').catch((error: NodeJS.ErrnoException) => [error.code ?? 'unknown', null]);
  signal.addEventListener('abort', broken, { once: true });
  try {
    signal.throwIfAborted();
    await pipeline(counted, child.stdin!, { signal });
  } catch (cause) {
    if (signal.aborted) throw cause;
    // A command that stops reading says why with its exit code.
    if (!['EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ENOENT'].includes(String((cause as { code?: unknown }).code))) throw cause;
  } finally {
    signal.removeEventListener('abort', broken);
  }
  const [code, killed] = await ended;
  const words = said.trim().split('\n').at(-1) ?? '';
  if (code !== 0)
    fail('TARGET_FAILED', {
      path,
      detail: `${killed ? `it was killed by ${killed}` : `it ended with ${code}`}${words ? `: ${words}` : ''}`,
    });
  return bytes;
}
