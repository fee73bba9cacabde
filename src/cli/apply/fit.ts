// Whether plans fit the vaults that they are to be in, once all is done. The agent has the same rules (agent/vault-rules.ts) and asks them one
// step at a time; here they are asked before the first step. What vaults hold in bytes only the agent knows.
import { failure } from '../../base/errors.ts';
import type { SourceSettings } from '../../model/plan.ts';
import { quotas } from '../../model/quota.ts';
import { resourcesOf } from '../../model/resource.ts';
import { takes, type VaultNature } from '../../model/vault.ts';
import type { Entry, Wanted } from './read.ts';
import type { FilePlan } from './schema.ts';
import type { Known } from './step.ts';

export interface Placed {
  readonly name: string;
  readonly vault: string;
  readonly source: SourceSettings;
  readonly freezes: boolean;
}

/** A plan of the file that is new there, or reads or stores something else than before. */
export interface Newcomer extends Placed {
  readonly entry: Entry<FilePlan>;
}

const usual: VaultNature = { type: 'any', protection: 'backup', spec: 'application-consistent' };

/** `all`: of the agent and the file, as they will be, the newcomers among them. Throws APPLY_INVALID. */
export function judgeFit(newcomers: readonly Newcomer[], all: readonly Placed[], wanted: Wanted, known: Known): void {
  for (const plan of newcomers) {
    const { entry, name, vault, source, freezes } = plan;
    const { type, protection, spec } = natureOf(vault, wanted, known);
    const wrong = (...params: Parameters<typeof failure>) => entry.wrong('/vault', failure(...params).message);
    if (!takes({ type, protection }, source.kind))
      wrong('VAULT_TYPE', { vault, type: protection === 'backup' ? type : 'copies of', source: source.kind });
    if (freezes && spec !== 'application-consistent') wrong('VAULT_SPEC', { vault });
    const resources = new Set(resourcesOf(source));
    for (const other of all.filter((one) => one.name !== name && one.vault !== vault)) {
      const resource = resourcesOf(other.source).find((one) => resources.has(one));
      if (resource !== undefined) wrong('RESOURCE_TAKEN', { resource, vault: other.vault, plan: other.name });
    }
    const inVault = new Set(all.filter((one) => one.vault === vault).flatMap((one) => resourcesOf(one.source)));
    if (inVault.size > quotas.resourcesPerVault)
      wrong('QUOTA_EXCEEDED', { count: quotas.resourcesPerVault, what: `resources in the vault ${vault}` });
  }
}

function natureOf(name: string, wanted: Wanted, known: Known): VaultNature {
  const asked = wanted.vaults.find(({ value }) => value.name === name)?.value;
  const there = known.vaults.find((vault) => vault.name === name);
  const said = <K extends keyof VaultNature>(key: K): VaultNature[K] => (asked?.[key] ?? there?.[key] ?? usual[key]) as VaultNature[K];
  return { type: said('type'), protection: said('protection'), spec: said('spec') };
}
