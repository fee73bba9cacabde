// What commander complains about, as an error of ours: which word is wrong, what was probably meant, which help to read.
import type { Command, CommanderError } from 'commander';
import { failure, type StillpointError } from '../base/errors.ts';

/** The deepest command that the words name. */
export function namedCommand(program: Command, argv: readonly string[]): Command {
  let command = program;
  for (const word of argv) {
    if (word === '--') break;
    if (word.startsWith('-')) continue;
    const next = command.commands.find((each) => each.name() === word);
    if (!next) break;
    command = next;
  }
  return command;
}

export function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();
}

export function usageError(error: CommanderError, program: Command, argv: readonly string[]): StillpointError {
  const help = `${fullName(namedCommand(program, argv))} --help`;
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const meant = /Did you mean (?:one of )?(.*?)\?/.exec(rest.join(' '))?.[1];
  const suggestion = meant ? `Did you mean ${meant}? ` : '';
  const quoted = /'([^']*)'/.exec(first)?.[1] ?? '';
  switch (error.code) {
    case 'commander.unknownCommand':
      return failure('USAGE_COMMAND', { name: quoted, suggestion, help });
    case 'commander.unknownOption':
      return failure('USAGE_OPTION', { name: quoted, suggestion, help });
    case 'commander.invalidArgument': {
      const [, what, value, rule] =
        /^(?:option '(.*?)' argument|.*value) '(.*?)' is invalid(?: for argument '.*?')?\. (.*)$/.exec(first) ?? [];
      if (!value || !rule) return failure('USAGE_ARGUMENT', { detail: first, help }, { cause: error });
      return failure('USAGE_VALUE', {
        value: JSON.stringify(value),
        what: what?.split(/[ ,]/)[0] ?? 'word',
        rule: rule.replace(/^Allowed choices are /, 'one of ').replace(/\.$/, ''),
      });
    }
    default:
      return failure('USAGE_ARGUMENT', { detail: first.replace(/\.$/, ''), help }, { cause: error });
  }
}
