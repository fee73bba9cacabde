// Receivers of alarms: each kind with what it is told by, from what was asked for to a row and from there to its adapter. An adapter is
// loaded when there is something to tell.
import type { MailSettings } from '../alarms/mail.ts';
import type { WebhookSettings } from '../alarms/webhook.ts';
import { fail, failure } from '../base/errors.ts';
import { findUser } from '../base/users.ts';
import { allowFileOf, readAllowList } from '../config/allow-list.ts';
import type { AlarmSink } from '../ports/alarm-sink.ts';
import type { AlarmSink as AlarmSinkView, SinkInput } from '../rpc/schemas-alarms.ts';
import type { AlarmSinkRow } from '../state/alarms.ts';
import type { AgentGround } from './ground.ts';

type Needs = Pick<AgentGround, 'sealer'>;
type Input<K extends SinkInput['kind']> = Extract<SinkInput, { kind: K }>;
type Secret = Readonly<Record<string, string>>;

interface Kept {
  /** May be shown to everybody who may list receivers. */
  readonly settings: AlarmSinkView['settings'];
  readonly secret: Secret;
}

interface Kind<K extends SinkInput['kind']> {
  /** Throws USAGE for what the schema could not see. */
  keep(input: Input<K>): Kept;
  open(name: string, settings: unknown, secret: Secret): Promise<AlarmSink>;
}

/** All kinds there are. */
export const sinkKinds: { readonly [K in SinkInput['kind']]: Kind<K> } = {
  webhook: {
    keep({ url, auth, secret, timeoutSeconds = 10, caPem }) {
      const { origin } = checkedUrl(url);
      const how = auth ?? (secret === undefined ? 'none' : 'bearer');
      if ((how === 'none') !== (secret === undefined))
        fail('USAGE', { detail: `a web hook with --auth ${how} takes ${how === 'none' ? 'no' : 'a'} secret` });
      return {
        settings: { server: origin, auth: how, timeoutSeconds, ...(caPem !== undefined && { caPem }) },
        secret: { url, ...(secret !== undefined && { secret }) },
      };
    },
    open: async (name, settings, secret) =>
      (await import('../alarms/webhook.ts')).webhookSink(name, { ...(settings as WebhookSettings), ...secret }),
  },
  mail: {
    keep({ kind: _kind, password, tls = 'starttls', port = tls === 'tls' ? 465 : tls === 'starttls' ? 587 : 25, ...rest }) {
      if ((rest.user === undefined) !== (password === undefined))
        fail('USAGE', { detail: 'a mail server takes a user and a password, or neither' });
      if (password !== undefined && tls === 'none' && !isLoopback(rest.host))
        fail('USAGE', { detail: 'with --tls none the password would cross the network in the open: use starttls or tls' });
      return { settings: { ...rest, tls, port }, secret: password === undefined ? {} : { password } };
    },
    open: async (name, settings, secret) =>
      (await import('../alarms/mail.ts')).mailSink(name, { ...(settings as MailSettings), ...secret }),
  },
  command: {
    keep({ command }) {
      allowedWords(command);
      return { settings: { command }, secret: {} };
    },
    // Looked up each time: what root takes off the list is not run any more.
    open: async (name, settings) => {
      const words = wordsFor(name, (settings as { readonly command: string }).command);
      return (await import('../alarms/command.ts')).commandSink(name, words);
    },
  },
};

const secretContext = (id: string) => `alarm-sink/${id}/secret`;

/** What of the input becomes columns of the row. Throws USAGE, NOT_FOUND or NOT_ALLOWED. */
export function keepSink({ sealer }: Needs, id: string, input: SinkInput): Pick<AlarmSinkRow, 'kind' | 'settings' | 'secret'> {
  const { settings, secret } = (sinkKinds[input.kind] as Kind<SinkInput['kind']>).keep(input);
  const sealed = Object.keys(secret).length === 0 ? null : sealer.seal(secretContext(id), JSON.stringify(secret));
  return { kind: input.kind, settings, secret: sealed };
}

/** Throws SECRET_UNREADABLE or ALARM_SINK. */
export function openSink({ sealer }: Needs, { id, name, kind, settings, secret }: AlarmSinkRow): Promise<AlarmSink> {
  const known = sinkKinds[kind as SinkInput['kind']];
  if (!known) throw failure('ALARM_SINK', { sink: name, detail: `this version knows no receivers of the kind ${kind}` });
  return known.open(name, settings, secret === null ? {} : (JSON.parse(sealer.open(secretContext(id), secret)) as Secret));
}

function checkedUrl(text: string): URL {
  const url = URL.parse(text);
  if (!url || !['http:', 'https:'].includes(url.protocol))
    fail('USAGE', { detail: 'the address of a web hook begins with https:// or http://' });
  if (url.username || url.password)
    fail('USAGE', { detail: 'the address of a web hook holds no user and password: give a secret instead' });
  return url;
}

const isLoopback = (host: string) => host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);

function wordsFor(sink: string, command: string): readonly [string, ...string[]] {
  try {
    return allowedWords(command);
  } catch (error) {
    throw failure('ALARM_SINK', { sink, detail: (error as Error).message }, { cause: error });
  }
}

/** Never as root: an alarm needs no rights. Throws NOT_FOUND, NOT_ALLOWED, or CONFIG_INVALID for a list that cannot be believed. */
export function allowedWords(name: string, own: number = process.getuid?.() ?? -1): readonly [string, ...string[]] {
  const root = 0;
  const { commands } = readAllowList(allowFileOf(), root);
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!entry) fail('NOT_ALLOWED', { what: `the command ${name}`, reason: 'it is not in /etc/stillpoint/allow.yaml' });
  const words = (entry.argv ?? ['bash', '-o', 'pipefail', '-c', entry.shell]) as readonly [string, ...string[]];
  const user = findUser(entry.user);
  const reason = `alarms are told by rdagent, which runs as uid ${own} and may not become ${entry.user}`;
  if (!user || user.uid === root) fail('NOT_ALLOWED', { what: `the command ${name}`, reason: `${reason}; no alarm command runs as root` });
  if (user.uid === own) return words;
  if (own !== root) fail('NOT_ALLOWED', { what: `the command ${name}`, reason });
  return ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups', '--', ...words];
}
