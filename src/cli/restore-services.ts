// Databases and buckets as the target of a restore: a running server, a new one, a bucket.
import type { Command } from 'commander';
import type { RestoreTargetInput } from '../rpc/schemas-backups.ts';
import { absolutePath, collect, parseTime } from './parse.ts';
import type { Restorable, RestoreOptions } from './restorable.ts';
import { bucketPlaceFrom, bucketTakes } from './sources/bucket.ts';
import { addressOptions, addressTakes, serverFrom, tableOf } from './sources/database.ts';
import { type Asking, grouped } from './sources/kind.ts';
import { bucketNameOptions } from './store-options.ts';

const engines = ['mysql', 'postgres', 'redis'] as const;
type Engine = (typeof engines)[number];

export const engineOf = ({ source }: Restorable): Engine | undefined => engines.find((engine) => engine === source);

export function serviceOptions(command: Command): Command {
  const option = grouped('Databases:');
  const moment = grouped('A moment in time (new instance, from backups of the log):');
  for (const one of [
    option('--new-instance', 'a server of its own, started from the backup in --dir, at --port'),
    option('--dir <path>', 'new or empty directory for it').argParser(absolutePath),
    option('--database <name>', 'only this database; may be repeated').argParser(collect),
    option('--table <database.table>', 'only this table; may be repeated').argParser(collect),
    option('--as <old=new>', 'under another name: database of the backup = name at the server; may be repeated').argParser(collect),
    option('--pattern <glob>', 'Redis: only keys that match'),
    option('--replace', 'overwrite what is there under the same names; refused otherwise'),
    moment('--list', 'say which moments can be reached, and do nothing'),
    moment('--to-time <time>', 'all that was committed until then (2026-03-01T12:30:00Z)').argParser(parseTime),
    moment('--to-gtid <gtid>', 'up to and with this transaction'),
    moment('--to-position <place>', 'up to this place of the log (bin.000004:1234, or an LSN)'),
    moment('--to-latest', 'to the end of the last backup of the log'),
    ...addressOptions,
    ...bucketNameOptions(),
  ])
    command.addOption(one);
  return command;
}

const addressKeys = addressTakes.filter((key) => key !== 'method');
const momentKeys = ['toTime', 'toGtid', 'toPosition', 'toLatest'] as const;

/** Options that only a server or a bucket understands. */
export const serviceKeys = [
  ...momentKeys,
  ...addressKeys,
  'dir',
  'database',
  'table',
  'as',
  'pattern',
  'replace',
  'endpoint',
  'bucket',
  'prefix',
] as const;

/** Whether a server or a bucket is named, or the one that the backup came from meant by `--in-place`. */
export const namesService = (options: RestoreOptions, backup: Restorable): boolean =>
  Boolean(options.newInstance) ||
  (engineOf(backup) !== undefined && (Boolean(options.inPlace) || addressKeys.some((key) => options[key] !== undefined))) ||
  (backup.source === 'bucket' && (Boolean(options.inPlace) || options.bucket !== undefined || options.endpoint !== undefined));

/** Throws USAGE_ARGUMENT. */
export async function serviceFrom(options: RestoreOptions, backup: Restorable, asking: Asking): Promise<RestoreTargetInput> {
  const { wrong } = asking;
  const moments = momentKeys.filter((key) => options[key] !== undefined);
  if (options.newInstance) return instanceFrom(options, moments, wrong);
  if (moments.length > 0) wrong('a moment in time is reached in a server of its own: add --new-instance --dir DIRECTORY --port PORT');
  if (backup.source === 'bucket') return bucketFrom(options, asking);
  const engine = engineOf(backup) ?? wrong('this is no backup of a database');
  const named = addressKeys.some((key) => options[key] !== undefined);
  const server = named ? { server: await serverFrom(options, undefined, asking) } : {};
  const existing = options.replace ? ({ existing: 'replace' } as const) : {};
  if (engine === 'redis')
    return { kind: engine, ...server, ...existing, ...(options.pattern !== undefined && { pattern: options.pattern }) };
  return {
    kind: engine,
    ...server,
    ...existing,
    ...(options.database && { databases: [...options.database] }),
    ...(options.table && { tables: options.table.map((name) => tableOf(name, wrong)) }),
    ...(options.as && { as: Object.fromEntries(options.as.map((text) => renamed(text, wrong))) }),
  };
}

function instanceFrom(
  options: RestoreOptions,
  moments: readonly (typeof momentKeys)[number][],
  wrong: Asking['wrong'],
): RestoreTargetInput {
  const { dir, port, toTime, toGtid, toPosition, toLatest } = options;
  if (dir === undefined || port === undefined) return wrong('a new instance needs --dir DIRECTORY and --port PORT');
  if (moments.length > 1) wrong('--to-time, --to-gtid, --to-position and --to-latest exclude each other');
  const until = {
    ...(toTime !== undefined && { time: toTime }),
    ...(toGtid !== undefined && { gtid: toGtid }),
    ...(toPosition !== undefined && { place: toPosition }),
    ...(toLatest && { latest: true as const }),
  };
  return { kind: 'instance', directory: dir, port, ...(moments.length > 0 && { until }) };
}

async function bucketFrom(options: RestoreOptions, asking: Asking): Promise<RestoreTargetInput> {
  const named = bucketTakes.some((key) => options[key] !== undefined);
  return {
    kind: 'bucket',
    ...(named && { place: bucketPlaceFrom(options, undefined, asking) }),
    ...(options.credentialsFile !== undefined && { credentials: await asking.credentials(options, 'the bucket') }),
    ...(options.include && { include: [...options.include] }),
    ...(options.overwrite && { overwrite: options.overwrite }),
  };
}

function renamed(text: string, wrong: Asking['wrong']): readonly [string, string] {
  const at = text.indexOf('=');
  return at > 0 && at < text.length - 1 ? [text.slice(0, at), text.slice(at + 1)] : wrong(`--as takes OLD=NEW, not ${text}`);
}
