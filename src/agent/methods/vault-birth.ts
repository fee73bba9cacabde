// How a vault comes to be known: created anew, or attached because it is there already.
import { isAbsolute, normalize } from 'node:path';
import { fail, failure, isCode, StillpointError } from '../../base/errors.ts';
import { type Plan, planDefaults } from '../../model/plan.ts';
import type { PoolAccess } from '../../model/pool.ts';
import { gigabyte } from '../../model/quota.ts';
import type { TaskResult, VaultAccess } from '../../model/task.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { AgentConfig, VaultAttach, VaultCreate } from '../../rpc/schemas.ts';
import type { PoolRow } from '../../state/pools.ts';
import { newId } from '../../state/state.ts';
import { equals } from '../../state/table.ts';
import { noCare, type VaultRow } from '../../state/vaults.ts';
import { newPassword, newRecoveryKey, poolAccess, sealPassword, throughGateway, vaultAccess } from '../access.ts';
import type { AgentContext } from '../context.ts';
import { locationOf, parseLocation } from '../locations.ts';
import { checkDescription, checkName, freeName, madeUpName } from '../names.ts';
import type { TaskDesk } from '../task-desk.ts';
import { vaultView } from '../views.ts';
import type { PoolBinder } from './pools.ts';

type Methods = Pick<Handlers, 'vaultCreate' | 'vaultAttach'>;

const defaultCapacityGb = 100;

interface Door {
  readonly access: PoolAccess;
  readonly path: string;
  /** The pool if it is bound already. */
  readonly pool?: PoolRow;
}

export function vaultBirthMethods(context: AgentContext, desk: TaskDesk, binder: PoolBinder): Methods {
  const { state, clock } = context;

  function insert(id: string, pool: PoolRow, path: string, input: VaultAttach | VaultCreate, name: string, password: string) {
    const now = clock.now();
    const row: VaultRow = {
      id,
      name,
      description: checkDescription(input.description ?? ''),
      poolId: pool.id,
      path,
      location: locationOf(pool.place, path),
      repositoryId: '',
      password: sealPassword(context, id, password),
      state: 'creating',
      stateDetail: '',
      capacityGb: input.capacityGb ?? defaultCapacityGb,
      usedBytes: 0,
      keys: [],
      recoveryKeyId: null,
      type: ('type' in input && input.type) || 'any',
      protection: ('protection' in input && input.protection) || 'backup',
      spec: ('spec' in input && input.spec) || 'application-consistent',
      policyId: null,
      immutableDays: input.immutableDays ?? 0,
      care: noCare,
      createdAt: now,
      updatedAt: now,
    };
    state.vaults.insert(row);
    return row;
  }

  /** A vault that was renamed keeps its path, and another may bear its old name now. */
  function newPath(pool: PoolRow, name: string): string {
    const pathOf = (folder: string) => `${folder}/${state.agentId}`;
    const taken = (folder: string) => state.vaults.count([equals('pool_id', pool.id), equals('path', pathOf(folder))]) > 0;
    return pathOf(freeName(name, taken));
  }

  function refuseTaken(name: string): void {
    if (state.vaults.where([equals('name', name)]).length > 0) fail('ALREADY_EXISTS', { what: 'vault', id: name });
  }

  /** The repository that an attach speaks of. Nothing is bound or changed yet. */
  function doorOf(input: VaultAttach): Door {
    if (input.location !== undefined) {
      const known = state.pools.where([]).find((pool) => input.location?.startsWith(`${locationOf(pool.place)}/`));
      if (known && !input.credentials)
        return {
          access: poolAccess(context, known),
          pool: known,
          path: input.location.slice(locationOf(known.place).length + 1).replace(/\/+$/, ''),
        };
      const { place, path } = parseLocation(input.location, input);
      return {
        access: throughGateway(context, { place, bandwidth: 0, ...(input.credentials && { credentials: input.credentials }) }),
        path,
      };
    }
    if (input.path === undefined) fail('USAGE', { detail: 'give a location, or a pool and a path' });
    const path = normalize(input.path).replace(/\/+$/, '');
    if (isAbsolute(path) || path.startsWith('..')) fail('USAGE', { detail: `path ${input.path} is not below the pool` });
    const pool = onlyPool(context, input.pool);
    return { access: poolAccess(context, pool), pool, path };
  }

  async function attach(input: VaultAttach) {
    const door = doorOf(input);
    const name = checkName(input.name ?? nameFromPath(door.path));
    refuseTaken(name);
    checkDescription(input.description ?? '');
    const taken = door.pool && state.vaults.where([equals('pool_id', door.pool.id), equals('path', door.path)])[0];
    if (taken) fail('VAULT_KNOWN', { location: `${locationOf(door.access.place)}/${door.path}`, name: taken.name });
    const password = newPassword();
    const { immutableDays } = input;
    const access: VaultAccess = {
      pool: door.access,
      path: door.path,
      password: input.recoveryKey,
      ...(immutableDays && { immutableDays }),
    };
    const { id } = desk.submit({
      type: 'vault-attach',
      name,
      request: { type: 'attended' },
      spec: () => ({ type: 'vault-attach', vault: access, newPassword: password }),
      ...(door.pool && { poolId: door.pool.id }),
    });
    const { task, result } = await desk.ended(id);
    if (!result || task.problem)
      throw new StillpointError(task.problem ?? failure('TASK_DIED', { detail: 'without a result' }).toProblem());
    const capacityGb = roomFor(input.capacityGb, result.storedBytes ?? 0);
    const { place, credentials } = door.access;
    const pool = door.pool ?? (await binder.bind({ place, create: false, ...(credentials && { credentials }) })).pool;
    const vault = insert(newId(), pool, door.path, { ...input, capacityGb }, name, password);
    // Attach opens with the recovery key, so that is the key in use there.
    take(vault.id, result, result.keys?.find((key) => key.current)?.id);
    await desk.answer({ type: 'vault-scan', name, request: { type: 'vault-scan' }, vaultId: vault.id });
    return { vault, agentConfig: result.agentConfig ?? null, warnings: task.warnings };
  }

  function take(vaultId: string, result: TaskResult, recoveryKeyId: string | undefined): void {
    state.vaults.update(vaultId, {
      state: 'available',
      repositoryId: result.repositoryId ?? '',
      keys: result.keys ?? [],
      recoveryKeyId: recoveryKeyId ?? null,
      ...(result.storedBytes !== undefined && { usedBytes: result.storedBytes }),
    });
  }

  return {
    async vaultCreate({ body }) {
      const name = checkName(body.name ?? madeUpName('vault'));
      refuseTaken(name);
      const pool = onlyPool(context, body.pool);
      const recoveryKey = newRecoveryKey();
      const password = newPassword();
      const vault = insert(newId(), pool, newPath(pool, name), body, name, password);
      try {
        const access = vaultAccess(context, vault);
        const result = await desk.answer({
          type: 'vault-create',
          name,
          request: { type: 'attended' },
          spec: () => ({ type: 'vault-create', vault: access, recoveryKey }),
          vaultId: vault.id,
        });
        take(vault.id, result, result.keys?.find((key) => !key.current)?.id);
      } catch (error) {
        state.vaults.remove(vault.id);
        throw error;
      }
      return { vault: vaultView(state, state.vaults.find(vault.id)), recoveryKey };
    },

    async vaultAttach({ body }) {
      const { vault, agentConfig, warnings } = await attach(body);
      const { takenOver, skipped } = body.takeOver && agentConfig ? takeOver(context, vault, agentConfig) : { takenOver: [], skipped: [] };
      return {
        vault: vaultView(state, state.vaults.find(vault.id)),
        backups: state.backups.count([equals('vault_id', vault.id)]),
        agentConfig,
        takenOver,
        skipped,
        warnings: [...warnings],
      };
    },
  };
}

