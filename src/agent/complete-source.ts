// What a plan reads, as a caller names it, with what is left out filled in and what cannot be meant refused.
import { isAbsolute, normalize } from 'node:path';
import { fail } from '../base/errors.ts';
import type { CommandWords, SourceSettings } from '../model/plan.ts';
import type { ServerAddress } from '../model/service.ts';
import type { SourceInput } from '../rpc/schemas.ts';
import { bucketPlace } from './bucket-place.ts';

/** The id of the plan that is named. Throws NOT_FOUND. */
export type FindPlan = (reference: string) => { readonly id: string; readonly source: SourceSettings };

type Complete = {
  readonly [K in SourceInput['kind']]: (
    input: Extract<SourceInput, { kind: K }>,
    planName: string,
    findPlan: FindPlan,
  ) => Extract<SourceSettings, { kind: K }>;
};

const completions: Complete = {
  disk: ({ paths }) => ({ kind: 'disk', paths: paths.map(absolute) }),
  files: ({ paths, excludes = [], excludeFiles = [], oneFileSystem = false, excludeCaches = false }) => ({
    kind: 'files',
    paths: paths.map(absolute),
    excludes,
    excludeFiles: excludeFiles.map(absolute),
    oneFileSystem,
    excludeCaches,
  }),
  server: ({ disks = 'all', exclude = [] }) => ({ kind: 'server', disks, exclude: exclude.map(diskName) }),
  command: (input, planName) => {
    const { fileName = planName, minBytes = 0, expectTail } = input;
    const words = commandWords(input, 'a command source');
    if (fileName === '' || fileName === '.' || fileName === '..' || /[/\0]/.test(fileName))
      fail('USAGE', { detail: `source.fileName ${JSON.stringify(fileName)} is no file name` });
    if (expectTail !== undefined) checkExpression(expectTail);
    return { kind: 'command', fileName, minBytes, ...words, ...(expectTail && { expectTail }) };
  },
  mysql: ({ method = 'logical', server = {}, databases = [], tables = [], base }, _name, findPlan) => {
    if (method !== 'logical' && databases.length + tables.length > 0)
      fail('USAGE', { detail: `the method ${method} reads the whole server: databases and tables can be chosen for logical only` });
    return { kind: 'mysql', method, server: completeServer(server), databases, tables, ...baseOf('mysql', method, base, findPlan) };
  },
  postgres: ({ method = 'logical', server = {}, databases = [], base }, _name, findPlan) => {
    if (method !== 'logical' && databases.length > 0)
      fail('USAGE', { detail: `the method ${method} reads the whole server: databases can be chosen for logical only` });
    return { kind: 'postgres', method, server: completeServer(server), databases, ...baseOf('postgres', method, base, findPlan) };
  },
  redis: ({ server = {} }) => ({ kind: 'redis', method: 'logical', server: completeServer(server) }),
  bucket: ({ place, credentials, versions = false }) => ({
    kind: 'bucket',
    method: 'snapshot',
    place: bucketPlace(place),
    versions,
    ...(credentials && { credentials }),
  }),
};

/** Throws USAGE for what cannot be meant, NOT_FOUND for a base plan that is not there. */
export function completeSource(input: SourceInput, planName: string, findPlan: FindPlan): SourceSettings {
  return (completions[input.kind] as (input: SourceInput, planName: string, findPlan: FindPlan) => SourceSettings)(
    input,
    planName,
    findPlan,
  );
}

/** Throws USAGE. */
export function completeServer(server: ServerAddress): ServerAddress {
  const { socket, host, ca } = server;
  if (socket !== undefined && host !== undefined) fail('USAGE', { detail: 'a server has a socket or a host' });
  return { ...server, ...(socket !== undefined && { socket: absolute(socket) }), ...(ca !== undefined && { ca: absolute(ca) }) };
}

function baseOf(kind: 'mysql' | 'postgres', method: string, base: string | undefined, findPlan: FindPlan): { readonly base?: string } {
  if (method !== 'incremental') return base === undefined ? {} : fail('USAGE', { detail: 'only the method incremental has a base plan' });
  if (base === undefined)
    return fail('USAGE', { detail: 'the method incremental needs its base plan: the one whose backups it continues' });
  const { id, source } = findPlan(base);
  if (source.kind !== kind || source.method === 'incremental')
    fail('USAGE', { detail: `the plan ${base} cannot be the base: it is no ${kind} plan with backups of its own` });
  return { base: id };
}

/** Throws USAGE unless it is one of the three. */
export function commandWords({ argv, shell, named }: CommandWords, what: string): CommandWords {
  const words = { ...(argv && { argv }), ...(shell && { shell }), ...(named && { named }) };
  return Object.keys(words).length === 1 ? words : fail('USAGE', { detail: `${what} takes one of argv, shell and named` });
}

function checkExpression(text: string): void {
  try {
    new RegExp(text);
  } catch (error) {
    fail('USAGE', { detail: `source.expectTail is no regular expression: ${(error as Error).message}` }, { cause: error });
  }
}

function absolute(path: string): string {
  if (!isAbsolute(path) || path.includes('\0')) fail('USAGE', { detail: `the path ${JSON.stringify(path)} is not absolute` });
  return normalize(path).replace(/(?<=.)\/+$/, '');
}

/** A serial number stays as it is. */
const diskName = (name: string): string => (name.startsWith('/') ? absolute(name) : name);
