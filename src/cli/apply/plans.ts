// Plans as a file asks for them.
import { isDeepStrictEqual } from 'node:util';
import { defaultConsistency } from '../../model/consistency.ts';
import type { SourceSettings } from '../../model/plan.ts';
import type { Plan, PlanCreate, PlanUpdate } from '../../rpc/schemas-plans.ts';
import { planExtras } from '../plan-options.ts';
import { bodyOf, type Change, differences, secretChange, wholeDifferences } from './change.ts';
import { judgeFit, type Newcomer, type Placed } from './fit.ts';
import { expectPaths, inputOf, secretFile, settledSource } from './plan-source.ts';
import { type TimingChanges, timingChanges } from './plan-timing.ts';
import { type Entry, judged, type Wanted } from './read.ts';
import { settledWindow } from './rules.ts';
import type { FilePlan } from './schema.ts';
import { type Circumstances, type Known, referred, type Step } from './step.ts';

export function planSteps(wanted: Wanted, circumstances: Circumstances): readonly Step[] {
  // A log is continued by a plan that has to be there first.
  const ordered = wanted.plans.toSorted((a, b) => Number('base' in a.value.source) - Number('base' in b.value.source));
  const judgements = ordered.map((entry) => judge(entry, wanted, circumstances));
  const others = circumstances.known.plans
    .filter(({ name, state }) => state !== 'dissociated' && !wanted.plans.some(({ value }) => value.name === name))
    .map((plan) => ({ ...plan, vault: plan.vaultName, source: plan.source as SourceSettings, freezes: plan.consistency.freeze }));
  judgeFit(
    judgements.flatMap(({ newcomer }) => newcomer ?? []),
    [...others, ...judgements.flatMap(({ placed }) => placed ?? [])],
    wanted,
    circumstances.known,
  );
  return judgements.map(({ step }) => step);
}

interface Judgement {
  readonly step: Step;
  /** Undefined for one that belongs to no vault. */
  readonly placed: Placed | undefined;
  readonly newcomer: Newcomer | undefined;
}

function judge(entry: Entry<FilePlan>, wanted: Wanted, circumstances: Circumstances): Judgement {
  const { known, rules } = circumstances;
  const { value } = entry;
  const { name } = value;
  judged(entry, '/name', () => rules.name(name));
  judged(entry, '/description', () => rules.description(value.description ?? ''));
  const before = known.plans.find((plan) => plan.name === name);
  const source = settledSource(entry, wanted, circumstances);
  const vault = vaultOf(entry, wanted, circumstances, before);
  checkFreeze(entry, source);
  const same = before !== undefined && isDeepStrictEqual(source, before.source);
  if (!same && !value.allowMissing) expectPaths(entry, source);
  const timing = timingChanges(entry, wanted, circumstances, before);
  const window = settledWindow(entry, before?.window);
  const step = before ? changing(entry, before, { source, vault, timing, window }, wanted, circumstances) : creation(entry, vault, wanted);
  const placed = { name, vault, source, freezes: freezesOf(value, before, source) };
  const elsewhere = step.changes.some(({ field }) => /^(vault|source|consistency)\b/.test(field));
  const associated = before?.state !== 'dissociated';
  return {
    step: { ...step, uses: usesOf(vault, timing.policy, source, known) },
    placed: associated ? placed : undefined,
    newcomer: associated && (!before || elsewhere) ? { ...placed, entry } : undefined,
  };
}

type Settled = {
  readonly source: SourceSettings;
  readonly vault: string;
  readonly timing: TimingChanges;
  readonly window: PlanUpdate['window'];
};

function usesOf(vault: string, policy: string | null, source: SourceSettings, known: Known): readonly string[] {
  const base =
    'base' in source && source.base !== undefined ? (known.plans.find(({ id }) => id === source.base)?.name ?? source.base) : null;
  return [`vault ${vault}`, ...(policy === null ? [] : [`policy ${policy}`]), ...(base === null ? [] : [`plan ${base}`])];
}

function vaultOf({ value, wrong }: Entry<FilePlan>, wanted: Wanted, { known }: Circumstances, before: Plan | undefined): string {
  if (value.vault === undefined && before) return before.vaultName;
  const inFile = wanted.vaults.map((vault) => vault.value.name);
  const meant = referred(value.vault, inFile, known.vaults);
  if (meant === 'several') return wrong('', `there are several vaults: say which one the plan ${value.name} stores into`);
  if (meant === 'none') return wrong('/vault', `there is no vault ${value.vault ?? ''}, neither here nor in the agent`);
  return meant.name;
}

