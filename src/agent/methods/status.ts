import { hostname } from 'node:os';
import type { Handlers } from '../../rpc/handlers.ts';
import { atLeast, equals, oneOf } from '../../state/table.ts';
import { agentConfig } from '../agent-config.ts';
import type { AgentContext } from '../context.ts';

const day = 24 * 3600 * 1000;

export function statusMethods(context: AgentContext, address: () => string): Pick<Handlers, 'status' | 'config'> {
  const { state, clock, layout, version, startedAt } = context;
  return {
    status: () => ({
      version,
      agentId: state.agentId,
      hostname: hostname(),
      home: layout.home,
      pid: process.pid,
      address: address(),
      startedAt,
      memoryBytes: process.memoryUsage.rss(),
      pools: { total: state.pools.count(), offline: state.pools.count([equals('state', 'offline')]) },
      vaults: { total: state.vaults.count(), error: state.vaults.count([equals('state', 'error')]) },
      plans: { total: state.plans.count() },
      backups: { total: state.backups.count(), error: state.backups.count([equals('state', 'error')]) },
      tasks: {
        queued: state.tasks.count([equals('state', 'queued')]),
        running: state.tasks.count([equals('state', 'running')]),
        failedLastDay: state.tasks.count([oneOf('state', ['failed', 'died']), atLeast('created_at', clock.now() - day)]),
      },
    }),
    config: () => agentConfig(context),
  };
}
