// What has to be done so that the agent has what a file asks for. It is all settled, and all faults are found, before the first step is taken.
import { planSteps } from './plans.ts';
import { poolSteps } from './pools.ts';
import type { Wanted } from './read.ts';
import type { Circumstances, Step } from './step.ts';
import { vaultSteps } from './vaults.ts';

/** Throws USAGE_ARGUMENT with the place of the fault, and what the files of secrets have wrong with them. */
export function stepsFor(wanted: Wanted, circumstances: Circumstances): readonly Step[] {
  return [...poolSteps(wanted, circumstances), ...vaultSteps(wanted, circumstances), ...planSteps(wanted, circumstances)];
}
