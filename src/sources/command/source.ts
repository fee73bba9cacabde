// The output of a command as a backup: whole or not at all.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fail } from '../../base/errors.ts';
import type { CommandSource } from '../../model/plan.ts';
import type { Source } from '../../ports/source.ts';
import { virtualMeta } from '../../ports/virtual-entry.ts';
import { commandName, killGroup, startCommand } from './process.ts';

/** Bytes of the output's end that --expect-tail sees, and of what the command said on standard error. */
const tailSize = 4096;

/** Throws SOURCE_COMMAND from `finish` unless the command exited with 0 and its output is what was asked for. */
export function commandSource(settings: CommandSource): Source {
  const name = commandName(settings);
  let child: ChildProcess | undefined;
  let exit: Promise<string | undefined> | undefined;
  let bytes = 0;
  let tail = Buffer.alloc(0);
  let said = Buffer.alloc(0);
  const refuse = (detail: string): never => fail('SOURCE_COMMAND', { command: name, detail });

  async function* output(): AsyncGenerator<Uint8Array> {
    child = startCommand(settings, ['ignore', 'pipe', 'pipe']);
    exit = outcomeOf(child);
    child.stderr!.on('data', (piece: Buffer) => {
      said = Buffer.concat([said, piece]).subarray(-tailSize);
    });
    for await (const piece of child.stdout! as AsyncIterable<Buffer>) {
      bytes += piece.length;
      tail = Buffer.concat([tail, piece.subarray(-tailSize)]).subarray(-tailSize);
      yield piece;
    }
    const failed = await exit;
    const words = said.toString('utf8').trim().split('\n').at(-1) ?? '';
    if (failed) refuse(words ? `${failed}: ${words.slice(0, 300)}` : failed);
  }

  const now = Math.floor(Date.now() / 1000);
  const meta = virtualMeta(settings.fileName, 'file', { seconds: now, nanos: 0 });
  return {
    paths: [`/${settings.fileName}`],
    excludes: [],
    estimate: { bytes: 0, files: 1 },
    list: async function* () {
      yield { kind: 'file', meta, content: { kind: 'stream', chunking: { kind: 'content' }, open: output } };
    },
    finish: async () => {
      const wanted = Math.max(1, settings.minBytes);
      if (bytes === 0) refuse('printed nothing');
      if (bytes < wanted) refuse(`printed ${bytes} bytes, at least ${wanted} were expected`);
      if (settings.expectTail !== undefined && !new RegExp(settings.expectTail).test(tail.toString('utf8')))
        refuse('did not end its output as --expect-tail demands: it was probably cut off');
    },
    close: async () => {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      killGroup(child);
      await exit;
    },
  };
}

/** How it failed, in words; undefined for exit code 0. */
async function outcomeOf(child: ChildProcess): Promise<string | undefined> {
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (signal) return `was killed by ${signal}`;
    return code === 0 ? undefined : `failed with exit code ${code}`;
  } catch (error) {
    return `could not be started (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`;
  }
}
