// Writes the reference of all commands into docs/command-line.md, below its marker. A test fails while the page is out of date.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { buildProgram } from '../../src/cli/program.ts';
import { openSession } from '../../src/cli/session.ts';
import { fullName } from '../../src/cli/usage.ts';
import { examplesOf } from '../../src/cli/verb.ts';

export const page = fileURLToPath(new URL('../../docs/command-line.md', import.meta.url));
const marker = '<!-- below: made by scripts/dev/command-reference.ts -->\n';

/** The tree of all commands, connected to nothing. */
export async function commandTree(): Promise<Command> {
  const standalone = () => Promise.reject(new Error('not for documentation'));
  return buildProgram(openSession({ environment: {}, interrupted: new AbortController().signal, standalone }, true), '');
}

export function leavesOf(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);
}

function row(command: Command): string {
  const options = command.options
    .filter((option) => option.long !== '--json')
    .map(
      (option) =>
        `| \`${option.flags.replaceAll('|', '\\|')}\` | ${option.description.replaceAll('|', '\\|')}${choices(option.argChoices)} |`,
    );
  const [example] = examplesOf(command);
  return [
    `### ${fullName(command)}`,
    '',
    `${command.description()}`,
    '',
    '```sh',
    example ?? `agentcli ${command.name()}`,
    '```',
    '',
    `Usage: \`${fullName(command)} ${command.usage()}\``,
    ...(options.length > 0 ? ['', '| option | |', '|---|---|', ...options] : []),
    '',
  ].join('\n');
}

function choices(values: readonly string[] | undefined): string {
  return values ? ` (${values.join(', ')})` : '';
}

/** The page as it should be: the part above the marker is written by hand. */
export async function renderPage(current: string): Promise<string> {
  const [head = ''] = current.split(marker);
  const nouns = (await commandTree()).commands;
  const parts = nouns.map((noun) => [`## ${noun.name()}`, '', noun.description(), '', ...leavesOf(noun).map(row)].join('\n'));
  return `${head}${marker}\n${parts.join('\n').trimEnd()}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(page, await renderPage(readFileSync(page, 'utf8')));
