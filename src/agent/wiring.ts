// The one list of adapters.
import type { Providers } from '../backends/provider.ts';
import type { ReadSource, SourceSettings } from '../model/plan.ts';
import type { Engine, InstanceTarget, LogMark, MysqlSource, PostgresSource } from '../model/service.ts';
import type { RestoreTarget } from '../model/task.ts';
import type { DatabaseFreezer } from '../ports/database.ts';
import type { Restorer } from '../ports/restorer.ts';
import type { ServiceContext, ServiceSourceContext } from '../ports/service.ts';
import type { Settled } from '../ports/settled.ts';
import type { SnapshotProvider } from '../ports/snapshot.ts';
import type { Source } from '../ports/source.ts';
import type { ServerContext } from '../sources/server/resolve.ts';

export const providers: Providers = {
  local: async () => (await import('../backends/local-pool.ts')).localPool,
  s3: async () => (await import('../backends/s3-pool.ts')).s3Pool,
};

export interface SourceContext extends ServiceContext {
  /** Absolute paths that no backup reads and no restore deletes: local vaults, the agent's own files. */
  readonly own: readonly string[];
  /** Where a live path is read in an image; undefined: where it is. */
  readonly placeOf?: ((path: string) => string) | undefined;
  /** Of a backup of a log: where the last one ended. */
  readonly since?: LogMark | undefined;
}

/** What a plan's source stands for now. */
export async function settle(source: SourceSettings, context: ServerContext & ServiceContext): Promise<Settled> {
  if (source.kind === 'mysql' && source.method === 'snapshot')
    return (await import('../databases/mysql/snapshot.ts')).mysqlSnapshot(source, context);
  if (source.kind !== 'server') return { source, found: false, files: [] };
  return (await import('../sources/server/resolve.ts')).resolveServer(source, context);
}

type Kind = ReadSource['kind'];

export const sources: {
  readonly [K in Kind]: (settings: Extract<ReadSource, { kind: K }>, context: SourceContext) => Promise<Source>;
} = {
  files: async (settings, { warn, own, placeOf }) =>
    (await import('../sources/files/source.ts')).filesSource(settings, { warn, selfExclude: own, ...(placeOf && { placeOf }) }),
  disk: async (settings, { warn, placeOf }) =>
    (await import('../sources/disk/source.ts')).diskSource(settings, { warn, ...(placeOf && { placeOf }) }),
  command: async (settings) => (await import('../sources/command/source.ts')).commandSource(settings),
  mysql: (settings, context) => mysqlMethods[settings.method](settings, context),
  postgres: (settings, context) => postgresMethods[settings.method](settings, context),
  redis: async (settings, context) => (await import('../databases/redis/source.ts')).redisSource(settings, context),
  bucket: async (settings, context) => (await import('../sources/bucket/source.ts')).bucketSource(settings, context),
};

type Methods<S extends { readonly method: string }> = Readonly<
  Record<S['method'], (settings: S, context: ServiceSourceContext) => Promise<Source>>
>;

const mysqlMethods: Methods<MysqlSource> = {
  logical: async (settings, context) => (await import('../databases/mysql/dump/source.ts')).mysqlDumpSource(settings, context),
  physical: async (settings, context) => (await import('../databases/mysql/physical/source.ts')).mysqlPhysicalSource(settings, context),
  incremental: async (settings, context) => (await import('../databases/mysql/binlog/source.ts')).mysqlLogSource(settings, context),
  snapshot: async () => {
    throw new Error('a snapshot of MySQL is read as files');
  },
};

const postgresMethods: Methods<PostgresSource> = {
  logical: async (settings, context) => (await import('../databases/postgres/dump/source.ts')).postgresDumpSource(settings, context),
  physical: async (settings, context) =>
    (await import('../databases/postgres/physical/source.ts')).postgresPhysicalSource(settings, context),
  incremental: async (settings, context) => (await import('../databases/postgres/wal/source.ts')).postgresLogSource(settings, context),
};

const btrfs = async () => (await import('../snapshots/btrfs.ts')).btrfsProvider();
const lvm = async (images: string) => (await import('../snapshots/lvm.ts')).lvmProvider({ mountDirectory: images });
const reflink = async () => (await import('../snapshots/reflink.ts')).reflinkProvider();

type Snapshots = (images: string) => Promise<readonly SnapshotProvider[]>;

/** Who takes images of what, in the order in which they are asked. `images`: a directory of the agent's own for those that are mounted. */
export const snapshots: { readonly [K in Kind]: Snapshots } = {
  files: async (images) => [await btrfs(), await lvm(images)],
  disk: async (images) => [await lvm(images), await reflink()],
  command: async () => [],
  mysql: async () => [],
  postgres: async () => [],
  redis: async () => [],
  bucket: async () => [],
};

export const allSnapshots: Snapshots = async (images) => [await btrfs(), await lvm(images), await reflink()];

export type RestorerContext = Pick<SourceContext, 'own'> & ServiceContext;

type TargetKind = RestoreTarget['kind'];

export const restorers: {
  readonly [K in TargetKind]: (target: Extract<RestoreTarget, { kind: K }>, context: RestorerContext) => Promise<Restorer>;
} = {
  files: async (target, { own }) => (await import('../sources/files/restorer.ts')).filesRestorer(target, own),
  disk: async (target) => (await import('../sources/disk/restorer.ts')).diskRestorer(target),
  command: async (target) => (await import('../sources/command/restorer.ts')).commandRestorer(target),
  mysql: async (target, context) => (await import('../databases/mysql/dump/restorer.ts')).mysqlRestorer(target, context),
  postgres: async (target, context) => (await import('../databases/postgres/dump/restorer.ts')).postgresRestorer(target, context),
  redis: async (target, context) => (await import('../databases/redis/restorer.ts')).redisRestorer(target, context),
  bucket: async (target, context) => (await import('../sources/bucket/restorer.ts')).bucketRestorer(target, context),
  instance: (target, context) => instances[target.engine](target, context),
};

/** Servers of their own, started from a backup. */
const instances: { readonly [E in Engine]: (target: InstanceTarget, context: ServiceContext) => Promise<Restorer> } = {
  mysql: async (target, context) => (await import('../databases/mysql/instance.ts')).mysqlInstance(target, context),
  postgres: async (target, context) => (await import('../databases/postgres/instance.ts')).postgresInstance(target, context),
  redis: async (target, context) => (await import('../databases/redis/instance.ts')).redisInstance(target, context),
};

/** Databases that freeze scripts may name. */
export const databases: Readonly<Record<string, () => Promise<DatabaseFreezer>>> = {
  hana: async () => (await import('../databases/hana/freeze.ts')).hanaFreezer,
  mssql: async () => (await import('../databases/mssql/freeze.ts')).mssqlFreezer,
  mysql: async () => (await import('../databases/mysql/freeze.ts')).mysqlFreezer,
  postgres: async () => (await import('../databases/postgres/freeze.ts')).postgresFreezer,
};

/** Stops a server that was started from a backup. Throws NOT_FOUND where there is none. */
export async function endInstance({ directory, keepData }: { readonly directory: string; readonly keepData: boolean }): Promise<void> {
  const { removeInstance, stopInstance } = await import('../databases/instance.ts');
  await (keepData ? stopInstance(directory) : removeInstance(directory));
}
