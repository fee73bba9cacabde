// An engine's own tool, run for its output or with an input: its words on standard error, its exit code, and its end with the task.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fail } from './errors.ts';

/** Bytes of what it said last on standard error. */
const saidAtMost = 8192;

export interface ProgramOptions {
  /** Debian's package with it, for the hint when it is missing. */
  readonly package: string;
  /** Besides PATH, HOME and LC_ALL. No secrets: the environment of a process can be read by its user's other processes. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: boolean;
  readonly cwd?: string;
  /** For messages, where the words of standard error are not it. */
  readonly explain?: (said: string) => string;
  /** Open descriptors to be 3, 4, … there. */
  readonly descriptors?: readonly number[];
  readonly uid?: number;
  readonly gid?: number;
}

export interface Program {
  readonly child: ChildProcess;
  readonly output: AsyncIterable<Buffer>;
  /** What it said last. */
  said(): string;
  /** Resolves when it ended well. Throws TOOL_MISSING or TOOL_FAILED. */
  readonly ended: Promise<void>;
  /** Ends it with all that it started; resolves when it is gone. */
  kill(): Promise<void>;
}

/** As the leader of a process group of its own. `argv`: no secrets. */
export function startProgram(argv: readonly string[], options: ProgramOptions): Program {
  const [tool, ...words] = argv as [string, ...string[]];
  const { environment = {}, input = false, cwd = '/', descriptors = [], explain = lastLine, uid, gid } = options;
  const child = spawn(tool, words, {
    cwd,
    detached: true,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/', LC_ALL: 'C.UTF-8', ...environment },
    stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe', ...descriptors],
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  });
  let said = '';
  child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
    said = (said + piece).slice(-saidAtMost);
  });
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const ended = closed.then(
    ([code, signal]) => {
      if (code === 0) return;
      fail('TOOL_FAILED', { tool, detail: `${signal ? `killed by ${signal}` : `exit code ${code}`}: ${explain(said)}` });
    },
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') fail('TOOL_MISSING', { tool, package: options.package }, { cause });
      return fail('TOOL_FAILED', { tool, detail: cause.message }, { cause });
    },
  );
  ended.catch(() => undefined); // whoever waits for it is told
  return {
    child,
    output: child.stdout as AsyncIterable<Buffer>,
    said: () => said,
    ended,
    kill: async () => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          // it ended by itself
        }
      }
      await closed.catch(() => undefined);
    },
  };
}

/** Its whole standard output as text. Throws TOOL_MISSING or TOOL_FAILED. */
export async function outputOf(argv: readonly string[], options: ProgramOptions): Promise<string> {
  const program = startProgram(argv, options);
  const pieces: Buffer[] = [];
  for await (const piece of program.output) pieces.push(piece);
  await program.ended;
  return Buffer.concat(pieces).toString('utf8');
}

const lastLine = (said: string): string => said.trim().split('\n').at(-1)?.slice(0, 500) || 'it said nothing';
