// Commands before and after a load: one after the other, each to its end.
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { type CommandLine, commandName, killGroup, startCommand } from './process.ts';

/** Characters of what a command said last that are kept for a message. */
const tailSize = 1000;

/** ms for the last words of a command that has ended; what it left running may hold its output open for ever. */
const lastWords = 500;

export interface Around {
  readonly line: CommandLine;
  /** For messages and steps: where it stands and its program's name, `before the load, 1 of 2 (kubectl)`. */
  readonly label: string;
}

export function around(lines: readonly CommandLine[], where: 'before' | 'after'): readonly Around[] {
  return lines.map((line, i) => ({ line, label: `${where} the load, ${i + 1} of ${lines.length} (${programOf(line)})` }));
}

/**
 * Runs it to its end. Answers how it failed, in words, or undefined. Throws the signal's reason, with the command and all it started dead.
 * `hear`: gets what it says.
 */
export async function runCommand(line: CommandLine, signal: AbortSignal, hear?: (text: string) => void): Promise<string | undefined> {
  signal.throwIfAborted();
  const child = startCommand(line, ['ignore', 'pipe', 'pipe']);
  let said = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (piece: string) => {
      said = (said + piece).slice(-tailSize);
      hear?.(piece);
    });
  const kill = () => killGroup(child);
  signal.addEventListener('abort', kill, { once: true });
  try {
    const closed = once(child, 'close').catch(() => undefined);
    const [code, killed] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    await Promise.race([closed, pause(lastWords, undefined, { ref: false })]);
    signal.throwIfAborted();
    if (code === 0) return undefined;
    const words = said.trim().split('\n').at(-1) ?? '';
    return `${killed ? `was killed by ${killed}` : `ended with ${code}`}${words ? `: ${words}` : ''}`;
  } catch (error) {
    if (signal.aborted) throw error;
    return `could not be started (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`;
  } finally {
    signal.removeEventListener('abort', kill);
    child.stdout!.destroy();
    child.stderr!.destroy();
  }
}

/** The first word of a line says more than bash, unless it sets a variable, which nobody should read. */
function programOf(line: CommandLine): string {
  return /^\s*([\w./-]+)(?=\s|$)/.exec(line.shell ?? '')?.[1] ?? commandName(line);
}
