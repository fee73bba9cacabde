// agentcli completion bash|zsh|fish
import { Argument, type Command } from 'commander';
import { completionScript, type Shell, shells } from '../completion.ts';
import type { Session } from '../session.ts';

/** `wholeTree` makes the tree of all commands; only this noun is there while it runs. */
export function addCompletion(noun: Command, session: Session, wholeTree: () => Promise<Command>): void {
  noun
    .addArgument(new Argument('<shell>').choices(shells))
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  agentcli completion bash > /etc/bash_completion.d/agentcli
  agentcli completion zsh > "\${fpath[1]}/_agentcli"
  agentcli completion fish > ~/.config/fish/completions/agentcli.fish`,
    )
    .action(async (shell: Shell) => {
      const script = completionScript(shell, await wholeTree());
      if (session.json) session.printJson({ shell, script });
      else session.print(script);
    });
}
