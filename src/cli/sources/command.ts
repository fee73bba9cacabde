import { basename } from 'node:path';
import { formatSize } from '../format.ts';
import { parseSize } from '../parse.ts';
import { printable } from '../terminal.ts';
import { type Asking, grouped, type SourceKind, type SourceOptions } from './kind.ts';

const option = grouped('Output of a command:');

export const commandOptions = [
  option('--argv', 'the command and its arguments follow after --'),
  option('--shell <line>', 'a line for bash, run with pipefail'),
  option('--named <name>', 'a command that root has named in /etc/stillpoint/allow.yaml'),
  option('--file-name <name>', 'name of the file that the output becomes'),
  option('--min-bytes <n>', 'less output is no backup (10M)').argParser(parseSize),
  option('--expect-tail <regexp>', 'the last 4 KiB must match, else it is no backup'),
];

export const command: SourceKind<'command'> = {
  takes: ['argv', 'shell', 'named', 'fileName', 'minBytes', 'expectTail'],
  async from(options, words, same, { wrong }) {
    const { fileName, minBytes, expectTail } = options;
    const { argv: oldArgv, shell: oldShell, named: oldNamed, ...rest } = same ?? { kind: 'command' as const };
    const before = {
      ...(oldArgv && { argv: oldArgv }),
      ...(oldShell !== undefined && { shell: oldShell }),
      ...(oldNamed && { named: oldNamed }),
    };
    const what = lineFrom(options, words, wrong) ?? before;
    if (Object.keys(what).length === 0) wrong('--shell LINE, --named NAME or --argv -- COMMAND is missing');
    return {
      ...rest,
      kind: 'command',
      ...what,
      ...(fileName !== undefined && { fileName: checkedFileName(fileName, wrong) }),
      ...(minBytes !== undefined && { minBytes }),
      ...(expectTail !== undefined && { expectTail: checkedExpression(expectTail, wrong) }),
    };
  },
  text: ({ named, shell, argv }) => printable(named ?? shell ?? argv?.map(quoted).join(' ') ?? ''),
  rows: (source) => [
    ['Command', command.text(source)],
    ['File name', printable(source.fileName)],
    ['At least', source.minBytes > 0 ? formatSize(source.minBytes) : undefined],
    ['Must end with', source.expectTail && printable(source.expectTail)],
  ],
};

/** Undefined where no command is named. */
function lineFrom({ shell, named, argv }: SourceOptions, words: readonly string[], wrong: Asking['wrong']) {
  if ([shell !== undefined, named !== undefined, words.length > 0].filter(Boolean).length > 1)
    wrong('--shell, --named and a command after -- exclude each other');
  if (argv && words.length === 0) wrong('--argv needs the command after --, as in: --argv -- pg_dump app');
  if (shell !== undefined) return { shell };
  if (named !== undefined) return { named };
  return words.length > 0 ? { argv: [...words] } : undefined;
}

function checkedFileName(name: string, wrong: Asking['wrong']): string {
  return name !== '' && name !== '.' && name !== '..' && basename(name) === name ? name : wrong('--file-name takes a name, not a path');
}

function checkedExpression(text: string, wrong: Asking['wrong']): string {
  try {
    return new RegExp(text).source;
  } catch {
    return wrong(`--expect-tail ${JSON.stringify(text)} is not a regular expression`);
  }
}

/** As a shell would need it; only to be read. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
