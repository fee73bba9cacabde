// Every operation of the RPC, as data: the server registers from this table, the client is typed by it, OpenAPI is generated from it.
import { type Static, type TSchema, Type } from 'typebox';
import { addresses } from './addresses.ts';
import * as s from './schemas.ts';

/** How an answer looks: JSON, server-sent events, one JSON object a line, or bytes. */
export type ReplyKind = 'json' | 'events' | 'lines' | 'bytes';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly area: string;
  readonly summary: string;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  readonly reply: TSchema;
  readonly kind: ReplyKind;
  /** Status of success. */
  readonly status: number;
  /** The answer tells something that is told only once, so it is not kept for a repeated request. */
  readonly once?: boolean;
}

interface Shape {
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  readonly reply?: TSchema;
  readonly kind?: ReplyKind;
  readonly status?: number;
  readonly once?: boolean;
}

type Completed<S extends Shape> = S & {
  readonly method: Route['method'];
  readonly path: string;
  readonly area: string;
  readonly summary: string;
  readonly reply: S['reply'] extends TSchema ? S['reply'] : TSchema;
  readonly kind: S['kind'] extends ReplyKind ? S['kind'] : 'json';
  readonly status: number;
};

function route<const S extends Shape>(area: string, line: string, summary: string, shape: S): Completed<S> {
  const [method, path] = line.split(' ') as [Route['method'], string];
  return { status: 200, kind: 'json', reply: Type.Unknown(), ...shape, method, path, area, summary } as unknown as Completed<S>;
}

const one = { params: s.Reference } as const;
const started = { reply: s.Task, status: 202 } as const;

export const routes = {
  status: route('status', addresses.status, 'State of the agent', { reply: s.Status }),
  config: route('status', addresses.config, 'The agent’s configuration as it travels with every backup', { reply: s.AgentConfigDocument }),

  poolBind: route('pools', addresses.poolBind, 'Bind a pool: checks every right first', {
    body: s.PoolBind,
    reply: s.PoolBound,
    status: 201,
  }),
  poolList: route('pools', addresses.poolList, 'List pools', { query: s.PoolQuery, reply: s.PoolList }),
  poolShow: route('pools', addresses.poolShow, 'Show a pool', { ...one, reply: s.Pool }),
  poolProbe: route('pools', addresses.poolProbe, 'Check a pool now', { ...one, reply: s.PoolBound }),
  poolUpdate: route('pools', addresses.poolUpdate, 'Change name, remark, credentials or bandwidth', {
    ...one,
    body: s.PoolUpdate,
    reply: s.Pool,
  }),
  poolUnbind: route('pools', addresses.poolUnbind, 'Unbind a pool that no vault uses', { ...one, reply: s.Removed }),

  vaultCreate: route('vaults', addresses.vaultCreate, 'Create a vault; answers its recovery key, once', {
    body: s.VaultCreate,
    reply: s.VaultCreated,
    once: true,
    status: 201,
  }),
  vaultAttach: route('vaults', addresses.vaultAttach, 'Attach an existing repository', {
    body: s.VaultAttach,
    reply: s.VaultAttached,
    status: 201,
  }),
  vaultList: route('vaults', addresses.vaultList, 'List vaults', { query: s.VaultQuery, reply: s.VaultList }),
  vaultShow: route('vaults', addresses.vaultShow, 'Show a vault', { ...one, reply: s.Vault }),
  vaultUpdate: route('vaults', addresses.vaultUpdate, 'Change description or expand', { ...one, body: s.VaultUpdate, reply: s.Vault }),
  vaultScan: route('vaults', addresses.vaultScan, 'Read the records again into the catalogue', { ...one, ...started }),
  vaultCheck: route('vaults', addresses.vaultCheck, 'Check the repository', { ...one, body: s.VaultCheck, ...started }),
  vaultPrune: route('vaults', addresses.vaultPrune, 'Give back the space of deleted backups', {
    ...one,
    body: s.VaultPrune,
    ...started,
  }),
  vaultUnlock: route('vaults', addresses.vaultUnlock, 'Remove stale locks', { ...one, body: s.VaultUnlock, ...started }),
  vaultKeys: route('vaults', addresses.vaultKeys, 'Read the repository’s keys', { ...one, reply: s.VaultKeys }),
  vaultKeyAdd: route('vaults', addresses.vaultKeyAdd, 'Add a key', {
    ...one,
    body: s.VaultKeyAdd,
    reply: s.RecoveryKey,
    once: true,
    status: 201,
  }),
  vaultKeyRemove: route('vaults', addresses.vaultKeyRemove, 'Remove a key', { params: s.VaultKeyParams, reply: s.Removed }),
  vaultRecoveryKey: route('vaults', addresses.vaultRecoveryKey, 'Make a new recovery key; the old one opens no longer', {
    ...one,
    reply: s.RecoveryKey,
    once: true,
    status: 201,
  }),
  vaultDelete: route('vaults', addresses.vaultDelete, 'Delete a vault with all its backups', { ...one, ...started }),

  planCreate: route('plans', addresses.planCreate, 'Create a plan', { body: s.PlanCreate, reply: s.Plan, status: 201 }),
  planList: route('plans', addresses.planList, 'List plans', { query: s.PlanQuery, reply: s.PlanList }),
  planShow: route('plans', addresses.planShow, 'Show a plan', { ...one, reply: s.Plan }),
  planUpdate: route('plans', addresses.planUpdate, 'Change any field of a plan', { ...one, body: s.PlanUpdate, reply: s.Plan }),
  planDelete: route('plans', addresses.planDelete, 'Delete a plan whose backups are gone', { ...one, reply: s.Removed }),

  backupRun: route('backups', addresses.backupRun, 'Run a plan now', { body: s.BackupRun, ...started }),
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
  }),
  backupMoments: route('backups', addresses.backupMoments, 'Which moments point-in-time recovery can reach from it', {
    ...one,
    reply: s.Moments,
  }),
  backupRestore: route('backups', addresses.backupRestore, 'Restore', { ...one, body: s.BackupRestore, ...started }),
  backupDelete: route('backups', addresses.backupDelete, 'Delete a backup', { ...one, ...started }),
  backupLs: route('backups', addresses.backupLs, 'List entries of a backup', { ...one, query: s.BackupLs, kind: 'lines' }),
  backupCat: route('backups', addresses.backupCat, 'Read one file of a backup', { ...one, query: s.BackupCat, kind: 'bytes' }),

  freezeStart: route('freezes', addresses.freezeStart, 'Freeze applications and file systems for a snapshot taken from outside', {
    body: s.FreezeStart,
    reply: s.Freeze,
    status: 202,
  }),
  freezeList: route('freezes', addresses.freezeList, 'List freezes', { reply: s.FreezeList }),
  freezeShow: route('freezes', addresses.freezeShow, 'Show a freeze', { params: s.FreezeReference, reply: s.Freeze }),
  freezeThaw: route('freezes', addresses.freezeThaw, 'Thaw; answers whether the freeze held throughout', {
    params: s.FreezeReference,
    reply: s.Freeze,
  }),

  taskList: route('tasks', addresses.taskList, 'List tasks', { query: s.TaskQuery, reply: s.TaskList }),
  taskShow: route('tasks', addresses.taskShow, 'Show a task', { ...one, reply: s.Task }),
  taskCancel: route('tasks', addresses.taskCancel, 'Cancel a task', { ...one, reply: s.Task, status: 202 }),
  taskEvents: route('tasks', addresses.taskEvents, 'Follow a task', { ...one, kind: 'events' }),
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