/** A snapshot of MySQL always freezes. */
const alwaysFreezes = (source: SourceSettings) => source.kind === 'mysql' && source.method === 'snapshot';

/** Applications are frozen around a snapshot only. */
function checkFreeze({ value, wrong }: Entry<FilePlan>, source: SourceSettings): void {
  if (value.consistency?.freeze && !alwaysFreezes(source) && (source.kind === 'command' || 'method' in source))
    wrong('/consistency/freeze', `a backup of ${source.kind} is its own way to be consistent: nothing is frozen around it`);
}

const freezesOf = (value: FilePlan, before: Plan | undefined, source: SourceSettings): boolean =>
  alwaysFreezes(source) || (value.consistency?.freeze ?? (before?.consistency ?? defaultConsistency).freeze);

function creation({ value }: Entry<FilePlan>, vault: string, wanted: Wanted): Step {
  const { heartbeatFile, ...rest } = value;
  // Judged above; the agent says in its schema what goes together, the file in its own.
  const body = { ...rest, vault, source: inputOf(value.source, wanted, true), ...heartbeatFrom(heartbeatFile, wanted) } as PlanCreate;
  return {
    kind: 'plan',
    name: value.name,
    action: 'created',
    changes: [],
    uses: [],
    run: async (client) => void (await client.call('planCreate', { body })),
  };
}

function changing(
  { value }: Entry<FilePlan>,
  before: Plan,
  { source, vault, timing, window }: Settled,
  wanted: Wanted,
  { renewSecrets }: Circumstances,
): Step {
  const { name, description, allowMissing, retries, spreadMinutes, missed, maxAgeHours, heartbeatFile } = value;
  const plain = differences(
    { ...before, vault: before.vaultName },
    { description, vault, window, retries, spreadMinutes, missed, maxAgeHours },
  );
  const reads = [...sourceChanges(before.source as SourceSettings, source), ...renewedSecret(value, renewSecrets)];
  // As the agent keeps it, whatever was asked.
  const consistency = { ...value.consistency, ...(value.consistency && alwaysFreezes(source) && { freeze: true }) };
  const inner = {
    consistency: differences(before.consistency, consistency, 'consistency.'),
    hooks: differences(before.hooks, value.hooks ?? {}, 'hooks.'),
    limits: differences(before.limits, value.limits ?? {}, 'limits.'),
  };
  const heartbeat = heartbeatChanges(before, heartbeatFile, renewSecrets);
  const changes = [...plain, ...reads, ...timing.changes, ...Object.values(inner).flat(), ...heartbeat];
  const body = {
    ...bodyOf(plain),
    ...timing.body,
    ...(reads.length > 0 && { source: inputOf(value.source, wanted, true) }),
    ...Object.fromEntries(Object.entries(inner).flatMap(([key, list]) => (list.length > 0 ? [[key, bodyOf(list, `${key}.`)]] : []))),
    ...(heartbeat.length > 0 && heartbeatFrom(heartbeatFile, wanted)),
    ...(allowMissing && { allowMissing }),
  };
  return {
    kind: 'plan',
    name,
    action: changes.length > 0 ? 'changed' : 'unchanged',
    changes,
    uses: [],
    run: async (client) => {
      if (changes.length > 0) await client.call('planUpdate', { params: { id: before.id }, body });
    },
  };
}

const sourceChanges = (before: SourceSettings, source: SourceSettings): readonly Change[] =>
  isDeepStrictEqual(source, before) ? [] : wholeDifferences(before, source, 'source.');

function renewedSecret({ source }: FilePlan, renewSecrets: boolean): readonly Change[] {
  const file = renewSecrets ? secretFile(source) : undefined;
  return file === undefined ? [] : [secretChange('source.secret', true, file)];
}

function heartbeatChanges({ hasHeartbeat }: Plan, file: string | null | undefined, renewSecrets: boolean): readonly Change[] {
  if (file === null) return hasHeartbeat ? [{ field: 'heartbeat', before: 'the one that is stored', after: null }] : [];
  return file !== undefined && (renewSecrets || !hasHeartbeat) ? [secretChange('heartbeat', hasHeartbeat, file)] : [];
}

/** Its addresses, one a line. Throws what the file has wrong with it. */
function heartbeatFrom(file: string | null | undefined, wanted: Wanted): Pick<PlanUpdate, 'heartbeat'> {
  if (file === undefined) return {};
  return file === null ? { heartbeat: null } : planExtras({ heartbeatFile: wanted.path(file) }, 'agentcli plan create --help');
}
