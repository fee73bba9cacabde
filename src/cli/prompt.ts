// Questions. They go to the error stream, so that standard output stays clean for pipes; the library is loaded when there is one to ask.
import { fail, failure } from '../base/errors.ts';
import type { AskSecret } from './credentials.ts';
import type { Terminal } from './terminal.ts';

/**
 * Asks before something is destroyed; the answer that is assumed is no.
 * Throws CONFIRMATION_NEEDED where there is nobody to ask, TASK_CANCELLED if the answer is no.
 */
export async function confirmDestruction(terminal: Terminal, what: string, question: string, yes: boolean | undefined): Promise<void> {
  if (yes) return;
  if (!terminal.interactive) fail('CONFIRMATION_NEEDED', { what });
  const { confirm } = await import('@inquirer/prompts');
  const sure = await quiet(() => confirm({ message: question, default: false }, { output: terminal.stderr, input: terminal.stdin }));
  if (!sure) fail('ANSWER_NO', { what });
}

/** Undefined where there is nobody to ask. */
export function secretPrompt(terminal: Terminal): AskSecret {
  if (!terminal.interactive) return undefined;
  return async (question) => {
    const { password } = await import('@inquirer/prompts');
    return quiet(() => password({ message: question, mask: true }, { output: terminal.stderr, input: terminal.stdin }));
  };
}

/** Ctrl-C at a question is an answer, too. */
async function quiet<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Error && error.name === 'ExitPromptError') throw failure('ANSWER_NO', { what: 'the command' }, { cause: error });
    throw error;
  }
}
