// What may be done with a vault: by its state, its type, its specification and its capacity (guide 1.6, 2.3, 3.1-3.5, 13.3.4).
import { fail } from '../base/errors.ts';
import type { Plan, SourceSettings } from '../model/plan.ts';
import { capacityRange, gigabyte, quotas } from '../model/quota.ts';
import { resourcesOf } from '../model/resource.ts';
import { freezesFor, takes } from '../model/vault.ts';
import type { State } from '../state/state.ts';
import { equals, oneOf } from '../state/table.ts';
import type { VaultRow } from '../state/vaults.ts';
import { planSizes, type SizesOf } from './plan-sizes.ts';

export type VaultOperation =
  | 'describe'
  | 'policy'
  | 'associate'
  | 'dissociate'
  | 'backup'
  | 'restore'
  | 'delete-backup'
  | 'expand'
  | 'spec'
  | 'keys'
  | 'scan'
  | 'check'
  | 'unlock'
  | 'prune'
  | 'delete';

/** Of a vault at work: backups come and go, and what else the guide lets be done while a vault grows. */
const atWork = ['describe', 'policy', 'associate', 'dissociate', 'backup', 'restore', 'delete-backup', 'keys'] as const;
/** What finds out what is wrong, and mends it. */
const repairs = ['scan', 'check', 'unlock'] as const;

/** Showing is always allowed. */
const allowed: Readonly<Record<VaultRow['state'], readonly VaultOperation[]>> = {
  creating: [],
  available: [...atWork, ...repairs, 'expand', 'spec', 'prune', 'delete'],
  locked: [...atWork, ...repairs],
  deleting: [],
  error: [...repairs, 'describe', 'delete'],
};

export const allows = (state: VaultRow['state'], operation: VaultOperation): boolean => allowed[state].includes(operation);

/** Throws VAULT_STATE. */
export function needAllowed(vault: VaultRow, operation: VaultOperation): VaultRow {
  if (!allows(vault.state, operation)) fail('VAULT_STATE', { vault: vault.name, state: vault.state });
  return vault;
}

type Candidate = Pick<Plan, 'id' | 'name' | 'source' | 'consistency'>;

/**
 * Whether the plan may belong to the vault; the plan itself may be there already, elsewhere, or nowhere yet.
 * Throws VAULT_STATE, VAULT_TYPE, VAULT_SPEC, RESOURCE_TAKEN, QUOTA_EXCEEDED or VAULT_TOO_SMALL.
 */
export function canAssociate(state: State, vault: VaultRow, plan: Candidate, sizesOf: SizesOf = planSizes(state)): void {
  needAllowed(vault, 'associate');
  fitsType(vault, plan.source.kind);
  fitsSpec(vault, plan);
  const others = state.plans.where([equals('associated', 1)]).filter(({ id }) => id !== plan.id);
  refuseTaken(state, vault, plan, others);
  const inVault = [...others.filter(({ vaultId }) => vaultId === vault.id), plan];
  refuseMany(vault, inVault);
  refuseLarge(vault, vault.capacityGb, inVault, sizesOf);
}

function fitsType(vault: VaultRow, kind: SourceSettings['kind']): void {
  if (!takes(vault, kind))
    fail('VAULT_TYPE', { vault: vault.name, type: vault.protection === 'backup' ? vault.type : 'copies of', source: kind });
}

function fitsSpec(vault: VaultRow, { source, consistency }: Candidate): void {
  if (freezesFor(source, consistency) && vault.spec !== 'application-consistent') fail('VAULT_SPEC', { vault: vault.name });
}

function refuseTaken(state: State, vault: VaultRow, plan: Candidate, others: readonly Plan[]): void {
  const wanted = new Set(resourcesOf(plan.source));
  for (const other of others) {
    if (other.vaultId === vault.id) continue;
    const resource = resourcesOf(other.source).find((name) => wanted.has(name));
    if (resource !== undefined)
      fail('RESOURCE_TAKEN', { resource, vault: state.vaults.get(other.vaultId)?.name ?? other.vaultId, plan: other.name });
  }
}

function refuseMany(vault: VaultRow, plans: readonly Candidate[]): void {
  const count = new Set(plans.flatMap(({ source }) => resourcesOf(source))).size;
  if (count > quotas.resourcesPerVault)
    fail('QUOTA_EXCEEDED', { count: quotas.resourcesPerVault, what: `resources in the vault ${vault.name}` });
}

