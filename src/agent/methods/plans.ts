import { stat } from 'node:fs/promises';
import { isAbsolute, normalize } from 'node:path';
import { errnoOf, fail } from '../../base/errors.ts';
import { type HostDisk, hostDisks } from '../../base/host-disks.ts';
import { type ConsistencyChoice, defaultConsistency } from '../../model/consistency.ts';
import type { CommandWords, Plan, SourceSettings } from '../../model/plan.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { PlanCreate, Plan as PlanView, SourceInput } from '../../rpc/schemas.ts';
import { chooseDisks, chosenOf } from '../../sources/server/choose.ts';
import { newId } from '../../state/state.ts';
import { equals } from '../../state/table.ts';
import type { VaultRow } from '../../state/vaults.ts';
import type { AgentContext } from '../context.ts';
import { checkDescription, checkName } from '../names.ts';
import { pageOptions } from '../queries.ts';
import { planView } from '../views.ts';

type Methods = Pick<Handlers, 'planCreate' | 'planList' | 'planShow' | 'planUpdate' | 'planDelete'>;

const methodOf: Readonly<Record<SourceSettings['kind'], string>> = {
  files: 'snapshot',
  disk: 'direct',
  server: 'direct',
  command: 'stream',
};

export function planMethods(context: AgentContext): Methods {
  const { state, clock } = context;
  const view = (plan: Plan): PlanView => ({ ...planView(state, plan), ...disksOf(plan.source) });

  function refuseTaken(name: string): void {
    if (state.plans.where([equals('name', name)]).length > 0) fail('ALREADY_EXISTS', { what: 'plan', id: name });
  }

  return {
    async planCreate({ body }) {
      const name = checkName(body.name);
      const description = checkDescription(body.description ?? '');
      const source = completeSource(body.source, name);
      const method = checkMethod(source, body.method);
      const vault = onlyVault(context, body.vault);
      if (!body.allowMissing) await expectPaths(source);
      refuseTaken(name);
      const now = clock.now();
      const plan: Plan = {
        id: newId(),
        name,
        description,
        vaultId: vault.id,
        source,
        method,
        strategy: 'manual',
        consistency: completeConsistency(source, body.consistency),
        createdAt: now,
        updatedAt: now,
      };
      state.plans.insert(plan);
      return view(plan);
    },
    planList({ query }) {
      const { source, vault } = query;
      const page = state.plans.page(
        pageOptions(query, 'created_at', [
          vault === undefined ? undefined : equals('vault_id', state.vaults.find(vault).id),
          source === undefined ? undefined : { sql: "json_extract(source, '$.kind') = :source_kind", values: { source_kind: source } },
        ]),
      );
      return { ...page, items: page.items.map((row) => planView(state, row)) };
    },
    planShow: ({ params }) => view(state.plans.find(params.id)),
    async planUpdate({ params, body }) {
      const plan = state.plans.find(params.id);
      const name = body.name === undefined ? plan.name : checkName(body.name);
      const source = body.source === undefined ? plan.source : completeSource(body.source, name);
      const method = body.method === undefined && body.source === undefined ? plan.method : checkMethod(source, body.method);
      const vaultId = body.vault === undefined ? plan.vaultId : state.vaults.find(body.vault).id;
      const description = body.description === undefined ? plan.description : checkDescription(body.description);
      const consistency = completeConsistency(source, body.consistency, plan.consistency);
      if (body.source !== undefined && !body.allowMissing) await expectPaths(source);
      if (name !== plan.name) refuseTaken(name);
      state.plans.update(plan.id, { name, description, vaultId, source, method, consistency, updatedAt: clock.now() });
      return view(state.plans.find(plan.id));
    },
    planDelete({ params }) {
      const plan = state.plans.find(params.id);
      const backups = state.backups.count([equals('plan_id', plan.id)]);
      if (backups > 0) fail('IN_USE', { what: 'plan', id: plan.name, users: `${backups} backups` });
      state.plans.remove(plan.id);
      return { id: plan.id };
    },
  };
}

/** The vault that was named, or the only one there is. Throws NOT_FOUND or USAGE. */
function onlyVault({ state }: AgentContext, reference: string | undefined): VaultRow {
  if (reference !== undefined) return state.vaults.find(reference);
  const [vault, second] = state.vaults.where([]);
  if (!vault) fail('USAGE', { detail: 'there is no vault yet: create one first (agentcli vault create)' });
  if (second) fail('USAGE', { detail: 'there are several vaults: name one' });
  return vault;
}

function checkMethod(source: SourceSettings, method: string | undefined): string {
  const known = methodOf[source.kind];
  if (method !== undefined && method !== known) fail('USAGE', { detail: `the method for ${source.kind} is ${known}, not ${method}` });
  return known;
}

/** What is not named stays as it was. Throws USAGE for a freeze around what no snapshot is taken of. */
function completeConsistency(
  source: SourceSettings,
  input: PlanCreate['consistency'] = {},
  before: ConsistencyChoice = defaultConsistency,
): ConsistencyChoice {
  const choice = { ...before, ...input };
  if (choice.freeze && source.kind === 'command')
    fail('USAGE', { detail: 'a command is its own way to be consistent: nothing is frozen around it' });
  return choice;
}

/** Fills in what was left out. Throws USAGE for what cannot be meant. */
export function completeSource(input: SourceInput, planName: string): SourceSettings {
  if (input.kind === 'disk') return { kind: 'disk', paths: input.paths.map(absolute) };
  if (input.kind === 'files') {
    const { paths, excludes = [], excludeFiles = [], oneFileSystem = false, excludeCaches = false } = input;
    return { kind: 'files', paths: paths.map(absolute), excludes, excludeFiles: excludeFiles.map(absolute), oneFileSystem, excludeCaches };
  }
  if (input.kind === 'server') return { kind: 'server', disks: input.disks ?? 'all', exclude: (input.exclude ?? []).map(diskName) };
  const { fileName = planName, minBytes = 0, expectTail } = input;
  const words = commandWords(input, 'a command source');
  if (fileName === '' || fileName === '.' || fileName === '..' || /[/\0]/.test(fileName))
    fail('USAGE', { detail: `source.fileName ${JSON.stringify(fileName)} is no file name` });
  if (expectTail !== undefined) checkExpression(expectTail);
  return { kind: 'command', fileName, minBytes, ...words, ...(expectTail && { expectTail }) };
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

/** What a plan of a server would read now. */
function disksOf(source: SourceSettings): Pick<PlanView, 'disks'> {
  if (source.kind !== 'server') return {};
  const { chosen, excluded } = chooseDisks(source, hostDisks().disks);
  const shown = (excludes: boolean) => (disk: HostDisk) => ({ ...disk, names: [...disk.names], uses: [...disk.uses], excluded: excludes });
  return { disks: [...chosen.map(shown(false)), ...excluded.map(shown(true))] };
}

async function expectPaths(source: SourceSettings): Promise<void> {
  if (source.kind === 'server') chosenOf(source, hostDisks().disks);
  if (!('paths' in source)) return;
  for (const path of source.paths) {
    await stat(path).catch((error: unknown) => {
      // What the agent may not see (EACCES) the task process may.
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') fail('SOURCE_MISSING', { path });
    });
  }
}
