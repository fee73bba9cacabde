// conf/agent.yaml: what an operator may set. Everything has a default; a key that nobody knows is refused rather than ignored.
import { readFileSync } from 'node:fs';
import { type Static, Type } from 'typebox';
import { parse } from 'yaml';
import { errnoOf, fail } from '../base/errors.ts';
import { shapeOf } from '../base/shape.ts';

const SettingsFile = Type.Object(
  {
    port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535, description: 'of the RPC on 127.0.0.1; 0 takes a free one' })),
    tasksAtOnce: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
    taskNiceness: Type.Optional(Type.Integer({ minimum: 0, maximum: 19 })),
    freezesPerHour: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'retries must not hammer what is frozen' })),
    strictGuide: Type.Optional(
      Type.Boolean({ description: 'retention by the guide to the letter: the newest good backup of a plan is not protected' }),
    ),
    checkDays: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 365, description: 'each vault’s structure is checked so often; 0 for never' }),
    ),
    readDataDays: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 365,
        description: 'all data of each vault are read within so many days, a share each day; 0 for never',
      }),
    ),
    pruneDays: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 365, description: 'space of expired backups is given back so often; 0 for never' }),
    ),
    keepAuditDays: Type.Optional(Type.Integer({ minimum: 30, maximum: 36_500 })),
    keepTasksDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 3650 })),
    logLevel: Type.Optional(
      Type.Union([Type.Literal('trace'), Type.Literal('debug'), Type.Literal('info'), Type.Literal('warn'), Type.Literal('error')]),
    ),
  },
  { additionalProperties: false },
);

export type Settings = Readonly<Required<Static<typeof SettingsFile>>>;

export const defaultSettings: Settings = {
  port: 8091,
  tasksAtOnce: 2,
  taskNiceness: 10,
  freezesPerHour: 2,
  strictGuide: false,
  checkDays: 7,
  readDataDays: 30,
  pruneDays: 1,
  keepTasksDays: 30,
  keepAuditDays: 400,
  logLevel: 'info',
};

const shape = shapeOf(SettingsFile);

/** The file, then AGENT_PORT and AGENT_LOG_LEVEL on top of it. Throws CONFIG_INVALID. */
export function readSettings(file: string, environment: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const fromFile = readYaml(file);
  const fault = shape.fault(fromFile);
  if (fault) fail('CONFIG_INVALID', { file, detail: fault });
  const port = environment['AGENT_PORT'];
  const logLevel = environment['AGENT_LOG_LEVEL'];
  const fromEnvironment = { ...(port && { port: /^\d+$/.test(port) ? Number(port) : port }), ...(logLevel && { logLevel }) };
  const environmentFault = shape.fault(fromEnvironment);
  if (environmentFault) fail('CONFIG_INVALID', { file: 'AGENT_PORT or AGENT_LOG_LEVEL', detail: environmentFault });
  return { ...defaultSettings, ...(fromFile as Partial<Settings>), ...(fromEnvironment as Partial<Settings>) };
}

function readYaml(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return {};
    fail('CONFIG_INVALID', { file, detail: (error as Error).message }, { cause: error });
  }
  try {
    return parse(text) ?? {};
  } catch (error) {
    fail('CONFIG_INVALID', { file, detail: (error as Error).message.split('\n')[0] ?? 'it is no YAML' }, { cause: error });
  }
}
