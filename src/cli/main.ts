// One run of agentcli: words in, exit code out. Nothing below this file prints an error.
import { CommanderError } from 'commander';
import { exits } from '../base/error-codes.ts';
import { asStillpointError, isCode } from '../base/errors.ts';
import { buildProgram, nounIn, nouns } from './program.ts';
import { type Host, openSession, type Session } from './session.ts';
import { printable } from './terminal.ts';
import { usageError } from './usage.ts';

/** Whether JSON is wanted must be known before the words are understood: errors in them are told as JSON, too. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}

export async function main(argv: readonly string[], version: string, host: Host): Promise<number> {
  const session = openSession(host, wantsJson(argv));
  try {
    const noun = nouns.find(({ name }) => name === nounIn(argv))?.name;
    const program = await buildProgram(session, version, noun);
    try {
      await program.parseAsync(argv, { from: 'user' });
    } catch (error) {
      if (!(error instanceof CommanderError)) throw error;
      if (error.exitCode === 0) return 0;
      // A noun without a verb: its help has been shown.
      if (error.code === 'commander.help') return exits.usage;
      throw usageError(error, program, argv);
    }
    return session.exitCode;
  } catch (error) {
    return report(session, error);
  } finally {
    session.close();
  }
}

/** `error:` what failed, `hint:` what to do; with --json the problem as one line. Answers the exit code. */
function report(session: Session, error: unknown): number {
  // Whoever pressed Ctrl-C knows why the command ended.
  if (session.interrupted.aborted && ((error as Error)?.name === 'AbortError' || isCode(error, 'AGENT_UNREACHABLE')))
    return exits.cancelled;
  const known = asStillpointError(error);
  const { stderr, paintError } = session.terminal;
  if (session.json) stderr.write(`${JSON.stringify(known.toProblem())}\n`);
  else {
    stderr.write(`${paintError('red', 'error:')} ${printable(known.message)}\n${paintError('cyan', 'hint:')} ${printable(known.hint)}\n`);
    if (session.environment['AGENTCLI_DEBUG']) stderr.write(`${known.stack}\n${String((known.cause as Error | undefined)?.stack ?? '')}\n`);
  }
  return known.exit;
}
