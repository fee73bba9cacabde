// How a plan runs, from the options of `plan create` and `plan update`.
import { type Command, Option } from 'commander';
import { fail } from '../base/errors.ts';
import type { PlanUpdate } from '../rpc/schemas-plans.ts';
import { readTextFile } from './files.ts';
import { parseBandwidth, parseCount } from './parse.ts';
import { type RuleOptions, ruleFromOptions, ruleOptions } from './rule-options.ts';
import { choice } from './verb.ts';

export interface PlanExtraOptions extends RuleOptions {
  readonly strategy?: 'manual' | 'scheduled' | 'vault';
  readonly policy?: string;
  readonly window?: string | false;
  readonly hookBefore?: readonly string[];
  readonly hookAfter?: readonly string[];
  readonly hookFailure?: readonly string[];
  readonly readLimit?: number;
  readonly cpuLimit?: number;
  readonly retries?: number;
  readonly spread?: number;
  readonly missed?: 'once' | 'skip';
  readonly maxAge?: number | false;
  readonly heartbeatFile?: string | false;
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export function planOptions(command: Command): Command {
  const run = (flags: string, description: string) => new Option(flags, description).helpGroup('How it runs:');
  const hook = (flags: string, description: string) => run(flags, description).argParser(collect);
  return ruleOptions(command)
    .addOption(
      choice('--strategy <strategy>', 'manual: only when told to; vault: as the policy of its vault says', [
        'manual',
        'scheduled',
        'vault',
      ]).helpGroup('When it runs:'),
    )
    .addOption(new Option('--policy <policy>', 'by this policy, whatever its vault has').helpGroup('When it runs:'))
    .addOption(run('--window <times>', 'starts only then, and ends at its end: 22:00-06:00, with --zone'))
    .addOption(run('--no-window', 'at any time'))
    .addOption(hook('--hook-before <name>', 'command of /etc/stillpoint/allow.yaml, run before (repeatable)'))
    .addOption(hook('--hook-after <name>', 'run afterwards, however it ended (repeatable)'))
    .addOption(hook('--hook-failure <name>', 'run when it failed (repeatable)'))
    .addOption(run('--read-limit <rate>', 'at most so much is read a second: 50M; 0 for no limit').argParser(parseBandwidth))
    .addOption(run('--cpu-limit <percent>', 'of one processor; 0 for no limit').argParser(parseCount))
    .addOption(run('--retries <n>', 'how often a run that failed for a passing reason is tried again; 2').argParser(parseCount))
    .addOption(run('--spread <minutes>', 'starts up to so much later, each plan by its own share').argParser(parseCount))
    .addOption(
      choice('--missed <what>', 'starts missed while the agent was off: made up once, or skipped', ['once', 'skip']).helpGroup(
        'How it runs:',
      ),
    )
    .addOption(run('--max-age <hours>', 'an alarm when the last good backup is older').argParser(parseCount))
    .addOption(run('--no-max-age', 'as its schedule says'))
    .addOption(run('--heartbeat-file <file>', 'addresses to ask at each run, one a line: start=…, success=…, failure=…'))
    .addOption(run('--no-heartbeat-file', 'no heartbeat any more'));
}

type Extras = Omit<PlanUpdate, 'name' | 'description' | 'vault' | 'source' | 'method' | 'consistency' | 'allowMissing'>;

/** What the options say; what is not named is left out. */
export function planExtras(options: PlanExtraOptions, help: string): Extras {
  const { strategy, policy, window, hookBefore, hookAfter, hookFailure, readLimit, cpuLimit, retries, spread, missed, maxAge } = options;
  const { heartbeatFile, zone, ...rest } = options;
  // The zone is the window's where there is no timer.
  const timer = options.cron !== undefined || options.hours !== undefined;
  const rule = ruleFromOptions(timer && zone ? { ...rest, zone } : rest, help);
  const hooks = {
    ...(hookBefore && { before: [...hookBefore] }),
    ...(hookAfter && { after: [...hookAfter] }),
    ...(hookFailure && { failure: [...hookFailure] }),
  };
  const limits = {
    ...(readLimit !== undefined && { readBytesPerSecond: readLimit }),
    ...(cpuLimit !== undefined && { cpuPercent: cpuLimit }),
  };
  return {
    ...rule,
    ...(strategy && { strategy }),
    ...(policy !== undefined && { policy }),
    ...(window !== undefined && { window: window === false ? null : windowFrom(window, zone, help) }),
    ...(Object.keys(hooks).length > 0 && { hooks }),
    ...(Object.keys(limits).length > 0 && { limits }),
    ...(retries !== undefined && { retries }),
    ...(spread !== undefined && { spreadMinutes: spread }),
    ...(missed && { missed }),
    ...(maxAge !== undefined && { maxAgeHours: maxAge === false ? null : maxAge }),
    ...(heartbeatFile !== undefined && { heartbeat: heartbeatFile === false ? null : heartbeatFrom(heartbeatFile, help) }),
  };
}

function windowFrom(text: string, zone: string | undefined, help: string) {
  const match = /^(\d{2}:\d{2})-(\d{2}:\d{2})$/.exec(text);
  if (!match) return fail('USAGE_ARGUMENT', { detail: `${text} is no window: two times of day, 22:00-06:00`, help });
  return { from: match[1]!, to: match[2]!, ...(zone && { zone }) };
}

/** Addresses of a heartbeat hold tokens, so that they come by a file. */
function heartbeatFrom(file: string, help: string) {
  const found: { start?: string; success?: string; failure?: string } = {};
  for (const line of readTextFile(file)
    .split('\n')
    .map((one) => one.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^(start|success|failure)\s*=\s*(https?:\/\/\S+)$/.exec(line);
    if (!match) return fail('USAGE_ARGUMENT', { detail: `${file}: every line is start=, success= or failure= with an address`, help });
    found[match[1] as keyof typeof found] = match[2]!;
  }
  return found;
}
