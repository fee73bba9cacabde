// agentcli alarm sink …
import type { Command } from 'commander';
import { fail } from '../../base/errors.ts';
import { type Level, levels } from '../../model/event.ts';
import type { AlarmSink, SinkInput } from '../../rpc/schemas-alarms.ts';
import { readKeyFile, readTextFile } from '../files.ts';
import { printList, readPages } from '../list.ts';
import { collect, parseCount } from '../parse.ts';
import type { Session } from '../session.ts';
import { type Paint, printable } from '../terminal.ts';
import { choice, type ListOptions, listOptions, verb } from '../verb.ts';
import { levelText } from './event.ts';

interface SinkOptions {
  readonly kind: SinkInput['kind'];
  readonly level?: Level;
  readonly url?: string;
  readonly urlFile?: string;
  readonly auth?: 'none' | 'bearer' | 'hmac';
  readonly secretFile?: string;
  readonly timeout?: number;
  readonly host?: string;
  readonly port?: number;
  readonly tls?: 'starttls' | 'tls' | 'none';
  readonly user?: string;
  readonly from?: string;
  readonly to?: readonly string[];
  readonly caFile?: string;
  readonly command?: string;
}

type Option = Exclude<keyof SinkOptions, 'kind' | 'level'>;

/** What goes with which kind; the others are refused rather than ignored. */
const optionsOf: { readonly [K in SinkInput['kind']]: readonly Option[] } = {
  webhook: ['url', 'urlFile', 'auth', 'secretFile', 'timeout', 'caFile'],
  mail: ['host', 'port', 'tls', 'user', 'secretFile', 'from', 'to', 'caFile'],
  command: ['command'],
};
const help = 'agentcli alarm sink add --help';
const secretVariable = 'STILLPOINT_ALARM_SECRET';

export function addAlarmSink(noun: Command, session: Session): void {
  const sink = noun
    .command('sink')
    .summary('who is told of alarms')
    .description('Receivers of alarms. The log of the agent is always one.');
  sink.helpCommand(false).helpOption('-h, --help', 'show this help');

  verb(
    sink,
    'add <name>',
    'add a receiver; it is told what stands already',
    'agentcli alarm sink add ops --kind webhook --url-file /root/hook.url --level major',
    'agentcli alarm sink add post --kind mail --host smtp.example.org --user backup --secret-file /root/smtp.pw --from backup@example.org --to ops@example.org',
    'agentcli alarm sink add pager --kind command --command page-somebody',
  )
    .addOption(choice('--kind <kind>', 'how it is told', Object.keys(optionsOf)).makeOptionMandatory())
    .addOption(choice('--level <level>', 'only alarms of this level and above', levels))
    .option('--url <url>', 'webhook: an address without secrets in it')
    .option('--url-file <file>', 'webhook: a file whose first line is the address')
    .addOption(
      choice('--auth <how>', 'webhook: how the secret is used: sent as a token, or to sign (HMAC-SHA256)', ['none', 'bearer', 'hmac']),
    )
    .option('--secret-file <file>', `webhook, mail: the secret or the password; else ${secretVariable} or a question`)
    .option('--timeout <seconds>', 'webhook: 1 to 30; 10 if not given', parseCount)
    .option('--host <host>', 'mail: the SMTP server')
    .option('--port <n>', 'mail: 587, with tls 465, with none 25 if not given', parseCount)
    .addOption(choice('--tls <how>', 'mail: starttls if not given', ['starttls', 'tls', 'none']))
    .option('--user <name>', 'mail: to log in')
    .option('--from <address>', 'mail: the sender')
    .option('--to <address>', 'mail: a receiver; may be given several times', collect)
    .option('--ca-file <file>', 'webhook, mail: certificates to trust besides the system’s (PEM)')
    .option('--command <name>', 'command: a name of /etc/stillpoint/allow.yaml')
    .action(async (name: string, options: SinkOptions) => {
      const settings = await settingsFrom(session, options);
      const body = { name, settings, ...(options.level && { level: options.level }) };
      const made = await (await session.agent()).call('alarmSinkCreate', { body });
      if (session.json) return session.printJson(made);
      session.print(`receiver ${session.terminal.paint('bold', made.name)} added: ${settingsText(made)}\n`);
      session.remark(`try it with: agentcli alarm test ${made.name}\n`);
    });

  listOptions(verb(sink, 'list', 'list receivers and how they fare', 'agentcli alarm sink list')).action(async (options: ListOptions) => {
    const client = await session.agent();
    const page = await readPages(options, (query) => client.call('alarmSinkList', { query }));
    const columns = [
      { title: 'NAME', value: (item: AlarmSink, paint: Paint) => paint('bold', item.name) },
      { title: 'KIND', value: (item: AlarmSink) => item.kind },
      { title: 'LEVEL', value: (item: AlarmSink, paint: Paint) => levelText(item.level, paint) },
      { title: 'TOLD', value: settingsText },
      { title: 'WAITING', value: (item: AlarmSink) => String(item.waiting), align: 'right' as const },
      { title: 'TROUBLE', value: (item: AlarmSink, paint: Paint) => paint('red', printable(item.trouble)), flexible: true },
    ];
    await printList(session, page, () => columns, 'no receiver that matches');
  });

  verb(sink, 'remove <name>', 'remove a receiver; what it has not been told is dropped', 'agentcli alarm sink remove ops')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, options: { readonly yes?: boolean }) => {
      const { confirmDestruction } = await import('../prompt.ts');
      await confirmDestruction(session.terminal, `removing the receiver ${id}`, `Remove the alarm receiver ${id}?`, options.yes);
      const removed = await (await session.agent()).call('alarmSinkDelete', { params: { id } });
      if (session.json) session.printJson(removed);
      else session.print(`receiver ${id} removed\n`);
    });
}

