import { type Static, Type } from 'typebox';
import type { KeyInfo } from '../model/task.ts';
import { listOf, listQuery, strict, Time } from './schemas-common.ts';
import { CredentialsInput } from './schemas-pools.ts';
import { Task } from './schemas-tasks.ts';

export const VaultState = Type.Union([
  Type.Literal('creating'),
  Type.Literal('available'),
  Type.Literal('locked'),
  Type.Literal('deleting'),
  Type.Literal('error'),
]);
export type VaultState = Static<typeof VaultState>;

export const VaultType = Type.Union([Type.Literal('any'), Type.Literal('server'), Type.Literal('disk'), Type.Literal('file')], {
  description: 'server: servers, databases, commands; disk: disks; file: files and buckets; any: all of them',
});
export type VaultType = Static<typeof VaultType>;
export const VaultProtection = Type.Union([Type.Literal('backup'), Type.Literal('replication')], {
  description: 'replication: holds copies of backups of other vaults, and no plan stores into it',
});
export type VaultProtection = Static<typeof VaultProtection>;
export const VaultSpec = Type.Union([Type.Literal('server'), Type.Literal('application-consistent')], {
  description: 'server: no plan that freezes applications; changes to application-consistent, and never back',
});
export type VaultSpec = Static<typeof VaultSpec>;

export const VaultKey = Type.Unsafe<KeyInfo & { readonly recovery: boolean }>(
  strict({
    id: Type.String(),
    created: Time,
    hostname: Type.String(),
    username: Type.String(),
    current: Type.Boolean({ description: 'the agent opens the vault with it' }),
    recovery: Type.Boolean({ description: 'the recovery key that this agent made last' }),
  }),
);
export type VaultKey = Static<typeof VaultKey>;

export const Vault = strict({
  id: Type.String(),
  name: Type.String(),
  description: Type.String(),
  poolId: Type.String(),
  poolName: Type.String(),
  path: Type.String({ description: 'of the repository below the pool: <vault>/<agent-id>' }),
  location: Type.String({ description: 'the very string that restic -r takes' }),
  repositoryId: Type.String(),
  state: VaultState,
  stateDetail: Type.String(),
  type: VaultType,
  protection: VaultProtection,
  spec: VaultSpec,
  capacityGb: Type.Integer({ description: 'GB of 2^30 bytes' }),
  usedBytes: Type.Integer({ description: 'stored in the pool, as last seen' }),
  resources: Type.Integer({ description: 'what its plans protect: 256 at most' }),
  associatedBytes: Type.Integer({ description: 'total size of these resources, as far as it is known' }),
  policyName: Type.Union([Type.String(), Type.Null()], { description: 'of the backup policy that is applied to it' }),
  immutableDays: Type.Integer({ description: 'how long nothing in it can be removed by anyone; 0 for not at all' }),
  backups: Type.Integer(),
  plans: Type.Integer(),
  keys: Type.Array(VaultKey, { description: 'as last seen; ask /keys for what is there now' }),
  createdAt: Time,
  updatedAt: Time,
});
export type Vault = Static<typeof Vault>;

const ImmutableDays = Type.Integer({
  minimum: 1,
  maximum: 36_500,
  description: 'nobody can remove a backup for so many days; the pool must be a bucket with Object Lock',
});
const CapacityGb = Type.Integer({ minimum: 10, maximum: 10_485_760, description: '100 if not given' });

export const VaultCreate = strict({
  name: Type.Optional(Type.String({ description: '1-64 letters, digits, _ or -; vault_xxxx if not given' })),
  description: Type.Optional(Type.String()),
  pool: Type.Optional(Type.String({ description: 'ID or name; may be left out while there is just one' })),
  immutableDays: Type.Optional(ImmutableDays),
  capacityGb: Type.Optional(CapacityGb),
  type: Type.Optional(VaultType),
  protection: Type.Optional(VaultProtection),
  spec: Type.Optional(VaultSpec),
});
export type VaultCreate = Static<typeof VaultCreate>;

export const VaultCreated = strict({
  vault: Vault,
  recoveryKey: Type.String({ description: 'opens the repository as restic’s password; told this once, kept nowhere' }),
});
export type VaultCreated = Static<typeof VaultCreated>;

