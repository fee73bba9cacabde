// A whole cluster as its own hot copy: BASE_BACKUP with all the log that makes it one moment, unpacked as it comes.
import { randomBytes } from 'node:crypto';
import { fail } from '../../../base/errors.ts';
import type { LogMark, PostgresSource } from '../../../model/service.ts';
import { gathered } from '../../../ports/gathered.ts';
import type { ServiceSourceContext } from '../../../ports/service.ts';
import type { Source, Store } from '../../../ports/source.ts';
import { type Asker, accessTo, openSession } from '../address.ts';
import { readCluster, serverMark, serverTime } from '../cluster.ts';
import { database } from '../failures.ts';
import { openReplication, type Replication } from '../replication.ts';
import { jsonContent, noTime, root } from '../tree.ts';
import { unpack } from './archives.ts';
import { partsOf } from './messages.ts';

export interface PhysicalFacts {
  readonly format: 1;
  readonly engine: 'postgres';
  readonly method: 'physical';
  readonly serverVersion: string;
  readonly major: number;
  readonly superuser: string;
  readonly systemId: string;
  readonly timeline: number;
  readonly startLsn: string;
  readonly stopLsn: string;
  readonly standby: boolean;
  readonly timeZone: string;
  /** shared_preload_libraries; the new instance starts without them. */
  readonly libraries: string;
  /** Their contents are in `/postgres/tablespaces`. */
  readonly tablespaces: readonly { readonly oid: string; readonly location: string }[];
}

export function postgresPhysicalSource(settings: PostgresSource, context: ServiceSourceContext): Source {
  const access = accessTo(settings.server);
  const tree = gathered(noTime);
  const open = new Set<Asker | Replication>();
  let mark: LogMark | undefined;

  async function gather(store: Store): Promise<void> {
    const session = await openSession(access, context.signal);
    open.add(session);
    const cluster = await readCluster(session);
    if (cluster.walLevel === 'minimal') fail('LOG_OFF', { database, detail: 'wal_level is minimal', setting: 'wal_level = replica' });
    const replication = await openReplication(access, context.signal);
    open.add(replication);
    await keepLog(replication, context);

    const options = `LABEL 'stillpoint', CHECKPOINT 'fast', WAL true, WAIT false, TABLESPACE_MAP true, MANIFEST 'yes'`;
    const copy = replication.copy(`BASE_BACKUP (${options})`, 'give a copy of itself');
    for await (const part of partsOf(copy.messages)) {
      if (part.kind === 'manifest') {
        tree.file(['postgres', 'data', 'backup_manifest'], await store(part.bytes, { kind: 'content' }));
        continue;
      }
      const oid = /^(\d+)\.tar/.exec(part.name)?.[1];
      await unpack({ below: oid === undefined ? ['data'] : ['tablespaces', oid], bytes: part.bytes }, tree, store);
    }
    const [begin, spaces, end] = [copy.results.at(0), copy.results.at(1), copy.results.at(2)];
    if (!begin?.[0] || !spaces || !end?.[0])
      return fail('DATABASE_FAILED', { database, what: 'give a copy of itself', detail: 'it did not say where it ends' });
    const at = await serverTime(session);

    const timeline = Number(end[0]['tli']);
    const tablespaces = spaces.flatMap(({ spcoid, spclocation }) =>
      spcoid === null ? [] : [{ oid: String(spcoid), location: String(spclocation) }],
    );
    const { version: serverVersion, major, superuser, systemId, standby, timeZone, libraries } = cluster;
    const [startLsn, stopLsn] = [String(begin[0]['recptr']), String(end[0]['recptr'])];
    mark = { place: stopLsn, at, server: serverMark(systemId, timeline) };
    const facts: PhysicalFacts = {
      format: 1,
      engine: 'postgres',
      method: 'physical',
      serverVersion,
      major,
      superuser,
      systemId,
      timeline,
      startLsn,
      stopLsn,
      standby,
      timeZone,
      libraries,
      tablespaces,
    };
    tree.file(['postgres', 'backup.json'], jsonContent(facts));
  }

  const close = async () => {
    for (const one of open) one.close();
    open.clear();
  };
  return {
    paths: [root],
    excludes: [],
    estimate: { bytes: 0, files: 0 },
    gather: (store) => gather(store).finally(close),
    list: () => tree.list(),
    finish: async () => undefined,
    tags: () => ({ consistency: 'application', ...(mark && { logUntil: mark }) }),
    close,
  };
}

/** A slot of this very session keeps the log that the copy needs until it is in it; it ends with the session, whatever happens. */
async function keepLog(replication: Replication, { warn }: ServiceSourceContext): Promise<void> {
  const name = `stillpoint_${randomBytes(6).toString('hex')}`;
  try {
    await replication.command(`CREATE_REPLICATION_SLOT ${name} TEMPORARY PHYSICAL (RESERVE_WAL)`, 'keep its log');
  } catch (error) {
    warn({
      item: 'PostgreSQL',
      detail: `no replication slot: the copy fails if the log is removed meanwhile (${(error as Error).message})`,
    });
  }
}
