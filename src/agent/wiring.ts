// The one list of adapters.
import type { Providers } from '../backends/provider.ts';
import type { ReadSource, SourceSettings } from '../model/plan.ts';
import type { RestoreTarget } from '../model/task.ts';
import type { DatabaseFreezer } from '../ports/database.ts';
import type { Restorer } from '../ports/restorer.ts';
import type { Settled } from '../ports/settled.ts';
import type { SnapshotProvider } from '../ports/snapshot.ts';
import type { Source, Warn } from '../ports/source.ts';
import type { ServerContext } from '../sources/server/resolve.ts';

export const providers: Providers = {
  local: async () => (await import('../backends/local-pool.ts')).localPool,
  s3: async () => (await import('../backends/s3-pool.ts')).s3Pool,
};

export interface SourceContext {
  readonly warn: Warn;
  /** Absolute paths that no backup reads and no restore deletes: local vaults, the agent's own files. */
  readonly own: readonly string[];
  /** Where a live path is read in an image; undefined: where it is. */
  readonly placeOf?: ((path: string) => string) | undefined;
}

/** What a plan's source stands for now. */
export async function settle(source: SourceSettings, context: ServerContext): Promise<Settled> {
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
};

export const allSnapshots: Snapshots = async (images) => [await btrfs(), await lvm(images), await reflink()];

type TargetKind = RestoreTarget['kind'];

export const restorers: {
  readonly [K in TargetKind]: (target: Extract<RestoreTarget, { kind: K }>, context: Pick<SourceContext, 'own'>) => Promise<Restorer>;
} = {
  files: async (target, { own }) => (await import('../sources/files/restorer.ts')).filesRestorer(target, own),
  disk: async (target) => (await import('../sources/disk/restorer.ts')).diskRestorer(target),
  command: async (target) => (await import('../sources/command/restorer.ts')).commandRestorer(target),
};

/** Databases that freeze scripts may name. */
export const databases: Readonly<Record<string, () => Promise<DatabaseFreezer>>> = {
  hana: async () => (await import('../databases/hana/freeze.ts')).hanaFreezer,
  mssql: async () => (await import('../databases/mssql/freeze.ts')).mssqlFreezer,
  mysql: async () => (await import('../databases/mysql/freeze.ts')).mysqlFreezer,
  postgres: async () => (await import('../databases/postgres/freeze.ts')).postgresFreezer,
};
