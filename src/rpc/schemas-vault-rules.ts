// What is associated with vaults, and how much of what is allowed is used.
import { type Static, Type } from 'typebox';
import { strict, Time } from './schemas-common.ts';

export const Resource = strict({
  name: Type.String({ description: 'stays the same: disk /dev/vdb, server, files /etc,/root, mysql localhost:3306 …' }),
  kind: Type.String(),
  planId: Type.String(),
  planName: Type.String(),
  sizeBytes: Type.Integer({ description: '0 where it is not known yet' }),
  backups: Type.Integer({ description: 'of the plan, in this vault' }),
  since: Type.Union([Time, Type.Null()], { description: 'of the first of these backups' }),
});
export type Resource = Static<typeof Resource>;
export const ResourceList = strict({
  items: Type.Array(Resource, { description: 'a resource that several plans read is there for each of them' }),
  used: Type.Integer({ description: 'resources, each counted once' }),
  total: Type.Integer({ description: 'resources that there may be' }),
  associatedBytes: Type.Integer(),
});
export type ResourceList = Static<typeof ResourceList>;

export const Associate = strict({ plan: Type.String({ minLength: 1, description: 'ID or name' }) });
export const DissociateParams = strict({
  id: Type.String({ minLength: 1, description: 'vault: ID or name' }),
  plan: Type.String({ minLength: 1, description: 'ID or name' }),
});
export const Dissociated = strict({
  planId: Type.String(),
  planName: Type.String(),
  vaultName: Type.String(),
  deleted: Type.Integer({ description: 'backups deleted with it; they can be taken back for 24 hours' }),
});
export type Dissociated = Static<typeof Dissociated>;

const Quota = strict({ used: Type.Integer(), total: Type.Integer() });
export const Quotas = strict({
  backupPolicies: Quota,
  replicationPolicies: Quota,
  vaults: Type.Array(strict({ id: Type.String(), name: Type.String(), resources: Quota })),
});
export type Quotas = Static<typeof Quotas>;
