// Completion scripts, made of the tree of commands itself.
import type { Command } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** What may follow the words of a command, and what may follow an option. */
export interface CompletionRow {
  /** `vault create`; empty for the top. */
  readonly words: string;
  readonly candidates: readonly { readonly word: string; readonly summary: string }[];
  /** Options with a fixed set of values. */
  readonly choices: readonly { readonly flag: string; readonly values: readonly string[] }[];
  /** Options that take any value, so that the next word is one. */
  readonly valued: readonly string[];
}

export function completionRows(program: Command): readonly CompletionRow[] {
  const rows: CompletionRow[] = [];
  const visit = (command: Command, words: readonly string[]) => {
    const flags = (option: { readonly short?: string | undefined; readonly long?: string | undefined }) =>
      [option.long, option.short].filter((flag): flag is string => flag !== undefined);
    const options = command.options.filter((option) => !option.hidden);
    rows.push({
      words: words.join(' '),
      candidates: [
        ...command.commands.map((child) => ({ word: child.name(), summary: child.summary() })),
        ...argumentChoices(command),
        ...options.map((option) => ({ word: option.long ?? option.flags, summary: option.description })),
        { word: '--help', summary: 'show this help' },
      ],
      choices: options.flatMap((option) =>
        option.argChoices ? flags(option).map((flag) => ({ flag, values: option.argChoices ?? [] })) : [],
      ),
      valued: options.filter((option) => option.required && !option.argChoices).flatMap(flags),
    });
    for (const child of command.commands) visit(child, [...words, child.name()]);
  };
  visit(program, []);
  return rows;
}

function argumentChoices(command: Command) {
  return command.registeredArguments.flatMap((argument) => (argument.argChoices ?? []).map((word) => ({ word, summary: '' })));
}

export function completionScript(shell: Shell, program: Command): string {
  const rows = completionRows(program);
  return { bash, zsh, fish }[shell](rows);
}

function bash(rows: readonly CompletionRow[]): string {
  const quoted = (words: readonly string[]) => `'${words.join(' ')}'`;
  const cases = rows.map((row) => `    '${row.words}') words=${quoted(row.candidates.map(({ word }) => word))} ;;`);
  const values = rows.flatMap((row) => row.choices.map(({ flag, values }) => `    '${row.words} ${flag}') words=${quoted(values)} ;;`));
  const free = rows
    .filter((row) => row.valued.length > 0)
    .map((row) => `    ${row.valued.map((flag) => `'${row.words} ${flag}'`).join('|')}) files=1 ;;`);
  const paths = rows.filter((row) => row.words !== '').map((row) => `'${row.words}'`);
  return `# bash completion for agentcli; agentcli completion bash made it
_agentcli() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path='' words='' files='' word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    [[ $word == -* ]] && continue
    case "\${path:+$path }$word" in
    ${paths.join('|')}) path="\${path:+$path }$word" ;;
    *) ;;
    esac
  done
  case "$path $prev" in
${[...values, ...free].join('\n')}
    *) case "$path" in
${cases.join('\n')}
    esac ;;
  esac
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  fi
}
complete -o default -F _agentcli agentcli
`;
}

function zsh(rows: readonly CompletionRow[]): string {
  const escaped = (text: string) => text.replaceAll("'", '’').replaceAll(':', '\\:');
  const cases = rows.map(
    (row) => `    '${row.words}') candidates=(${row.candidates.map(({ word, summary }) => `'${word}:${escaped(summary)}'`).join(' ')}) ;;`,
  );
  const values = rows.flatMap((row) =>
    row.choices.map(({ flag, values }) => `    '${row.words} ${flag}') candidates=(${values.map((value) => `'${value}'`).join(' ')}) ;;`),
  );
  const free = rows
    .filter((row) => row.valued.length > 0)
    .map((row) => `    ${row.valued.map((flag) => `'${row.words} ${flag}'`).join('|')}) _files; return ;;`);
  const paths = rows.filter((row) => row.words !== '').map((row) => `'${row.words}'`);
  return `#compdef agentcli
# zsh completion for agentcli; agentcli completion zsh made it
_agentcli() {
  local path_words='' word
  local -a words_before candidates
  words_before=("\${(@)words[2,CURRENT-1]}")
  local prev=\${words[CURRENT-1]}
  for word in $words_before; do
    [[ $word == -* ]] && continue
    case "\${path_words:+$path_words }$word" in
    ${paths.join('|')}) path_words="\${path_words:+$path_words }$word" ;;
    esac
  done
  case "$path_words $prev" in
${[...values, ...free].join('\n')}
    *) case "$path_words" in
${cases.join('\n')}
    esac ;;
  esac
  _describe agentcli candidates || _files
}
if [[ $funcstack[1] == _agentcli ]]; then
  _agentcli "$@"
else
  compdef _agentcli agentcli
fi
`;
}

function fish(rows: readonly CompletionRow[]): string {
  const escaped = (text: string) => text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
  const known = new Map(rows.map((row) => [row.words, row]));
  const lines = rows.flatMap((row) => {
    const condition = `-n '__agentcli_at "${row.words}"'`;
    return row.candidates.flatMap(({ word, summary }) => {
      const description = summary ? ` -d '${escaped(summary)}'` : '';
      if (!word.startsWith('--')) return [`complete -c agentcli -f ${condition} -a ${word}${description}`];
      const choices = row.choices.find(({ flag }) => flag === word);
      const value = choices ? ` -x -a '${choices.values.join(' ')}'` : row.valued.includes(word) ? ' -r' : '';
      return [`complete -c agentcli ${condition} -l ${word.slice(2)}${value}${description}`];
    });
  });
  const paths = [...known.keys()].filter(Boolean).map((words) => `'${words}'`);
  return `# fish completion for agentcli; agentcli completion fish made it
function __agentcli_at
  set -l path
  for word in (commandline -opc)[2..]
    string match -q -- '-*' $word; and continue
    contains -- "$path $word" ${paths.map((words) => words.replace("'", "' ")).join(' ')}; and set path "$path $word"
  end
  test "$path" = " $argv[1]"; or test "$path" = "$argv[1]"
end
${lines.join('\n')}
`;
}
