// The agent's configuration as it travels with every backup: enough to make the plans again on another host, and no secret.
import { hostname } from 'node:os';
import type { Plan } from '../model/plan.ts';
import type { AgentConfig } from '../rpc/schemas.ts';
import type { AgentContext } from './context.ts';

export function agentConfig({ state, settings }: Pick<AgentContext, 'state' | 'settings'>): AgentConfig {
  return {
    format: 1,
    agentId: state.agentId,
    hostname: hostname(),
    pools: state.pools.where([]).map(({ id, name, place }) => ({ id, name, place })),
    vaults: state.vaults.where([]).map(({ id, name, path, capacityGb, poolId }) => ({ id, name, path, capacityGb, pool: poolId })),
    plans: state.plans.where([]).map(travelling),
    policies: state.policies.where([]),
    settings,
  };
}

/** Neither secrets nor what changes from run to run: an unchanged configuration stays the same file. */
function travelling({ secret: _secret, heartbeat: _heartbeat, pause: _pause, renew: _renew, accountedUntil: _until, ...plan }: Plan) {
  return plan;
}
