// Every operation of the RPC with what answers it.
import type { Handlers } from '../rpc/handlers.ts';
import type { AgentContext } from './context.ts';
import type { Deletions } from './deletions.ts';
import type { Expiry } from './expiry.ts';
import { freezerOf } from './host-places.ts';
import { alarmMethods } from './methods/alarms.ts';
import { auditMethods } from './methods/audit.ts';
import { backupStreamMethods } from './methods/backup-streams.ts';
import { backupMethods } from './methods/backups.ts';
import { eventMethods } from './methods/events.ts';
import { freezeMethods } from './methods/freezes.ts';
import { gatewayMethods } from './methods/gateway.ts';
import { instanceMethods } from './methods/instances.ts';
import { metricMethods } from './methods/metrics.ts';
import { planMethods } from './methods/plans.ts';
import { policyMethods } from './methods/policies.ts';
import { createPoolBinder, poolMethods } from './methods/pools.ts';
import { statusMethods } from './methods/status.ts';
import { taskMethods } from './methods/tasks.ts';
import { vaultBirthMethods } from './methods/vault-birth.ts';
import { vaultKeyMethods } from './methods/vault-keys.ts';
import { vaultRuleMethods } from './methods/vault-rules.ts';
import { vaultMethods } from './methods/vaults.ts';
import type { ScheduleKeeper } from './schedule-keeper.ts';
import type { TaskDesk } from './task-desk.ts';

/** What the agent does by itself, where a method has a say in it. */
export interface Selves {
  readonly keeper: ScheduleKeeper;
  readonly expiry: Expiry;
  readonly deletions: Deletions;
}

export function handlersOf(context: AgentContext, desk: TaskDesk, selves: Selves, address: () => string): Handlers {
  const binder = createPoolBinder(context, desk);
  return {
    ...statusMethods(context, address),
    ...poolMethods(context, desk, binder),
    ...vaultMethods(context, desk),
    ...vaultBirthMethods(context, desk, binder),
    ...vaultKeyMethods(context, desk),
    ...planMethods(context, selves.keeper),
    ...backupMethods(context, desk, selves.deletions),
    ...backupStreamMethods(context, desk),
    ...instanceMethods(context, desk),
    ...freezeMethods(context, freezerOf(context.layout)),
    ...taskMethods(context, desk),
    ...vaultRuleMethods(context, desk, selves.deletions, selves.keeper),
    ...policyMethods(context, selves.keeper, selves.expiry),
    ...metricMethods(context, desk),
    ...gatewayMethods(context, desk),
    ...eventMethods(context, desk),
    ...auditMethods(context, desk),
    ...alarmMethods(context, desk),
  };
}
