// The gateway: by which address of this host backups leave, and how fast (requirement P3).
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { fail } from '../base/errors.ts';
import type { GatewayRow } from '../state/gateways.ts';
import type { PoolRow } from '../state/pools.ts';
import type { State } from '../state/state.ts';
import { equals } from '../state/table.ts';

/** An agent alone has one tenant. */
export const onlyTenant = 'default';

export const gatewayOf = (state: State): GatewayRow | undefined => state.gateways.where([equals('tenant', onlyTenant)])[0];

/** Bytes a second for a task with the pool: the smaller of the pool's limit and the gateway's; 0 for no limit. */
export function bandwidthOf(state: State, { bandwidth }: Pick<PoolRow, 'bandwidth'>): number {
  const limits = [bandwidth, gatewayOf(state)?.bandwidth ?? 0].filter((limit) => limit > 0);
  return limits.length === 0 ? 0 : Math.min(...limits);
}

/** The address as the host writes it. Throws GATEWAY_ADDRESS unless it is one of this host's. */
export function ownAddress(text: string, own: readonly string[] = addressesHere()): string {
  if (isIP(text) === 0) fail('GATEWAY_ADDRESS', { address: JSON.stringify(text), detail: 'it is neither IPv4 nor IPv6' });
  // An address that holds for one link only leads nowhere without the name of the link.
  if (/^fe[89ab]/i.test(text)) fail('GATEWAY_ADDRESS', { address: text, detail: 'it holds for one link only' });
  const address = plainAddress(text);
  if (!own.some((known) => plainAddress(known) === address))
    fail('GATEWAY_ADDRESS', { address: text, detail: 'this host does not have it' });
  return address;
}

const addressesHere = (): string[] => Object.values(networkInterfaces()).flatMap((list = []) => list.map(({ address }) => address));

/** The one way to write it: `2001:DB8:0::1` and `2001:db8::1` are the same. */
function plainAddress(text: string): string {
  const [address = text] = text.split('%');
  return isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}
