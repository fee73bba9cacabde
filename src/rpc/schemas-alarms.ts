import { type Static, Type } from 'typebox';
import { listOf, listQuery, strict, Time } from './schemas-common.ts';
import { Level, SubjectDocument } from './schemas-events.ts';

const orNull = <T extends Parameters<typeof Type.Array>[0]>(schema: T) => Type.Union([schema, Type.Null()]);

export const Alarm = strict({
  id: Type.String(),
  subject: SubjectDocument,
  type: Type.String({ description: 'BACKUP_FAILED, POOL_OFFLINE, VAULT_USAGE …' }),
  level: Type.Union([...Level.anyOf], { description: 'the highest that it has reached' }),
  content: Type.String(),
  count: Type.Integer({ description: 'how often it was raised since it stands' }),
  raisedAt: Time,
  lastAt: Time,
  clearedAt: orNull(Time),
  ackedAt: orNull(Time),
  ackedBy: orNull(Type.String()),
});
export type Alarm = Static<typeof Alarm>;

export const AlarmQuery = listQuery({
  all: Type.Optional(Type.Boolean({ description: 'also those that are over; only standing ones if left out' })),
  subject: Type.Optional(Type.String({ minLength: 1, description: 'ID or name of a plan, vault or pool' })),
  type: Type.Optional(Type.String({ minLength: 1 })),
  level: Type.Optional(Type.Union([...Level.anyOf], { description: 'this level and above' })),
});
export type AlarmQuery = Static<typeof AlarmQuery>;
export const AlarmList = listOf(Alarm);

export const AlarmTest = strict({ sink: Type.Optional(Type.String({ minLength: 1, description: 'ID or name; all if left out' })) });
export const AlarmTested = strict({
  items: Type.Array(
    strict({ sink: Type.String(), taken: Type.Boolean(), detail: Type.String({ description: 'why not; empty if it was' }) }),
  ),
});
export type AlarmTested = Static<typeof AlarmTested>;

const RuleWords = {
  metric: Type.Union([Type.Literal('cpu'), Type.Literal('memory'), Type.Literal('network-in'), Type.Literal('network-out')]),
  threshold: Type.Number({ exclusiveMinimum: 0, maximum: 2 ** 53, description: 'percent of one processor, bytes, bytes a second' }),
  seconds: Type.Integer({ minimum: 1, maximum: 86_400, description: 'how long it has to be above' }),
  level: Level,
};
export const AlarmRule = strict({ id: Type.String(), planId: Type.String(), planName: Type.String(), ...RuleWords, createdAt: Time });
export type AlarmRule = Static<typeof AlarmRule>;
export const AlarmRuleCreate = strict({
  plan: Type.String({ minLength: 1, description: 'ID or name; not of a plan whose method is snapshot' }),
  ...RuleWords,
});
export const AlarmRuleQuery = listQuery({ plan: Type.Optional(Type.String({ minLength: 1, description: 'ID or name' })) });
export const AlarmRuleList = listOf(AlarmRule);

const caPem = Type.Optional(Type.String({ maxLength: 1_000_000, description: 'certificates to trust besides the system’s' }));
const Address = Type.String({ pattern: '^[^\\s<>"\\\\,;:()@]{1,64}@[^\\s<>"\\\\,;:()@]{1,255}$', description: 'a plain mail address' });
const host = Type.String({ minLength: 1, maxLength: 253, pattern: '^[A-Za-z0-9._:-]+$' });
const port = Type.Integer({ minimum: 1, maximum: 65_535 });
const tls = Type.Union([Type.Literal('starttls'), Type.Literal('tls'), Type.Literal('none')]);
const timeoutSeconds = Type.Integer({ minimum: 1, maximum: 30 });
const auth = Type.Union([Type.Literal('none'), Type.Literal('bearer'), Type.Literal('hmac')]);
const command = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$', description: 'a name of /etc/stillpoint/allow.yaml' });

export const WebhookInput = strict({
  kind: Type.Literal('webhook'),
  url: Type.String({ minLength: 1, maxLength: 2048, description: 'http or https; kept sealed, for it may hold a token' }),
  auth: Type.Optional(Type.Union([...auth.anyOf], { description: 'how the secret is used; bearer if there is one and nothing is said' })),
  secret: Type.Optional(Type.String({ minLength: 1, maxLength: 4096, pattern: '^[\\x21-\\x7e]+$' })),
  timeoutSeconds: Type.Optional(timeoutSeconds),
  caPem,
});
export const MailInput = strict({
  kind: Type.Literal('mail'),
  host,
  port: Type.Optional(port),
  tls: Type.Optional(Type.Union([...tls.anyOf], { description: 'starttls if left out' })),
  user: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  password: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  from: Address,
  to: Type.Array(Address, { minItems: 1, maxItems: 50 }),
  caPem,
});
export const CommandInput = strict({ kind: Type.Literal('command'), command });

export const SinkInput = Type.Union([WebhookInput, MailInput, CommandInput]);
export type SinkInput = Static<typeof SinkInput>;

export const AlarmSinkCreate = strict({
  name: Type.String({ description: '1-64 letters, digits, _ or -' }),
  level: Type.Optional(Type.Union([...Level.anyOf], { description: 'of this level and above; info if left out' })),
  settings: SinkInput,
});

/** Without secrets: of a web hook's address the server alone. */
export const SinkSettings = Type.Union([
  strict({ server: Type.String(), auth, timeoutSeconds, caPem }),
  strict({ host, port, tls, user: Type.Optional(Type.String()), from: Type.String(), to: Type.Array(Type.String()), caPem }),
  strict({ command }),
  strict({}),
]);

export const AlarmSink = strict({
  id: Type.String({ description: 'log for the agent’s own log, which is always told' }),
  name: Type.String(),
  kind: Type.String({ description: 'log, webhook, mail or command' }),
  settings: SinkSettings,
  level: Level,
  hasSecret: Type.Boolean(),
  waiting: Type.Integer({ description: 'alerts that it has not taken yet' }),
  trouble: Type.String({ description: 'why it did not take the last one; empty if it did' }),
  createdAt: Time,
  updatedAt: Time,
});
export type AlarmSink = Static<typeof AlarmSink>;
export const AlarmSinkQuery = listQuery({});
export const AlarmSinkList = listOf(AlarmSink);
