// From what is stored to what a task needs to reach a vault. Secrets are opened here and go on into the task's pipe only.
import { randomBytes } from 'node:crypto';
import type { Credentials, PoolAccess } from '../model/pool.ts';
import type { VaultAccess } from '../model/task.ts';
import type { PoolRow } from '../state/pools.ts';
import type { VaultRow } from '../state/vaults.ts';
import type { AgentContext } from './context.ts';
import { bandwidthOf, gatewayOf } from './gateway.ts';

type Needs = Pick<AgentContext, 'state' | 'sealer'>;

const credentialsContext = (poolId: string) => `pool/${poolId}/credentials`;
const passwordContext = (vaultId: string) => `vault/${vaultId}/password`;

export function sealCredentials({ sealer }: Needs, poolId: string, credentials: Credentials | undefined): string | null {
  return credentials ? sealer.seal(credentialsContext(poolId), JSON.stringify(credentials)) : null;
}

export const sealPassword = ({ sealer }: Needs, vaultId: string, password: string): string =>
  sealer.seal(passwordContext(vaultId), password);

/** Throws SECRET_UNREADABLE. */
export function poolAccess({ sealer, state }: Needs, pool: PoolRow): PoolAccess {
  const { id, place, bandwidth } = pool;
  const open = throughGateway({ state }, { id, place, bandwidth });
  if (pool.credentials === null) return open;
  return { ...open, credentials: JSON.parse(sealer.open(credentialsContext(id), pool.credentials)) as Credentials };
}

/** A pool as it is reached by the gateway's address and no faster than that allows, where there is a gateway. */
export function throughGateway({ state }: Pick<Needs, 'state'>, pool: PoolAccess): PoolAccess {
  const address = gatewayOf(state)?.address ?? null;
  return { ...pool, bandwidth: bandwidthOf(state, pool), ...(address !== null && { localAddress: address }) };
}

/** Throws NOT_FOUND or SECRET_UNREADABLE. */
export function vaultAccess(needs: Needs, vault: VaultRow): VaultAccess {
  const pool = needs.state.pools.find(vault.poolId);
  const password = needs.sealer.open(passwordContext(vault.id), vault.password);
  const { path, immutableDays } = vault;
  return { pool: poolAccess(needs, pool), path, password, ...(immutableDays > 0 && { immutableDays }) };
}

/** The agent's own password for a repository: 32 random bytes. */
export const newPassword = (): string => randomBytes(32).toString('base64url');

/** Letters and digits that are not mistaken for one another (RFC 4648 base32 has no 0, 1, 8, 9). */
const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** For people to write down: 160 random bits as 8 groups of 4, `K7QX-…`. The whole text, dashes included, is the password for restic. */
export function newRecoveryKey(): string {
  const text = Array.from(randomBytes(32), (byte) => base32[byte & 31]).join('');
  return text.match(/.{4}/g)?.join('-') ?? text;
}
