// Where a restore writes, as a caller names it, with what is left out filled in and what cannot be meant refused.
import { isAbsolute } from 'node:path';
import { fail, failure } from '../base/errors.ts';
import type { SourceSettings } from '../model/plan.ts';
import type { BucketSource, Engine, ServerAddress } from '../model/service.ts';
import type { RestoreTarget } from '../model/task.ts';
import type { RestoreTargetInput } from '../rpc/schemas.ts';
import { bucketPlace } from './bucket-place.ts';
import { commandWords, completeServer } from './complete-source.ts';

/** What is known of the backup. */
export interface Restored {
  /** Its kind of source, as the record tells it. */
  readonly source: string | null;
  readonly method: string | null;
  /** What its plan reads, with the secret; undefined where there is no plan any more. */
  readonly planned?: SourceSettings | undefined;
  /** Records with the log since. */
  readonly logs: readonly string[];
}

type Complete = {
  readonly [K in RestoreTargetInput['kind']]: (
    input: Extract<RestoreTargetInput, { kind: K }>,
    backup: Restored,
  ) => Extract<RestoreTarget, { kind: K }>;
};

const engines: readonly string[] = ['mysql', 'postgres', 'redis'] satisfies Engine[];

const completions: Complete = {
  files: ({ path, include = [], overwrite = 'always', verify = false, delete: remove = false }) => {
    needAbsolute(path);
    return { kind: 'files', path, include, overwrite, delete: remove, verify };
  },
  disk: ({ map, verify = false }) => {
    if (Object.keys(map).length === 0) fail('USAGE', { detail: 'target.map names no disk' });
    Object.values(map).forEach(needAbsolute);
    return { kind: 'disk', map, verify };
  },
  command: ({ before = [], after = [], ...load }) => ({
    kind: 'command',
    ...commandWords(load, 'a command target'),
    ...(before.length > 0 && { before: before.map((words) => commandWords(words, 'a command before the load')) }),
    ...(after.length > 0 && { after: after.map((words) => commandWords(words, 'a command after the load')) }),
  }),
  mysql: ({ server, databases = [], tables = [], as = {}, existing = 'refuse' }, backup) => ({
    kind: 'mysql',
    server: serverOf('mysql', server, backup),
    databases,
    tables,
    as,
    existing,
  }),
  postgres: ({ server, databases = [], tables = [], as = {}, existing = 'refuse' }, backup) => ({
    kind: 'postgres',
    server: serverOf('postgres', server, backup),
    databases,
    tables,
    as,
    existing,
  }),
  redis: ({ server, pattern, existing = 'refuse' }, backup) => ({
    kind: 'redis',
    server: serverOf('redis', server, backup),
    existing,
    ...(pattern !== undefined && { pattern }),
  }),
  bucket: ({ place, credentials, include = [], overwrite = 'always' }, backup) => {
    needSource('bucket', backup);
    const planned = backup.planned?.kind === 'bucket' ? backup.planned : undefined;
    return {
      kind: 'bucket',
      include,
      overwrite,
      ...(place ? { place: bucketPlace(place) } : placeOf(planned)),
      ...keysFor(credentials, planned),
    };
  },
  instance: ({ directory, port, until }, backup) => {
    const { source, method } = backup;
    if (source === null || !engines.includes(source))
      fail('USAGE', { detail: 'a new instance is made of a backup of MySQL, PostgreSQL or Redis' });
    needAbsolute(directory);
    const { latest, ...moment } = until ?? {};
    if (until && Object.keys(until).length !== 1) fail('USAGE', { detail: 'target.until is one of time, gtid, place and latest' });
    if (until && backup.logs.length === 0)
      fail('POINT_UNREACHABLE', { point: momentText(until), detail: 'no backup of a log follows this backup', id: 'ID' });
    return {
      kind: 'instance',
      engine: source as Engine,
      method: method ?? 'logical',
      directory,
      port,
      logs: until ? backup.logs : [],
      ...(until && !latest && { until: moment }),
    };
  },
};

/** Throws USAGE, POINT_UNREACHABLE. */
export function completeTarget(input: RestoreTargetInput, backup: Restored): RestoreTarget {
  return (completions[input.kind] as (input: RestoreTargetInput, backup: Restored) => RestoreTarget)(input, backup);
}

function needAbsolute(path: string): void {
  if (!isAbsolute(path)) throw failure('USAGE', { detail: `the target ${path} is not an absolute path` });
}

function needSource(kind: string, { source }: Restored): void {
  if (source !== kind) fail('USAGE', { detail: `this is a backup of ${source ?? 'files'}, not of ${kind}` });
}

/** The one that is named, else that of the plan. */
function serverOf(kind: Engine, server: ServerAddress | undefined, backup: Restored): ServerAddress {
  needSource(kind, backup);
  if (server !== undefined) return completeServer(server);
  const { planned } = backup;
  if (planned?.kind !== kind || !('server' in planned))
    return fail('USAGE', { detail: 'the plan of this backup is gone: name the server to restore into' });
  return planned.server;
}

function placeOf(planned: BucketSource | undefined) {
  return planned ? { place: planned.place } : fail('USAGE', { detail: 'the plan of this backup is gone: name the bucket to restore into' });
}

/** Another place may be reached with the same keys. */
function keysFor(given: BucketSource['credentials'], planned: BucketSource | undefined): Pick<BucketSource, 'credentials'> {
  const credentials = given ?? planned?.credentials;
  return credentials ? { credentials } : {};
}

const momentText = ({ time, gtid, place }: { time?: number; gtid?: string; place?: string }): string =>
  time === undefined ? (gtid ?? place ?? 'latest') : new Date(time).toISOString();
