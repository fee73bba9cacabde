// From a kept request to the spec that a task process gets, at the moment it starts.
import { hostname } from 'node:os';
import { fail } from '../base/errors.ts';
import type { TaskSpec } from '../model/task.ts';
import type { BackupRow } from '../state/backups.ts';
import { equals, oneOf } from '../state/table.ts';
import type { TaskRow } from '../state/tasks.ts';
import { vaultAccess } from './access.ts';
import { agentConfig } from './agent-config.ts';
import type { AgentContext } from './context.ts';
import { logEnd } from './log-chain.ts';
import { openSecret, planSecretContext, requestSecretContext, withSecret } from './source-secrets.ts';
import type { TaskRequest } from './task-requests.ts';
import { canStart } from './vault-rules.ts';

/** Throws NOT_FOUND if what it works on is gone, SECRET_UNREADABLE, or TASK_DIED for an attended task. */
export function specOf(context: AgentContext, task: TaskRow): TaskSpec {
  const request = task.request as TaskRequest;
  if (request.type === 'attended') fail('TASK_DIED', { detail: 'the agent was restarted before it began' });
  const vault = vaultAccess(context, context.state.vaults.find(task.vaultId ?? ''));
  if (request.type === 'restore') {
    const { secret, target, ...restore } = request;
    return { ...restore, target: withSecret(target, openSecret(context, requestSecretContext, secret)), vault, task: task.id };
  }
  if (request.type === 'forget') return { ...request, vault, now: context.clock.now() };
  if (request.type !== 'backup') return { ...request, vault };
  // Others that waited with it may have filled the vault.
  canStart(context.state.vaults.find(task.vaultId ?? ''));
  const plan = context.state.plans.find(task.planId ?? '');
  const parent = request.full ? undefined : parentOf(context, plan.id, plan.vaultId)?.record;
  return {
    ...request,
    vault,
    source: withSecret(plan.source, openSecret(context, planSecretContext(plan.id), plan.secret)),
    consistency: plan.consistency,
    hooks: plan.hooks,
    limits: plan.limits,
    task: task.id,
    freezesPerHour: context.settings.freezesPerHour,
    hostname: hostname(),
    ...(parent && { parent }),
    ...('base' in plan.source && plan.source.base && since(context, plan.id, plan.source.base)),
    agentConfig: JSON.stringify(agentConfig(context)),
  };
}

/** The newest good backup of the plan on this host; what did not change since is not read again. */
function parentOf({ state }: AgentContext, planId: string, vaultId: string): BackupRow | undefined {
  const filters = [
    equals('plan_id', planId),
    equals('vault_id', vaultId),
    equals('hostname', hostname()),
    oneOf('state', ['available', 'restoring']),
    { sql: 'record IS NOT NULL', values: {} },
  ];
  return state.backups.where(filters, 'time DESC', 1)[0];
}

function since({ state }: AgentContext, planId: string, base: string): Pick<Extract<TaskSpec, { type: 'backup' }>, 'since'> {
  const mark = logEnd(state, planId, base);
  return mark ? { since: mark } : {};
}
