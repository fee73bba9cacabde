// Every operation of the RPC with what answers it.
import type { Handlers } from '../rpc/handlers.ts';
import type { AgentContext } from './context.ts';
import { freezerOf } from './host-places.ts';
import { backupStreamMethods } from './methods/backup-streams.ts';
import { backupMethods } from './methods/backups.ts';
import { freezeMethods } from './methods/freezes.ts';
import { instanceMethods } from './methods/instances.ts';
import { planMethods } from './methods/plans.ts';
import { createPoolBinder, poolMethods } from './methods/pools.ts';
import { statusMethods } from './methods/status.ts';
import { taskMethods } from './methods/tasks.ts';
import { vaultBirthMethods } from './methods/vault-birth.ts';
import { vaultKeyMethods } from './methods/vault-keys.ts';
import { vaultMethods } from './methods/vaults.ts';
import type { TaskDesk } from './task-desk.ts';

export function handlersOf(context: AgentContext, desk: TaskDesk, address: () => string): Handlers {
  const binder = createPoolBinder(context, desk);
  return {
    ...statusMethods(context, address),
    ...poolMethods(context, desk, binder),
    ...vaultMethods(context, desk),
    ...vaultBirthMethods(context, desk, binder),
    ...vaultKeyMethods(context, desk),
    ...planMethods(context),
    ...backupMethods(context, desk),
    ...backupStreamMethods(context, desk),
    ...instanceMethods(context, desk),
    ...freezeMethods(context, freezerOf(context.layout)),
    ...taskMethods(context, desk),
  };
}