export const VaultAttach = strict({
  name: Type.Optional(Type.String()),
  description: Type.Optional(Type.String()),
  location: Type.Optional(Type.String({ description: '/dir/vault/agent or s3:https://host/bucket/prefix/vault/agent' })),
  pool: Type.Optional(Type.String({ description: 'with path, instead of a location' })),
  path: Type.Optional(Type.String({ description: 'of the repository below the pool' })),
  credentials: Type.Optional(CredentialsInput),
  region: Type.Optional(Type.String()),
  addressing: Type.Optional(Type.Union([Type.Literal('path'), Type.Literal('virtual-host')])),
  caPem: Type.Optional(Type.String()),
  recoveryKey: Type.String({ minLength: 1 }),
  capacityGb: Type.Optional(CapacityGb),
  immutableDays: Type.Optional(ImmutableDays),
  takeOver: Type.Optional(Type.Boolean({ description: 'make the plans again that the vault’s last backup knew' })),
});
export type VaultAttach = Static<typeof VaultAttach>;

export const VaultAttached = strict({
  vault: Vault,
  backups: Type.Integer({ description: 'found and put into the catalogue' }),
  agentConfig: Type.Union([Type.String(), Type.Null()], { description: 'the former agent’s configuration (JSON text), if there is one' }),
  takenOver: Type.Array(Type.String(), { description: 'names of the plans made again' }),
  skipped: Type.Array(Type.String(), { description: 'names of plans left out because the name is taken here' }),
  warnings: Type.Array(strict({ item: Type.String(), detail: Type.String() }), {
    description: 'who else may write there, what is unreadable',
  }),
});
export type VaultAttached = Static<typeof VaultAttached>;

export const VaultUpdate = strict({
  name: Type.Optional(Type.String({ description: 'the path of the repository stays as it is' })),
  description: Type.Optional(Type.String()),
  capacityGb: Type.Optional(CapacityGb),
  spec: Type.Optional(VaultSpec),
});
export type VaultUpdate = Static<typeof VaultUpdate>;

export const VaultQuery = listQuery({
  state: Type.Optional(VaultState),
  pool: Type.Optional(Type.String({ description: 'ID or name' })),
  type: Type.Optional(VaultType),
  protection: Type.Optional(VaultProtection),
});
export type VaultQuery = Static<typeof VaultQuery>;
export const VaultList = listOf(Vault);

export const VaultCheck = strict({
  readData: Type.Optional(
    Type.Union([Type.Boolean(), Type.String({ pattern: '^(\\d+/\\d+|\\d+(\\.\\d+)?%)$' })], {
      description: 'all, or a part of the packs: n/t or x%',
    }),
  ),
});
export type VaultCheck = Static<typeof VaultCheck>;

export const VaultPrune = strict({
  dryRun: Type.Optional(Type.Boolean()),
  maxUnusedPercent: Type.Optional(Type.Number({ minimum: 0, maximum: 100, description: 'unused space to leave; 5 if not given' })),
});
export type VaultPrune = Static<typeof VaultPrune>;

export const VaultUnlock = strict({ all: Type.Optional(Type.Boolean({ description: 'also locks of others that may still be in use' })) });
export type VaultUnlock = Static<typeof VaultUnlock>;

export const VaultKeys = strict({ items: Type.Array(VaultKey) });
export const VaultKeyParams = strict({ id: Type.String(), key: Type.String({ description: 'key ID or a unique beginning of it' }) });
export const VaultKeyAdd = strict({
  password: Type.Optional(Type.String({ minLength: 1, description: 'a recovery key is made and told if not given' })),
});
export type VaultKeyAdd = Static<typeof VaultKeyAdd>;
export const RecoveryKey = strict({
  keyId: Type.Union([Type.String(), Type.Null()]),
  recoveryKey: Type.Union([Type.String(), Type.Null()], {
    description: 'told this once, kept nowhere; null if the caller gave the password',
  }),
  removed: Type.Array(Type.String(), { description: 'keys that open the vault no longer' }),
});
export type RecoveryKey = Static<typeof RecoveryKey>;

export const VaultTask = strict({ vault: Vault, task: Task });
