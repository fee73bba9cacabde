// Every operation of the RPC, as data: the server registers from this table, the client is typed by it, OpenAPI is generated from it.
import type { Static, TSchema } from 'typebox';
import { addresses } from './addresses.ts';
import { one, type ReplyKind, route, started } from './route.ts';
import { alarmRoutes } from './routes-alarms.ts';
import { auditRoutes } from './routes-audit.ts';
import { eventRoutes } from './routes-events.ts';
import { gatewayRoutes } from './routes-gateway.ts';
import { metricRoutes } from './routes-metrics.ts';
import { policyRoutes } from './routes-policies.ts';
import { vaultRuleRoutes } from './routes-vault-rules.ts';
import * as s from './schemas.ts';

export type { ReplyKind, Route, Trace } from './route.ts';

export const routes = {
  status: route('status', addresses.status, 'State of the agent', { reply: s.Status }),
  config: route('status', addresses.config, 'The agent’s configuration as it travels with every backup', { reply: s.AgentConfigDocument }),

  poolBind: route('pools', addresses.poolBind, 'Bind a pool: checks every right first', {
    body: s.PoolBind,
    reply: s.PoolBound,
    status: 201,
    trace: { name: 'bindPool', resource: 'pool' },
  }),
  poolList: route('pools', addresses.poolList, 'List pools', { query: s.PoolQuery, reply: s.PoolList }),
  poolShow: route('pools', addresses.poolShow, 'Show a pool', { ...one, reply: s.Pool }),
  poolProbe: route('pools', addresses.poolProbe, 'Check a pool now', {
    ...one,
    reply: s.PoolBound,
    trace: { name: 'probePool', resource: 'pool' },
  }),
  poolUpdate: route('pools', addresses.poolUpdate, 'Change name, remark, credentials or bandwidth', {
    ...one,
    body: s.PoolUpdate,
    reply: s.Pool,
    trace: { name: 'updatePool', resource: 'pool' },
  }),
  poolUnbind: route('pools', addresses.poolUnbind, 'Unbind a pool that no vault uses', {
    ...one,
    reply: s.Removed,
    trace: { name: 'unbindPool', resource: 'pool' },
  }),

  vaultCreate: route('vaults', addresses.vaultCreate, 'Create a vault; answers its recovery key, once', {
    body: s.VaultCreate,
    reply: s.VaultCreated,
    once: true,
    status: 201,
    trace: { name: 'createVault', resource: 'vault' },
  }),
  vaultAttach: route('vaults', addresses.vaultAttach, 'Attach an existing repository', {
    body: s.VaultAttach,
    reply: s.VaultAttached,
    status: 201,
    trace: { name: 'attachVault', resource: 'vault' },
  }),
  vaultList: route('vaults', addresses.vaultList, 'List vaults', { query: s.VaultQuery, reply: s.VaultList }),
  vaultShow: route('vaults', addresses.vaultShow, 'Show a vault', { ...one, reply: s.Vault }),
  vaultUpdate: route('vaults', addresses.vaultUpdate, 'Change name, description or specification, or expand', {
    ...one,
    body: s.VaultUpdate,
    reply: s.Vault,
    trace: { name: 'updateVault', resource: 'vault' },
  }),
  vaultScan: route('vaults', addresses.vaultScan, 'Read the records again into the catalogue', {
    ...one,
    ...started,
    trace: { name: 'scanVault', resource: 'vault' },
  }),
  vaultCheck: route('vaults', addresses.vaultCheck, 'Check the repository', {
    ...one,
    body: s.VaultCheck,
    ...started,
    trace: { name: 'checkVault', resource: 'vault' },
  }),
  vaultPrune: route('vaults', addresses.vaultPrune, 'Give back the space of deleted backups', {
    ...one,
    body: s.VaultPrune,
    ...started,
    trace: { name: 'pruneVault', resource: 'vault' },
  }),
  vaultUnlock: route('vaults', addresses.vaultUnlock, 'Remove stale locks', {
    ...one,
    body: s.VaultUnlock,
    ...started,
    trace: { name: 'unlockVault', resource: 'vault' },
  }),
  vaultKeys: route('vaults', addresses.vaultKeys, 'Read the repository’s keys', { ...one, reply: s.VaultKeys }),
  vaultKeyAdd: route('vaults', addresses.vaultKeyAdd, 'Add a key', {
    ...one,
    body: s.VaultKeyAdd,
    reply: s.RecoveryKey,
    once: true,
    status: 201,
    trace: { name: 'addKey', resource: 'vault' },
  }),
  vaultKeyRemove: route('vaults', addresses.vaultKeyRemove, 'Remove a key', {
    params: s.VaultKeyParams,
    reply: s.Removed,
    trace: { name: 'removeKey', resource: 'vault' },
  }),
  vaultRecoveryKey: route('vaults', addresses.vaultRecoveryKey, 'Make a new recovery key; the old one opens no longer', {
    ...one,
    reply: s.RecoveryKey,
    once: true,
    status: 201,
    trace: { name: 'newRecoveryKey', resource: 'vault' },
  }),
  vaultDelete: route('vaults', addresses.vaultDelete, 'Delete a vault with all its backups', {
    ...one,
    ...started,
    trace: { name: 'deleteVault', resource: 'vault' },
  }),

  planCreate: route('plans', addresses.planCreate, 'Create a plan', {
    body: s.PlanCreate,
    reply: s.Plan,
    status: 201,
    trace: { name: 'createPlan', resource: 'plan' },
  }),
  planList: route('plans', addresses.planList, 'List plans', { query: s.PlanQuery, reply: s.PlanList }),
  planShow: route('plans', addresses.planShow, 'Show a plan', { ...one, reply: s.Plan }),
  planUpdate: route('plans', addresses.planUpdate, 'Change any field of a plan', {
    ...one,
    body: s.PlanUpdate,
    reply: s.Plan,
    trace: { name: 'updatePlan', resource: 'plan' },
  }),
  planDelete: route('plans', addresses.planDelete, 'Delete a plan whose backups are gone', {
    ...one,
    reply: s.Removed,
    trace: { name: 'deletePlan', resource: 'plan' },
  }),

  backupRun: route('backups', addresses.backupRun, 'Run a plan now', {
    body: s.BackupRun,
    ...started,
    trace: { name: 'createVaultBackup', resource: 'vault' },
  }),
  backupList: route('backups', addresses.backupList, 'List backups', { query: s.BackupQuery, reply: s.BackupList }),
  backupFind: route('backups', addresses.backupFind, 'Find paths in backups', { query: s.BackupFind, kind: 'lines' }),
  backupDiff: route('backups', addresses.backupDiff, 'Compare two backups', { query: s.BackupDiff, kind: 'lines' }),
  backupShow: route('backups', addresses.backupShow, 'Show a backup', { ...one, reply: s.Backup }),
  instanceList: route('instances', addresses.instanceList, 'List the servers that were started from backups', {
    query: s.InstanceQuery,
    reply: s.InstanceList,
  }),
  instanceRemove: route('instances', addresses.instanceRemove, 'Stop such a server and delete its directory', {
    ...one,
    query: s.InstanceRemove,
    reply: s.Removed,
    trace: { name: 'removeInstance', resource: 'instance' },
  }),
  backupMoments: route('backups', addresses.backupMoments, 'Which moments point-in-time recovery can reach from it', {
    ...one,
    reply: s.Moments,
  }),
  backupRestore: route('backups', addresses.backupRestore, 'Restore', {
    ...one,
    body: s.BackupRestore,
    ...started,
    trace: { name: 'restoreBackup', resource: 'backup' },
  }),
  backupDelete: route('backups', addresses.backupDelete, 'Delete a backup; it can be taken back for 24 hours', {
    ...one,
    query: s.BackupDelete,
    reply: s.BackupDeleted,
    trace: { name: 'deleteBackup', resource: 'backup' },
  }),
  backupUndelete: route('backups', addresses.backupUndelete, 'Take the deletion of a backup back', {
    ...one,
    reply: s.Backup,
    trace: { name: 'undeleteBackup', resource: 'backup' },
  }),
  backupLs: route('backups', addresses.backupLs, 'List entries of a backup', { ...one, query: s.BackupLs, kind: 'lines' }),
  backupCat: route('backups', addresses.backupCat, 'Read one file of a backup', { ...one, query: s.BackupCat, kind: 'bytes' }),

  freezeStart: route('freezes', addresses.freezeStart, 'Freeze applications and file systems for a snapshot taken from outside', {
    body: s.FreezeStart,
    reply: s.Freeze,
    status: 202,
    trace: { name: 'startFreeze', resource: 'freeze' },
  }),
  freezeList: route('freezes', addresses.freezeList, 'List freezes', { reply: s.FreezeList }),
  freezeShow: route('freezes', addresses.freezeShow, 'Show a freeze', { params: s.FreezeReference, reply: s.Freeze }),
  freezeThaw: route('freezes', addresses.freezeThaw, 'Thaw; answers whether the freeze held throughout', {
    params: s.FreezeReference,
    reply: s.Freeze,
    trace: { name: 'thawFreeze', resource: 'freeze' },
  }),

  taskList: route('tasks', addresses.taskList, 'List tasks', { query: s.TaskQuery, reply: s.TaskList }),
  taskShow: route('tasks', addresses.taskShow, 'Show a task', { ...one, reply: s.Task }),
  taskCancel: route('tasks', addresses.taskCancel, 'Cancel a task', {
    ...one,
    reply: s.Task,
    status: 202,
    trace: { name: 'cancelTask', resource: 'task' },
  }),
  taskEvents: route('tasks', addresses.taskEvents, 'Follow a task', { ...one, kind: 'events' }),

  ...policyRoutes,
  ...gatewayRoutes,
  ...vaultRuleRoutes,
  ...eventRoutes,
  ...alarmRoutes,
  ...auditRoutes,
  ...metricRoutes,
} as const;

export type Routes = typeof routes;
export type RouteName = keyof Routes;
export type NameOfKind<K extends ReplyKind> = { [N in RouteName]: Routes[N]['kind'] extends K ? N : never }[RouteName];

type Part<N extends RouteName, K extends 'params' | 'query' | 'body'> =
  Routes[N] extends Readonly<Record<K, infer S extends TSchema>> ? { readonly [P in K]: Static<S> } : unknown;

/** What a caller gives: path parameters, query and body, each only where the operation has one. */
export type Input<N extends RouteName> = Part<N, 'params'> & Part<N, 'query'> & Part<N, 'body'>;
/** The JSON that an operation answers. */
export type Reply<N extends RouteName> = Static<Routes[N]['reply']>;
