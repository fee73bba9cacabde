// What has to be done so that the agent has what a file asks for. It is all settled, and all faults are found, before the first step is taken.
import { gatewaySteps } from './gateway.ts';
import { planSteps } from './plans.ts';
import { policySteps } from './policies.ts';
import { poolSteps } from './pools.ts';
import { removals } from './prune.ts';
import type { Wanted } from './read.ts';
import type { Circumstances, Step } from './step.ts';
import { vaultSteps } from './vaults.ts';

/**
 * `prune`: what the file does not name is removed, last of all. Throws APPLY_INVALID with the place of the fault, what the files of secrets
 * have wrong with them, and IN_USE or VAULT_STATE for what cannot be removed.
 */
export function stepsFor(wanted: Wanted, circumstances: Circumstances, prune = false): readonly Step[] {
  const steps = [
    ...gatewaySteps(wanted, circumstances),
    ...poolSteps(wanted, circumstances),
    ...policySteps(wanted, circumstances),
    ...vaultSteps(wanted, circumstances),
    ...planSteps(wanted, circumstances),
  ];
  return prune ? [...steps, ...removals(wanted, circumstances.known, steps)] : steps;
}
