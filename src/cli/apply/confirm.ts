// Nothing is removed before somebody has typed its name, at the question or on the command line.
import { fail, failure } from '../../base/errors.ts';
import type { Session } from '../session.ts';
import { printable } from '../terminal.ts';
import { sideText } from './change.ts';
import type { Step } from './step.ts';

/**
 * `typed`: names from the command line; where two things of the same name are to be removed, `kind/name`.
 * Throws PRUNE_UNCONFIRMED where there is nobody to ask, ANSWER_NO for another name.
 */
export async function confirmRemovals(session: Session, removed: readonly Step[], typed: readonly string[]): Promise<void> {
  const several = ({ name }: Step) => removed.filter((step) => step.name === name).length > 1;
  const open = removed.filter((step) => !typed.includes(`${step.kind}/${step.name}`) && (several(step) || !typed.includes(step.name)));
  if (open.length === 0) return;
  if (!session.terminal.interactive) {
    const options = open.map((step) => `--prune-name ${several(step) ? `${step.kind}/` : ''}${step.name}`);
    fail('PRUNE_UNCONFIRMED', { what: `removing ${open.map(whatOf).join(', ')} (${options.join(' ')})` });
  }
  for (const step of open) {
    const answer = await ask(session, `Remove the ${whatOf(step)}${lossOf(step)}? Type its name:`, step);
    if (answer.trim() !== step.name) fail('ANSWER_NO', { what: `removing the ${whatOf(step)}` });
  }
}

const whatOf = ({ kind, name }: Step) => `${kind} ${printable(name)}`;

const lossOf = ({ changes }: Step) =>
  changes.map(({ field, before }) => `, with its ${sideText(field, before)} ${field}, for ever`).join('');

async function ask({ terminal }: Session, message: string, step: Step): Promise<string> {
  const { input } = await import('@inquirer/prompts');
  try {
    return await input({ message }, { output: terminal.stderr, input: terminal.stdin });
  } catch (error) {
    // Ctrl-C at a question is an answer, too.
    if (error instanceof Error && error.name === 'ExitPromptError')
      throw failure('ANSWER_NO', { what: `removing the ${whatOf(step)}` }, { cause: error });
    throw error;
  }
}
