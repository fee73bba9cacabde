// agentcli encpwd: encrypts a password for a script or a configuration file. Works without the agent.
import { type Command, Option } from 'commander';
import { fail, failure } from '../../base/errors.ts';
import { linesOf } from '../../base/lines.ts';
import { layoutOf, makeLayout } from '../../config/layout.ts';
import { openSealer, scriptPasswordContext } from '../../config/secrets.ts';
import { readTextFile } from '../files.ts';
import type { Session } from '../session.ts';
import type { Terminal } from '../terminal.ts';

const maxPassword = 4096;

export function addEncpwd(noun: Command, session: Session): void {
  noun
    .addOption(new Option('--password-file <file>', 'take the first line of this file; else standard input, else two questions'))
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Only this installation can decrypt it. Paste it on top of a freeze script in bin/thirdparty/ebk_user.

Examples:
  agentcli encpwd
  agentcli encpwd --password-file /root/mysql.password`,
    )
    .action(async (options: { readonly passwordFile?: string }) => {
      const password = await passwordFrom(options.passwordFile, session.terminal);
      const layout = layoutOf(session.environment);
      makeLayout(layout);
      const encrypted = openSealer(layout.installationKey).seal(scriptPasswordContext, password);
      if (session.json) session.printJson({ encrypted });
      else session.print(`${encrypted}\n`);
    });
}

async function passwordFrom(file: string | undefined, terminal: Terminal): Promise<string> {
  const password = await askedOrRead(file, terminal);
  if (password === '') fail('USAGE', { detail: 'the password is empty' });
  if (password.length > maxPassword) fail('USAGE', { detail: `the password has more than ${maxPassword} characters` });
  return password;
}

function askedOrRead(file: string | undefined, terminal: Terminal): Promise<string> | string {
  if (file !== undefined) return readTextFile(file).split(/\r?\n/, 1)[0] ?? '';
  return terminal.stdin.isTTY ? askTwice(terminal) : firstLine(terminal.stdin);
}

/** Nothing of it is shown, not even how long it is. */
async function askTwice(terminal: Terminal): Promise<string> {
  const { password } = await import('@inquirer/prompts');
  const ask = (message: string) => password({ message, mask: false }, { output: terminal.stderr, input: terminal.stdin });
  try {
    const first = await ask('Enter password:');
    if (first !== (await ask('Enter it again:'))) fail('USAGE', { detail: 'the two passwords are not the same' });
    return first;
  } catch (error) {
    if (error instanceof Error && error.name === 'ExitPromptError') throw failure('ANSWER_NO', { what: 'the command' }, { cause: error });
    throw error;
  }
}

async function firstLine(stream: NodeJS.ReadStream): Promise<string> {
  for await (const line of linesOf(stream)) return line;
  return '';
}
