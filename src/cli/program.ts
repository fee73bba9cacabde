// The tree of commands. A noun's verbs are loaded only when the noun is named, so that one command does not pay for all.
import { Command, Option } from 'commander';
import type { Session } from './session.ts';
import { examplesOf } from './verb.ts';

interface Noun {
  readonly name: string;
  readonly summary: string;
  /** Adds the verbs to the noun, or the action if it has none. */
  load(): Promise<(noun: Command, session: Session) => void>;
}

export const nouns: readonly Noun[] = [
  { name: 'status', summary: 'what the agent is doing', load: async () => (await import('./commands/status.ts')).addStatus },
  { name: 'pool', summary: 'where bytes go: a directory or a bucket', load: async () => (await import('./commands/pool.ts')).addPool },
  { name: 'vault', summary: 'encrypted storage in a pool', load: async () => (await import('./commands/vault.ts')).addVault },
  { name: 'plan', summary: 'what is backed up, and where to', load: async () => (await import('./commands/plan.ts')).addPlan },
  {
    name: 'backup',
    summary: 'make backups, look into them, restore them',
    load: async () => (await import('./commands/backup.ts')).addBackup,
  },
  {
    name: 'instance',
    summary: 'servers that were started from backups',
    load: async () => (await import('./commands/instance.ts')).addInstance,
  },
  {
    name: 'freeze',
    summary: 'try out how applications are frozen and thawed',
    load: async () => (await import('./commands/freeze.ts')).addFreeze,
  },
  { name: 'task', summary: 'what runs and what ran', load: async () => (await import('./commands/task.ts')).addTask },
  {
    name: 'policy',
    summary: 'when backups are made and how long they stay',
    load: async () => (await import('./commands/policy.ts')).addPolicy,
  },
  {
    name: 'gateway',
    summary: 'the address and bandwidth that backups leave by',
    load: async () => (await import('./commands/gateway.ts')).addGateway,
  },
  { name: 'alarm', summary: 'what is wrong now, and who is told', load: async () => (await import('./commands/alarm.ts')).addAlarm },
  { name: 'event', summary: 'what happened', load: async () => (await import('./commands/event.ts')).addEvent },
  { name: 'audit', summary: 'who did what', load: async () => (await import('./commands/audit.ts')).addAudit },
  { name: 'metrics', summary: 'what running backups and vaults use', load: async () => (await import('./commands/metrics.ts')).addMetrics },
  { name: 'quota', summary: 'how much of what is allowed is used', load: async () => (await import('./commands/quota.ts')).addQuota },
  {
    name: 'apply',
    summary: 'make gateway, pools, policies, vaults and plans as a YAML file says',
    load: async () => (await import('./commands/apply.ts')).addApply,
  },
  {
    name: 'export',
    summary: 'print gateway, pools, policies, vaults and plans as YAML for apply',
    load: async () => (await import('./commands/export.ts')).addExport,
  },
  {
    name: 'recover',
    summary: 'read a vault with neither agent nor installation',
    load: async () => (await import('./commands/recover.ts')).addRecover,
  },
  { name: 'encpwd', summary: 'encrypt a password for a script', load: async () => (await import('./commands/encpwd.ts')).addEncpwd },
  {
    name: 'completion',
    summary: 'completion for bash, zsh or fish',
    load: async () => {
      const { addCompletion } = await import('./commands/completion.ts');
      return (noun, session) => addCompletion(noun, session, () => buildProgram(session, ''));
    },
  },
];

/** The first word that is no option. Options before it take no values. */
export function nounIn(argv: readonly string[]): string | undefined {
  return argv.find((word) => !word.startsWith('-'));
}

/** The tree with the verbs of `only`, or of every noun. Parsing throws CommanderError instead of exiting. */
export async function buildProgram(session: Session, version: string, only?: string): Promise<Command> {
  const { terminal } = session;
  const program = new Command('agentcli')
    .description('Stillpoint: backups of this host into restic repositories.')
    .usage('<noun> <verb> [options]')
    .addOption(new Option('--json', 'print JSON: stable, for scripts'))
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
      // Errors are printed in one place, with a hint.
      outputError: () => undefined,
      getOutHasColors: () => terminal.paint('bold', 'x') !== 'x',
      getErrHasColors: () => terminal.paint('bold', 'x') !== 'x',
      getOutHelpWidth: () => Math.min(100, terminal.width),
      getErrHelpWidth: () => Math.min(100, terminal.width),
    })
    .configureHelp({
      styleTitle: (text) => terminal.paint('bold', text),
      styleCommandText: (text) => terminal.paint('cyan', text),
      styleSubcommandText: (text) => terminal.paint('cyan', text),
      styleOptionText: (text) => terminal.paint('cyan', text),
      styleArgumentText: (text) => terminal.paint('cyan', text),
      subcommandTerm: (command) => command.name(),
      subcommandDescription: (command) => command.summary() + verbsText(session, command),
    })
    .addHelpText(
      'after',
      () => `\n${heading(session, 'Examples:')}${firstExamples}\nEvery command explains itself: agentcli vault create --help`,
    );
  for (const { name, summary, load } of nouns) {
    const noun = program
      .command(name)
      .summary(summary)
      .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`);
    noun.helpCommand(false).helpOption('-h, --help', 'show this help');
    if (only === undefined || only === name) {
      (await load())(noun, session);
      explain(noun, session);
    }
  }
  return program;
}

const firstExamples = `
  agentcli pool bind disk --type local --path /backup --create
  agentcli vault create main --pool disk --recovery-key-file /root/main.key
  agentcli plan create etc --vault main --source files --path /etc
  agentcli backup run etc --wait
  agentcli backup list
`;

function heading(session: Session, text: string): string {
  return session.terminal.paint('bold', text);
}

/** At the top the verbs stand behind each noun, so that one page shows them all. */
function verbsText(session: Session, command: Command): string {
  if (command.parent?.name() !== 'agentcli' || command.commands.length === 0) return '';
  return `\n${session.terminal.paint('dim', command.commands.map((verb) => verb.name()).join(' · '))}`;
}

/** Examples at the end of every help; a noun without a verb is a question for help. */
function explain(command: Command, session: Session): void {
  const examples = examplesOf(command);
  if (examples.length > 0)
    command.addHelpText(
      'after',
      () => `\n${heading(session, examples.length > 1 ? 'Examples:' : 'Example:')}\n${examples.map((line) => `  ${line}`).join('\n')}`,
    );
  for (const child of command.commands) explain(child, session);
}
