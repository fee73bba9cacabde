// What a plan reads, as a file asks for it: compared as a whole, with what is left out filled in as the agent does it.
import { existsSync } from 'node:fs';
import type { SourceSettings } from '../../model/plan.ts';
import type { SourceInput } from '../../rpc/schemas-plans.ts';
import { parseCredentials } from '../credentials.ts';
import { readKeyFile, readTextFile } from '../files.ts';
import { type Entry, judged, type Wanted } from './read.ts';
import type { FilePlan, FileSource } from './schema.ts';
import type { Circumstances } from './step.ts';

type Named = { readonly id: string; readonly source: SourceSettings };

/** As the agent would keep it. Throws APPLY_INVALID. */
export function settledSource(entry: Entry<FilePlan>, wanted: Wanted, circumstances: Circumstances): SourceSettings {
  const { known, rules } = circumstances;
  const find = (reference: string): Named => {
    const inFile = wanted.plans.find(({ value }) => value.name === reference);
    const there = known.plans.find(({ name, id }) => name === reference || id === reference);
    // One that continues another plan itself is no base, and two might continue each other.
    if (inFile && inFile !== entry)
      return {
        id: there?.id ?? reference,
        source: 'base' in inFile.value.source ? (inFile.value.source as SourceSettings) : settledSource(inFile, wanted, circumstances),
      };
    if (there && there.name !== entry.value.name) return { id: there.id, source: there.source as SourceSettings };
    return entry.wrong('/source/base', `there is no plan ${reference}, neither here nor in the agent`);
  };
  return judged(entry, '/source', () => rules.source(inputOf(entry.value.source, wanted), entry.value.name, find));
}

export function expectPaths({ wrong }: Entry<FilePlan>, source: SourceSettings): void {
  if (!('paths' in source)) return;
  const missing = source.paths.findIndex((path) => !existsSync(path));
  if (missing >= 0) wrong(`/source/paths/${missing}`, `the path ${source.paths[missing]} does not exist; allowMissing: true accepts that`);
}

/** The file that it names for its secret. */
export function secretFile(source: FileSource): string | undefined {
  if (source.kind === 'bucket') return source.credentialsFile;
  return 'server' in source ? source.server?.passwordFile : undefined;
}

/** What the RPC takes: paths of files from the folder of the file; secrets only where they are wanted. */
export function inputOf(source: FileSource, wanted: Wanted, withSecrets = false): SourceInput {
  if (source.kind === 'bucket') {
    const { credentialsFile, ...rest } = source;
    if (!withSecrets || credentialsFile === undefined) return rest;
    const path = wanted.path(credentialsFile);
    return { ...rest, credentials: parseCredentials(readTextFile(path), path) };
  }
  if (source.kind !== 'mysql' && source.kind !== 'postgres' && source.kind !== 'redis') return source;
  if (source.server === undefined) return source as SourceInput;
  const { passwordFile, ca, ...address } = source.server;
  const password = withSecrets && passwordFile !== undefined ? readKeyFile(wanted.path(passwordFile)) : undefined;
  return {
    ...source,
    server: { ...address, ...(ca !== undefined && { ca: wanted.path(ca) }), ...(password !== undefined && { password }) },
  } as SourceInput;
}
