// Policies, and what plans do by them.
import { addresses } from './addresses.ts';
import { one, route } from './route.ts';
import { Removed } from './schemas-common.ts';
import { Plan } from './schemas-plans.ts';
import {
  Policy,
  PolicyApply,
  PolicyCreate,
  PolicyList,
  PolicyQuery,
  PolicyUpdate,
  Preview,
  PreviewInput,
  StartList,
  StartQuery,
} from './schemas-policies.ts';
import { Vault } from './schemas-vaults.ts';

export const policyRoutes = {
  policyCreate: route('policies', addresses.policyCreate, 'Create a policy: when backups are made, and how long they stay', {
    body: PolicyCreate,
    reply: Policy,
    status: 201,
    trace: { name: 'createPolicy', resource: 'policy' },
  }),
  policyList: route('policies', addresses.policyList, 'List policies', { query: PolicyQuery, reply: PolicyList }),
  policyShow: route('policies', addresses.policyShow, 'Show a policy', { ...one, reply: Policy }),
  policyUpdate: route('policies', addresses.policyUpdate, 'Change any field of a policy', {
    ...one,
    body: PolicyUpdate,
    reply: Policy,
    trace: { name: 'updatePolicy', resource: 'policy' },
  }),
  policyDelete: route('policies', addresses.policyDelete, 'Delete a policy; backups stay', {
    ...one,
    reply: Removed,
    trace: { name: 'deletePolicy', resource: 'policy' },
  }),
  policyApply: route('policies', addresses.policyApply, 'Apply a policy to a vault, in the place of the one that it has', {
    ...one,
    body: PolicyApply,
    reply: Vault,
    trace: { name: 'associatePolicy', resource: 'vault' },
  }),
  policyRemove: route('policies', addresses.policyRemove, 'Remove the policy of a vault; what runs ends, time goes on', {
    ...one,
    reply: Vault,
    trace: { name: 'dissociatePolicy', resource: 'vault' },
  }),
  policyPreview: route('policies', addresses.policyPreview, 'What retention keeps of a plan, and why; changes nothing', {
    ...one,
    body: PreviewInput,
    reply: Preview,
  }),
  planPause: route('plans', addresses.planPause, 'Pause a scheduled plan', {
    ...one,
    reply: Plan,
    trace: { name: 'pausePlan', resource: 'plan' },
  }),
  planResume: route('plans', addresses.planResume, 'Resume a paused plan', {
    ...one,
    reply: Plan,
    trace: { name: 'resumePlan', resource: 'plan' },
  }),
  planStarts: route('plans', addresses.planStarts, 'What became of a plan’s scheduled starts', {
    ...one,
    query: StartQuery,
    reply: StartList,
  }),
} as const;
