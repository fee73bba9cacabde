import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { errnoOf, fail } from '../../base/errors.ts';
import { type HostDisk, hostDisks } from '../../base/host-disks.ts';
import { type ConsistencyChoice, defaultConsistency } from '../../model/consistency.ts';
import { type Plan, planDefaults, type SourceSettings } from '../../model/plan.ts';
import type { ServiceSource } from '../../model/service.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { PlanCreate, Plan as PlanView } from '../../rpc/schemas.ts';
import { chooseDisks, chosenOf } from '../../sources/server/choose.ts';
import { newId } from '../../state/state.ts';
import { equals } from '../../state/table.ts';
import type { VaultRow } from '../../state/vaults.ts';
import { completeSource } from '../complete-source.ts';
import type { AgentContext } from '../context.ts';
import { checkDescription, checkName } from '../names.ts';
import { measuredSizes } from '../plan-sizes.ts';
import { planView } from '../plan-view.ts';
import { pageOptions } from '../queries.ts';
import { extrasFrom, sealHeartbeat } from '../rules-from.ts';
import type { ScheduleKeeper } from '../schedule-keeper.ts';
import { doorOf, planSecretContext, sealSecret, takeSecret } from '../source-secrets.ts';
import { associatedPlans, canAssociate, refuseBusy } from '../vault-rules.ts';

type Methods = Pick<Handlers, 'planCreate' | 'planList' | 'planShow' | 'planUpdate' | 'planDelete'>;

/** Of sources that can be read in one way only. */
const onlyMethods: Readonly<Record<Exclude<SourceSettings, ServiceSource>['kind'], string>> = {
  files: 'snapshot',
  disk: 'direct',
  server: 'direct',
  command: 'stream',
};

export function planMethods(context: AgentContext, keeper: ScheduleKeeper): Methods {
  const { state, clock } = context;
  const view = (plan: Plan): PlanView => ({ ...planView(state, plan), ...disksOf(plan.source) });

  const findPlan = (reference: string) => state.plans.find(reference);

  /** A secret that is not named again stays, but only at the same door: it must not go to whoever a changed address leads to. */
  function renewed(plan: Plan, source: SourceSettings) {
    const { open, secret } = takeSecret(source);
    const kept = secret === undefined && doorOf(plan.source) === doorOf(source);
    return { open, secret: kept ? plan.secret : sealSecret(context, planSecretContext(plan.id), secret) };
  }

  function refuseTaken(name: string): void {
    if (state.plans.where([equals('name', name)]).length > 0) fail('ALREADY_EXISTS', { what: 'plan', id: name });
  }

  /** Of what is in the vault already and what is to come. */
  const sizesWith = (vaultId: string, source: SourceSettings) =>
    measuredSizes(state, [...associatedPlans(state, vaultId).map((plan) => plan.source), source]);

  return {
    async planCreate({ body }) {
      const name = checkName(body.name);
      const description = checkDescription(body.description ?? '');
      const { open: source, secret } = takeSecret(completeSource(body.source, name, findPlan));
      const method = checkMethod(source, body.method);
      const vault = onlyVault(context, body.vault);
      if (!body.allowMissing) await expectPaths(source);
      refuseTaken(name);
      const now = clock.now();
      const id = newId();
      const plan: Plan = {
        id,
        name,
        description,
        vaultId: vault.id,
        source,
        method,
        secret: sealSecret(context, planSecretContext(id), secret),
        ...planDefaults,
        ...extrasFrom(context, body, planDefaults),
        heartbeat: sealHeartbeat(context, id, body.heartbeat ?? null),
        accountedUntil: now,
        consistency: completeConsistency(source, body.consistency),
        createdAt: now,
        updatedAt: now,
      };
      canAssociate(state, vault, plan, await sizesWith(vault.id, source));
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
      // What has to be waited for comes first: from there on nobody comes between what is read and what is written.
      const { id, name: oldName, source: before, vaultId: where } = state.plans.find(params.id);
      const name = body.name === undefined ? oldName : checkName(body.name);
      const wanted = body.source && completeSource(body.source, name, findPlan);
      const vaultId = body.vault === undefined ? where : state.vaults.find(body.vault).id;
      if (wanted && !body.allowMissing) await expectPaths(takeSecret(wanted).open);
      const sizes = await sizesWith(vaultId, wanted ? takeSecret(wanted).open : before);

      const plan = state.plans.find(id);
      const { open: source, secret } = wanted ? renewed(plan, wanted) : { open: plan.source, secret: plan.secret };
      const method = body.method === undefined && !wanted ? plan.method : checkMethod(source, body.method);
      const description = body.description === undefined ? plan.description : checkDescription(body.description);
      const consistency = completeConsistency(source, body.consistency, plan.consistency);
      if (name !== plan.name) refuseTaken(name);
      const extras = extrasFrom(context, body, plan);
      // Old backups stay where they are; what is read or stored elsewhere from now on begins with all of it.
      const elsewhere = vaultId !== plan.vaultId || !isDeepStrictEqual(source, plan.source) || method !== plan.method;
      const heartbeat = body.heartbeat === undefined ? plan.heartbeat : sealHeartbeat(context, plan.id, body.heartbeat);
      const change = { name, description, vaultId, source, method, secret, consistency, ...extras, heartbeat };
      if (vaultId !== plan.vaultId) refuseBusy(state, plan);
      if (elsewhere || body.consistency) canAssociate(state, state.vaults.find(vaultId), { ...plan, ...change }, sizes);
      const pause = plan.pause?.by === 'source' && elsewhere ? null : plan.pause;
      state.transaction(() => {
        state.plans.update(plan.id, { ...change, pause, renew: plan.renew || elsewhere, updatedAt: clock.now() });
        if (vaultId !== plan.vaultId || !isDeepStrictEqual(extras.timing, plan.timing)) keeper.rearm([plan.id]);
      });
      return view(state.plans.find(plan.id));
    },
    planDelete({ params }) {
      const plan = state.plans.find(params.id);
      const backups = state.backups.count([equals('plan_id', plan.id)]);
      refuseBusy(state, plan);
      if (backups > 0) fail('IN_USE', { what: 'plan', id: plan.name, users: `${backups} backups` });
      const follower = state.plans.where([]).find(({ source }) => 'base' in source && source.base === plan.id);
      if (follower) fail('IN_USE', { what: 'plan', id: plan.name, users: `the plan ${follower.name}` });
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
  const known = 'method' in source ? source.method : onlyMethods[source.kind];
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
  if (source.kind === 'mysql' && source.method === 'snapshot') return { ...choice, freeze: true };
  if (choice.freeze && (source.kind === 'command' || 'method' in source))
    fail('USAGE', { detail: `a backup of ${source.kind} is its own way to be consistent: nothing is frozen around it` });
  return choice;
}

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
