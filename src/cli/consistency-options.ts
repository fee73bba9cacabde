// How far a backup is to be one moment of its source, from the options of `plan create` and `plan update`.
import { type Command, Option } from 'commander';
import type { Backup } from '../rpc/schemas-backups.ts';
import type { Plan, PlanCreate } from '../rpc/schemas-plans.ts';
import { parseCount } from './parse.ts';
import type { Paint } from './terminal.ts';
import { choice } from './verb.ts';

export interface ConsistencyOptions {
  readonly consistency?: 'application' | 'crash';
  readonly otherwise?: 'fall-back' | 'fail';
  readonly allowInconsistent?: boolean;
  readonly freezeLimit?: number;
}

const group = 'Consistency:';

export function consistencyOptions(command: Command): Command {
  const option = (flags: string, description: string) => new Option(flags, description).helpGroup(group);
  return command
    .addOption(
      choice('--consistency <level>', 'application: freeze applications around the snapshot', ['application', 'crash']).helpGroup(group),
    )
    .addOption(choice('--otherwise <what>', 'when that cannot be had: a grey backup, or none', ['fall-back', 'fail']).helpGroup(group))
    .addOption(option('--allow-inconsistent', 'read disks that are written to and have no snapshot'))
    .addOption(option('--no-allow-inconsistent', 'refuse them (the default)'))
    .addOption(option('--freeze-limit <seconds>', 'everything is thawed after so long, whatever happens; 60').argParser(parseCount));
}

/** Undefined when none is named. */
export function consistencyFrom(options: ConsistencyOptions): PlanCreate['consistency'] | undefined {
  const { consistency, otherwise, allowInconsistent, freezeLimit } = options;
  const named = {
    ...(consistency && { freeze: consistency === 'application' }),
    ...(otherwise && { otherwise }),
    ...(allowInconsistent !== undefined && { allowInconsistent }),
    ...(freezeLimit !== undefined && { freezeLimit }),
  };
  return Object.keys(named).length > 0 ? named : undefined;
}

export function consistencyText({ consistency, source }: Plan): string | undefined {
  const { freeze, otherwise, allowInconsistent, freezeLimit } = consistency;
  if (source.kind === 'command' || ('method' in source && source.method !== 'snapshot') || source.kind === 'bucket') return undefined;
  const wanted = freeze ? `application, frozen for at most ${freezeLimit} s; otherwise ${otherwise}` : 'crash';
  return allowInconsistent ? `${wanted}; inconsistent disks allowed` : wanted;
}

/** The guide's mark in lists: a blue A is application-consistent, a grey one is not, although it was asked for. */
export function consistencyMark({ consistency, consistencyReason }: Backup, paint: Paint): string {
  if (consistency === 'application') return paint('blue', 'A');
  return consistencyReason === null ? '' : paint('dim', 'a');
}
