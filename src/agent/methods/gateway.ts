import { fail, isCode } from '../../base/errors.ts';
import type { Handlers } from '../../rpc/handlers.ts';
import type { Gateway } from '../../rpc/schemas-gateway.ts';
import type { GatewayRow } from '../../state/gateways.ts';
import type { PoolRow } from '../../state/pools.ts';
import { newId } from '../../state/state.ts';
import type { AgentContext } from '../context.ts';
import { bandwidthOf, gatewayOf, onlyTenant, ownAddress } from '../gateway.ts';
import { checkName } from '../names.ts';
import type { TaskDesk } from '../task-desk.ts';

type Methods = Pick<Handlers, 'gatewaySet' | 'gatewayShow' | 'gatewayRemove'>;

export function gatewayMethods({ state, clock }: AgentContext, desk: TaskDesk): Methods {
  const external = (): PoolRow[] => state.pools.where([{ sql: "json_extract(place, '$.type') = 's3'", values: {} }]);
  const found = () => gatewayOf(state) ?? fail('NOT_FOUND', { what: 'gateway', id: onlyTenant });
  const view = (row: GatewayRow): Gateway => ({ ...row, ...fitness(row), pools: external().length });

  /** Running tasks go on at the new pace. */
  function spread(): void {
    for (const pool of state.pools.where([])) desk.setBandwidth(pool.id, bandwidthOf(state, pool));
  }

  return {
    gatewaySet({ body }) {
      const now = clock.now();
      const before = gatewayOf(state);
      const change = {
        ...(body.name !== undefined && { name: checkName(body.name) }),
        ...(body.address !== undefined && { address: body.address === null ? null : ownAddress(body.address) }),
        ...(body.bandwidth !== undefined && { bandwidth: body.bandwidth }),
        updatedAt: now,
      };
      if (before) state.gateways.update(before.id, change);
      else
        state.gateways.insert({ id: newId(), tenant: onlyTenant, name: 'gateway', address: null, bandwidth: 0, createdAt: now, ...change });
      spread();
      return view(found());
    },
    gatewayShow: () => view(found()),
    gatewayRemove() {
      const { id, name } = found();
      const users = external().map((pool) => `pool ${pool.name}`);
      if (users.length > 0) fail('IN_USE', { what: 'gateway', id: name, users: users.join(', ') });
      state.gateways.remove(id);
      spread();
      return { id };
    },
  };
}

/** An address may go away with its interface. */
function fitness({ address }: GatewayRow): Pick<Gateway, 'state' | 'stateDetail'> {
  try {
    if (address !== null) ownAddress(address);
    return { state: 'available', stateDetail: '' };
  } catch (error) {
    if (!isCode(error, 'GATEWAY_ADDRESS')) throw error;
    return { state: 'error', stateDetail: `this host does not have the address ${address} any more` };
  }
}