function refuseLarge(vault: VaultRow, capacityGb: number, plans: readonly Candidate[], sizesOf: SizesOf): void {
  const bytes = totalOf(plans, sizesOf);
  if (bytes > capacityGb * gigabyte)
    fail('VAULT_TOO_SMALL', { vault: vault.name, size: Math.ceil(bytes / gigabyte), capacity: capacityGb });
}

/** A resource that several plans read counts once, by the largest of what is known of it. */
function totalOf(plans: readonly Pick<Plan, 'id' | 'source'>[], sizesOf: SizesOf): number {
  const sizes = new Map<string, number>();
  for (const plan of plans) for (const [name, size] of sizesOf(plan)) sizes.set(name, Math.max(size, sizes.get(name) ?? 0));
  return [...sizes.values()].reduce((total, size) => total + size, 0);
}

export const associatedPlans = (state: State, vaultId: string): readonly Plan[] =>
  state.plans.where([equals('vault_id', vaultId), equals('associated', 1)]);

export interface Associated {
  readonly resources: number;
  readonly bytes: number;
}

export function associatedWith(state: State, vaultId: string, sizesOf: SizesOf = planSizes(state)): Associated {
  const plans = associatedPlans(state, vaultId);
  return { resources: new Set(plans.flatMap(({ source }) => resourcesOf(source))).size, bytes: totalOf(plans, sizesOf) };
}

/** Throws VAULT_STATE while it may not grow, USAGE for less than it has or more than there can be, VAULT_TOO_SMALL. */
export function canExpand(state: State, vault: VaultRow, capacityGb: number, sizesOf: SizesOf = planSizes(state)): void {
  needAllowed(vault, 'expand');
  const { least, most } = capacityRange;
  if (capacityGb < least || capacityGb > most) fail('USAGE', { detail: `a capacity is ${least} to ${most} GB, not ${capacityGb}` });
  if (capacityGb < vault.capacityGb) fail('USAGE', { detail: `a vault can only be expanded: ${vault.name} has ${vault.capacityGb} GB` });
  refuseLarge(vault, capacityGb, associatedPlans(state, vault.id), sizesOf);
}

/** Throws VAULT_STATE or VAULT_SPEC_FINAL. */
export function canChangeSpec(vault: VaultRow, spec: VaultRow['spec']): void {
  if (spec === vault.spec) return;
  needAllowed(vault, 'spec');
  if (spec === 'server') fail('VAULT_SPEC_FINAL', { vault: vault.name });
}

/** A backup may start while no more than the capacity is used, and may overrun once (guide 13.3.4). Throws VAULT_STATE or VAULT_FULL. */
export function canStart(vault: VaultRow): void {
  needAllowed(vault, 'backup');
  if (vault.usedBytes <= vault.capacityGb * gigabyte) return;
  // Rounded up: "10 of 10 GB" would not explain why there is no room.
  const used = Math.ceil((vault.usedBytes / gigabyte) * 100) / 100;
  fail('VAULT_FULL', { vault: vault.name, used, capacity: vault.capacityGb });
}

/** Throws VAULT_STATE, or IN_USE while plans refer to the vault or something is stored into it or read from it. */
export function canDelete(state: State, vault: VaultRow): void {
  needAllowed(vault, 'delete');
  const plans = state.plans
    .where([equals('vault_id', vault.id)])
    .map(({ name, associated }) => `plan ${name}${associated ? '' : ' (dissociated)'}`);
  const users = [...plans, ...workOn(state, [equals('vault_id', vault.id)])];
  if (users.length > 0) fail('IN_USE', { what: 'vault', id: vault.name, users: users.join(', ') });
}

/** Backups and restores under way, as a person names them. */
export function workOn(state: State, filters: Parameters<State['tasks']['where']>[0]): string[] {
  const live = [...filters, oneOf('type', ['backup', 'restore']), oneOf('state', ['queued', 'running'])];
  return state.tasks.where(live).map(({ type, id }) => `${type} task ${id}`);
}

/** Throws IN_USE while something is on its way for the plan. */
export function refuseBusy(state: State, plan: Plan): void {
  const users = workOn(state, [equals('plan_id', plan.id)]);
  if (users.length > 0) fail('IN_USE', { what: 'plan', id: plan.name, users: users.join(', ') });
}

/** After a start: an expansion that the agent's end cut short has changed nothing. */
export function releaseLocked(state: State): void {
  for (const { id } of state.vaults.where([equals('state', 'locked')])) state.vaults.update(id, { state: 'available' });
}
