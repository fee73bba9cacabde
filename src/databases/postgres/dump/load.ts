// A dump of the vault on the standard input of pg_restore.
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Program } from '../../../base/program.ts';
import type { Node } from '../../../model/node.ts';
import type { RestoreRun } from '../../../ports/restorer.ts';
import type { Access } from '../settings.ts';
import { clientFailure, startClient, type Tool } from '../tools.ts';

export interface Load {
  readonly tool: Tool;
  readonly access: Access;
  readonly scratch: () => string;
}

/** Gives the bytes that it was given. Throws TOOL_FAILED, DATABASE_… errors. */
export async function loadDump({ tool, access, scratch }: Load, args: readonly string[], dump: Node, run: RestoreRun): Promise<number> {
  const program = startClient(tool, ['--exit-on-error', ...args], access, { scratch, input: true });
  program.child.stdout!.resume();
  try {
    const bytes = await feed(program, dump, run);
    await program.ended;
    return bytes;
  } catch (error) {
    run.signal.throwIfAborted();
    throw clientFailure(error, program.said(), access);
  } finally {
    await program.kill();
  }
}

/** The table of contents, which comes first in a dump: the rest is not read. */
export async function listDump({ tool, access, scratch }: Load, dump: Node, run: RestoreRun): Promise<string> {
  const program = startClient(tool, ['--list', '--verbose'], access, { scratch, input: true });
  const pieces: Buffer[] = [];
  program.child.stdout!.on('data', (piece: Buffer) => pieces.push(piece));
  try {
    await feed(program, dump, run);
    await program.ended;
    return Buffer.concat(pieces).toString('utf8');
  } finally {
    await program.kill();
  }
}

/** The end of its input means to a program that all has come: it must be dead before a stream that broke off ends. */
async function feed(program: Program, dump: Node, { reader, signal }: RestoreRun): Promise<number> {
  let bytes = 0;
  const counted = async function* () {
    try {
      for await (const piece of reader.stream(dump.content ?? [])) {
        bytes += piece.length;
        yield piece;
      }
    } catch (error) {
      await program.kill();
      throw error;
    }
  };
  const stop = () => void program.kill();
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    await pipeline(counted, program.child.stdin as Writable);
  } catch (error) {
    // One that stops reading has all it wants, or says why with its exit code.
    if (!['EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ENOENT'].includes(String((error as { code?: unknown }).code))) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  return bytes;
}
