import { addresses } from './addresses.ts';
import { one, route } from './route.ts';
import { Plan } from './schemas-plans.ts';
import { VaultRecover, VaultRecovering } from './schemas-vault-recover.ts';
import { Associate, Dissociated, DissociateParams, Quotas, ResourceList } from './schemas-vault-rules.ts';

export const vaultRuleRoutes = {
  vaultResources: route('vaults', addresses.vaultResources, 'What is associated with a vault', { ...one, reply: ResourceList }),
  vaultAssociate: route('vaults', addresses.vaultAssociate, 'Associate a plan with a vault; its old backups stay where they are', {
    ...one,
    body: Associate,
    reply: Plan,
    trace: { name: 'addResources', resource: 'vault' },
  }),
  vaultDissociate: route('vaults', addresses.vaultDissociate, 'Dissociate a plan; all its backups in the vault are deleted', {
    params: DissociateParams,
    reply: Dissociated,
    trace: { name: 'removeResources', resource: 'vault' },
  }),
  vaultRecover: route('vaults', addresses.vaultRecover, 'Make an immutable vault what it was at a moment', {
    ...one,
    body: VaultRecover,
    reply: VaultRecovering,
    trace: { name: 'recoverVault', resource: 'vault' },
  }),
  quotas: route('vaults', addresses.quotas, 'How much of what is allowed is used', { reply: Quotas }),
} as const;
