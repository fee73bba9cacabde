// Plans as a file asks for them. What a plan reads is compared as a whole, with what is left out filled in as the agent does it.
import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { SourceSettings } from '../../model/plan.ts';
import type { Plan, SourceInput } from '../../rpc/schemas-plans.ts';
import { parseCredentials } from '../credentials.ts';
import { readKeyFile, readTextFile } from '../files.ts';
import { type Entry, judged, type Wanted } from './read.ts';
import type { FilePlan, FileSource } from './schema.ts';
import { type Circumstances, namesOf, referred, type Step } from './step.ts';

type Named = { readonly id: string; readonly source: SourceSettings };

export function planSteps(wanted: Wanted, circumstances: Circumstances): readonly Step[] {
  // A log is continued by a plan that has to be there first.
  const ordered = wanted.plans.toSorted((a, b) => Number('base' in a.value.source) - Number('base' in b.value.source));
  return ordered.map((entry) => stepFor(entry, wanted, circumstances));
}

function stepFor(entry: Entry<FilePlan>, wanted: Wanted, circumstances: Circumstances): Step {
  const { known, rules } = circumstances;
  const { value } = entry;
  judged(entry, '/name', () => rules.name(value.name));
  judged(entry, '/description', () => rules.description(value.description ?? ''));
  const before = known.plans.find(({ name }) => name === value.name);
  const settings = settle(entry, wanted, circumstances);
  const vault = vaultOf(entry, wanted, circumstances, before);
  checkFreeze(entry, settings);
  const same = before !== undefined && isDeepStrictEqual(settings, before.source);
  if (!same && !value.allowMissing) expectPaths(entry, settings);
  return before ? changing(entry, before, vault, same, wanted, circumstances) : creation(entry, vault, wanted);
}

/** As the agent would keep it. */
function settle(entry: Entry<FilePlan>, wanted: Wanted, circumstances: Circumstances): SourceSettings {
  const { known, rules } = circumstances;
  const find = (reference: string): Named => {
    const inFile = wanted.plans.find(({ value }) => value.name === reference);
    const there = known.plans.find(({ name, id }) => name === reference || id === reference);
    // One that continues another plan itself is no base, and two might continue each other.
    if (inFile && inFile !== entry)
      return {
        id: there?.id ?? reference,
        source: 'base' in inFile.value.source ? (inFile.value.source as SourceSettings) : settle(inFile, wanted, circumstances),
      };
    if (there && there.name !== entry.value.name) return { id: there.id, source: there.source as SourceSettings };
    return entry.wrong('/source/base', `there is no plan ${reference}, neither here nor in the agent`);
  };
  return judged(entry, '/source', () => rules.source(inputOf(entry.value.source, wanted), entry.value.name, find));
}

function vaultOf({ value, wrong }: Entry<FilePlan>, wanted: Wanted, { known }: Circumstances, before: Plan | undefined): string {
  if (value.vault === undefined && before) return before.vaultName;
  const inFile = wanted.vaults.map((vault) => vault.value.name);
  const meant = referred(value.vault, inFile, known.vaults);
  if (meant === 'several') return wrong('', `there are several vaults: say which one the plan ${value.name} stores into`);
  if (meant === 'none') return wrong('/vault', `there is no vault ${value.vault ?? ''}, neither here nor in the agent`);
  return meant.name;
}

/** Applications are frozen around a snapshot only; a snapshot of MySQL always freezes. */
function checkFreeze({ value, wrong }: Entry<FilePlan>, source: SourceSettings): void {
  const freezes = source.kind === 'mysql' && source.method === 'snapshot';
  if (value.consistency?.freeze && !freezes && (source.kind === 'command' || 'method' in source))
    wrong('/consistency/freeze', `a backup of ${source.kind} is its own way to be consistent: nothing is frozen around it`);
}

function expectPaths({ wrong }: Entry<FilePlan>, source: SourceSettings): void {
  if (!('paths' in source)) return;
  const missing = source.paths.findIndex((path) => !existsSync(path));
  if (missing >= 0) wrong(`/source/paths/${missing}`, `the path ${source.paths[missing]} does not exist; allowMissing: true accepts that`);
}

function creation({ value }: Entry<FilePlan>, vault: string, wanted: Wanted): Step {
  const body = { ...value, vault, source: inputOf(value.source, wanted, true) };
  return {
    kind: 'plan',
    name: value.name,
    action: 'created',
    changes: [],
    run: async (client) => {
      await client.call('planCreate', { body });
      return undefined;
    },
  };
}

function changing(
  { value }: Entry<FilePlan>,
  before: Plan,
  vault: string,
  same: boolean,
  wanted: Wanted,
  { renewSecrets }: Circumstances,
): Step {
  const { name, description, allowMissing } = value;
  const renews = renewSecrets && namesSecret(value.source);
  const consistency = Object.entries(value.consistency ?? {}).filter(
    ([key, wish]) => wish !== before.consistency[key as keyof Plan['consistency']],
  );
  const changes = {
    ...(description !== undefined && description !== before.description && { description }),
    ...(vault !== before.vaultName && { vault }),
    ...((!same || renews) && { source: inputOf(value.source, wanted, true) }),
    ...(consistency.length > 0 && { consistency: Object.fromEntries(consistency) as FilePlan['consistency'] & object }),
  };
  const changed = namesOf(changes);
  return {
    kind: 'plan',
    name,
    action: changed.length > 0 ? 'changed' : 'unchanged',
    changes: changed,
    run: async (client) => {
      const body = { ...changes, ...(allowMissing && { allowMissing }) };
      if (changed.length > 0) await client.call('planUpdate', { params: { id: before.id }, body });
      return undefined;
    },
  };
}

const namesSecret = (source: FileSource): boolean =>
  source.kind === 'bucket' ? source.credentialsFile !== undefined : 'passwordFile' in (('server' in source && source.server) || {});

/** What the RPC takes: paths of files from the folder of the file; secrets only where they are wanted. */
function inputOf(source: FileSource, wanted: Wanted, withSecrets = false): SourceInput {
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
