// How a command is declared: its words, its summary, its examples. --json is everywhere.
import { type Command, Option } from 'commander';

const examplesByCommand = new WeakMap<Command, readonly string[]>();

/** Example lines of a command, without the prompt. */
export function examplesOf(command: Command): readonly string[] {
  return examplesByCommand.get(command) ?? [];
}

/** `words` as commander reads them: `create [name]`. The first example is the one that the reference shows. */
export function verb(parent: Command, words: string, summary: string, ...examples: readonly string[]): Command {
  const command = parent
    .command(words)
    .summary(summary)
    .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`);
  examplesByCommand.set(command, examples);
  command.option('--json', 'print JSON');
  command.helpOption('-h, --help', 'show this help');
  return command;
}

export function choice(flags: string, description: string, choices: readonly string[]): Option {
  return new Option(flags, description).choices(choices);
}

/** Options of every list that the agent answers in pages. */
export function listOptions(command: Command): Command {
  const option = (flags: string, description: string) => new Option(flags, description).helpGroup('Filters:');
  return command
    .addOption(option('--name <text>', 'only names with this text'))
    .addOption(option('--id <prefix>', 'only IDs that begin so'))
    .addOption(option('--from <date>', 'not before (2026-03-01, or with a time)'))
    .addOption(option('--to <date>', 'not after'))
    .addOption(option('--limit <n>', 'at most so many; 100 if not given, 0 for all'))
    .addOption(option('--cursor <text>', 'go on after the page that gave this nextCursor'));
}

export interface ListOptions {
  readonly name?: string;
  readonly id?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: string;
  readonly cursor?: string;
}

/** Options of every command that starts a task. */
export function waitOptions(command: Command): Command {
  return command
    .option('--wait', 'wait for the end and show progress')
    .option('--cancel-on-interrupt', 'with --wait: Ctrl-C cancels the task instead of leaving it alone');
}

export interface WaitOptions {
  readonly wait?: boolean;
  readonly cancelOnInterrupt?: boolean;
}