/** The pool that was named, or the only one there is. Throws NOT_FOUND or USAGE. */
function onlyPool({ state }: AgentContext, reference: string | undefined): PoolRow {
  if (reference !== undefined) return state.pools.find(reference);
  const [pool, second] = state.pools.where([]);
  if (!pool) fail('USAGE', { detail: 'there is no pool yet: bind one first (agentcli pool bind)' });
  if (second) fail('USAGE', { detail: 'there are several pools: name one' });
  return pool;
}

/** Throws USAGE for less than what is stored already. */
function roomFor(capacityGb: number | undefined, storedBytes: number): number {
  const used = Math.ceil(storedBytes / gigabyte);
  if (capacityGb !== undefined && capacityGb < used) fail('USAGE', { detail: `${used} GB are stored there, more than ${capacityGb} GB` });
  return capacityGb ?? Math.max(defaultCapacityGb, used);
}

function nameFromPath(path: string): string {
  const first = path.split('/').at(-2) ?? '';
  return /^[A-Za-z0-9_-]{1,64}$/.test(first) ? first : madeUpName('vault');
}

/** Makes the plans again that the former agent had for this vault, under their old IDs, so that their backups go on. */
function takeOver({ state, clock }: AgentContext, vault: VaultRow, text: string) {
  const former = JSON.parse(text) as AgentConfig;
  const before = former.vaults.find((known) => known.path === vault.path);
  const plans = (former.plans as readonly Plan[]).filter((plan) => plan.vaultId === before?.id);
  const takenOver: string[] = [];
  const skipped: string[] = [];
  for (const plan of plans) {
    try {
      state.transaction(() => {
        if (state.plans.get(plan.id) || state.plans.where([equals('name', plan.name)]).length > 0)
          fail('ALREADY_EXISTS', { what: 'plan', id: plan.name });
        state.plans.insert({
          ...planDefaults,
          ...plan,
          secret: null,
          accountedUntil: clock.now(),
          vaultId: vault.id,
          updatedAt: clock.now(),
        });
      });
      takenOver.push(plan.name);
    } catch (error) {
      if (!isCode(error, 'ALREADY_EXISTS')) throw error;
      skipped.push(plan.name);
    }
  }
  return { takenOver, skipped };
}
