// What the agent has and a file does not name, to be removed: only of the kinds that the file lists, and only what nothing uses any more.
import { fail, failure } from '../../base/errors.ts';
import { type Client, problemToError } from '../../rpc/client.ts';
import type { Plan } from '../../rpc/schemas-plans.ts';
import type { Task } from '../../rpc/schemas-tasks.ts';
import type { Vault } from '../../rpc/schemas-vaults.ts';
import { plural } from '../format.ts';
import type { Wanted } from './read.ts';
import type { Kind, Known, Step } from './step.ts';

/** `steps`: what is done before. Throws IN_USE or VAULT_STATE as the agent would, before anything is done. */
export function removals(wanted: Wanted, known: Known, steps: readonly Step[]): readonly Step[] {
  const unnamed = <T extends { readonly name: string }>(list: 'pools' | 'policies' | 'vaults' | 'plans', items: readonly T[]) =>
    items.filter(({ name }) => wanted.lists.has(list) && !wanted[list].some(({ value }) => value.name === name));
  // Whoever uses something goes before it.
  const plans = unnamed('plans', known.plans).toSorted((a, b) => Number(b.base !== null) - Number(a.base !== null));
  const vaults = unnamed('vaults', known.vaults);
  const removed = [
    ...plans.map(({ id, name }) => removal('plan', name, (client) => client.call('planDelete', { params: { id } }))),
    ...vaults.map((vault) => ({
      ...removal('vault', vault.name, (client) => deleteVault(client, vault)),
      changes: vault.backups > 0 ? [{ field: 'backups', before: vault.backups, after: 0 }] : [],
    })),
    ...unnamed('policies', known.policies).map(({ id, name }) =>
      removal('policy', name, (client) => client.call('policyDelete', { params: { id } })),
    ),
    ...unnamed('pools', known.pools).map(({ id, name }) =>
      removal('pool', name, (client) => client.call('poolUnbind', { params: { id } })),
    ),
  ];
  refuseUsed(removed, known, steps);
  for (const plan of plans) refuseBusyPlan(plan, known);
  for (const vault of vaults) refuseBusyVault(vault, known);
  return removed;
}

const removal = (kind: Kind, name: string, remove: (client: Client) => Promise<unknown>): Step => ({
  kind,
  name,
  action: 'removed',
  changes: [],
  uses: [],
  run: async (client) => void (await remove(client)),
});

const keyOf = ({ kind, name }: Pick<Step, 'kind' | 'name'>) => `${kind} ${name}`;

function refuseUsed(removed: readonly Step[], known: Known, steps: readonly Step[]): void {
  const gone = new Set(removed.map(keyOf));
  const settled = new Set(steps.map(keyOf));
  const stay = [
    ...known.vaults.map(({ name, poolName, policyName }) => ({
      key: `vault ${name}`,
      uses: [`pool ${poolName}`, ...(policyName === null ? [] : [`policy ${policyName}`])],
    })),
    ...known.plans.map((plan) => ({ key: `plan ${plan.name}`, uses: usesOf(plan) })),
  ].filter(({ key }) => !gone.has(key) && !settled.has(key));
  const after = [...stay, ...steps.map((step) => ({ key: keyOf(step), uses: step.uses }))];
  for (const step of removed) {
    const users = after.filter(({ uses }) => uses.includes(keyOf(step))).map(({ key }) => `the ${key}`);
    if (users.length > 0) fail('IN_USE', { what: step.kind, id: step.name, users: users.join(', ') });
  }
}

const usesOf = ({ vaultName, timing, policyName, base }: Plan) => [
  `vault ${vaultName}`,
  ...(timing === 'policy' && policyName !== null ? [`policy ${policyName}`] : []),
  ...(base === null ? [] : [`plan ${base}`]),
];

function refuseBusyPlan({ id, name, backups }: Plan, { tasks }: Known): void {
  const users = [...(backups > 0 ? [plural(backups, 'backup')] : []), ...usersIn(tasks.filter(({ planId }) => planId === id))];
  if (users.length > 0) fail('IN_USE', { what: 'plan', id: name, users: users.join(', ') });
}

function refuseBusyVault({ id, name, state }: Vault, { tasks }: Known): void {
  if (state !== 'available' && state !== 'error') fail('VAULT_STATE', { vault: name, state });
  const users = usersIn(tasks.filter(({ vaultId }) => vaultId === id));
  if (users.length > 0) fail('IN_USE', { what: 'vault', id: name, users: users.join(', ') });
}

const usersIn = (tasks: Known['tasks']) => tasks.map(({ type, id }) => `${type} task ${id}`);

/** Its pool can be unbound when it is gone. */
async function deleteVault(client: Client, { id }: Vault): Promise<void> {
  let last: Task = await client.call('vaultDelete', { params: { id } });
  for await (const event of client.events(last.id)) if ('task' in event) last = event.task;
  if (last.state === 'done' || last.state === 'warnings') return;
  throw last.problem ? problemToError(last.problem) : failure('TASK_DIED', { detail: 'no reason is known' });
}