async function settingsFrom(session: Session, options: SinkOptions): Promise<SinkInput> {
  const { kind, url, urlFile, auth, timeout, host, port, tls, user, from, to, caFile, command } = options;
  const needs = (flag: string): never => fail('USAGE_ARGUMENT', { detail: `a receiver of the kind ${kind} needs ${flag}`, help });
  const foreign = Object.values(optionsOf)
    .flat()
    .find((option) => options[option] !== undefined && !optionsOf[kind].includes(option));
  if (foreign)
    fail('USAGE_ARGUMENT', {
      detail: `--${foreign.replace(/[A-Z]/g, (big) => `-${big.toLowerCase()}`)} does not go with --kind ${kind}`,
      help,
    });
  const ca = caFile === undefined ? {} : { caPem: readTextFile(caFile) };
  if (kind === 'command') return { kind, command: command ?? needs('--command NAME') };
  if (kind === 'mail') {
    const address = { host: host ?? needs('--host HOST'), from: from ?? needs('--from ADDRESS'), to: [...(to ?? needs('--to ADDRESS'))] };
    const login =
      user === undefined ? {} : { user, password: (await secretFrom(session, options, 'Password')) ?? needs('--secret-file FILE') };
    return { kind, ...address, ...login, ...ca, ...(port !== undefined && { port }), ...(tls && { tls }) };
  }
  const address = url ?? (urlFile === undefined ? needs('--url URL or --url-file FILE') : readKeyFile(urlFile));
  const asked = auth === 'none' ? undefined : await secretFrom(session, options, auth && 'Secret');
  if (auth !== undefined && auth !== 'none' && asked === undefined) needs('--secret-file FILE');
  const secret = asked === undefined ? {} : { secret: asked };
  return { kind, url: address, ...secret, ...ca, ...(auth && { auth }), ...(timeout !== undefined && { timeoutSeconds: timeout }) };
}

/** From the file, the environment, or (where there is a `question`) somebody to ask. */
async function secretFrom(session: Session, { secretFile }: SinkOptions, question: string | undefined): Promise<string | undefined> {
  if (secretFile !== undefined) return readKeyFile(secretFile);
  const found = session.environment[secretVariable];
  if (found || question === undefined) return found || undefined;
  const { secretPrompt } = await import('../prompt.ts');
  return (await secretPrompt(session.terminal)?.(question))?.trim() || undefined;
}

function settingsText({ settings }: AlarmSink): string {
  if ('server' in settings) return printable(settings.server);
  if ('to' in settings) return printable(`${settings.to.join(', ')} by ${settings.host}`);
  return 'command' in settings ? settings.command : 'log/rdagent.log';
}
