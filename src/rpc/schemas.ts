// The one face of the RPC's schemas.
export * from './schemas-backups.ts';
export * from './schemas-common.ts';
export * from './schemas-freezes.ts';
export * from './schemas-plans.ts';
export * from './schemas-policies.ts';
export * from './schemas-pools.ts';
export * from './schemas-services.ts';
export * from './schemas-status.ts';
export * from './schemas-tasks.ts';
export * from './schemas-vaults.ts';
