// The write-ahead log since a base backup or the last backup of the log, as whole segments.
import { fail, failure } from '../../../base/errors.ts';
import type { LogMark, PostgresSource } from '../../../model/service.ts';
import { gathered } from '../../../ports/gathered.ts';
import type { ServiceSourceContext } from '../../../ports/service.ts';
import type { Source, Store } from '../../../ports/source.ts';
import { type Asker, accessTo, openSession } from '../address.ts';
import { readCluster, serverMark, serverTime } from '../cluster.ts';
import { database } from '../failures.ts';
import { lsnOf, lsnText, segmentName } from '../lsn.ts';
import { openReplication, type Replication } from '../replication.ts';
import { jsonContent, noTime, root } from '../tree.ts';
import { pieces, walBytes } from './stream.ts';

export interface LogFacts {
  readonly format: 1;
  readonly engine: 'postgres';
  readonly method: 'incremental';
  readonly serverVersion: string;
  readonly systemId: string;
  readonly timeline: number;
  readonly from: string;
  readonly to: string;
}

export function postgresLogSource(settings: PostgresSource, context: ServiceSourceContext): Source {
  const access = accessTo(settings.server);
  const { since } = context;
  if (!since) return fail('LOG_BASE', { detail: 'neither the base plan nor this one has a backup that says where its log begins' });
  const tree = gathered(noTime);
  const open = new Set<Asker | Replication>();
  let until: LogMark | undefined;

  async function gather(store: Store): Promise<void> {
    const session = await openSession(access, context.signal);
    open.add(session);
    const cluster = await readCluster(session);
    if (cluster.walLevel === 'minimal') fail('LOG_OFF', { database, detail: 'wal_level is minimal', setting: 'wal_level = replica' });
    const replication = await openReplication(access, context.signal);
    open.add(replication);
    const timeline = Number((await replication.command('IDENTIFY_SYSTEM', 'say whose log it is'))[0]?.['timeline']);
    const from = sameLog(since!, serverMark(cluster.systemId, timeline));

    const at = await serverTime(session);
    const end = await endOfLog(session, cluster.standby);
    if (end < from) gap(`it ends at ${lsnText(end)}, before ${since!.place}: the server was set back`);
    const start = from - (from % cluster.segment);
    tree.dir(['postgres', 'wal']);
    if (start < end) {
      const copy = replication.copy(`START_REPLICATION PHYSICAL ${lsnText(start)} TIMELINE ${timeline}`, 'send its log');
      const segments = pieces(walBytes(copy, start, end), Number(cluster.segment));
      for (let next = start; next < end; next += cluster.segment) {
        const content = await store(orGap(segments.next()), { kind: 'content' });
        tree.file(['postgres', 'wal', segmentName(timeline, next, cluster.segment)], content);
      }
      await segments.close();
    }
    until = { place: lsnText(end), at, server: since!.server };
    const { version: serverVersion, systemId } = cluster;
    const facts: LogFacts = {
      format: 1,
      engine: 'postgres',
      method: 'incremental',
      serverVersion,
      systemId,
      timeline,
      from: since!.place,
      to: until.place,
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
    tags: () => ({ consistency: 'application', ...(until && { logFrom: since, logUntil: until }) }),
    close,
  };
}

const gap = (detail: string): never => fail('LOG_GAP', { database, detail });

/** Where to go on. Throws LOG_GAP where it is another log. */
function sameLog({ place, server }: LogMark, now: string): bigint {
  const [systemId, timeline] = server.split('/');
  const [systemIdNow, timelineNow] = now.split('/');
  if (systemId !== systemIdNow) gap(`it is another cluster now (${systemIdNow}, was ${systemId})`);
  if (timeline !== timelineNow)
    gap(`it is on time line ${timelineNow} now (was ${timeline}): a standby was promoted, or the server restored`);
  return lsnOf(place) ?? gap(`${place} is no place in it`);
}

/** The segment is closed first where the account may do that, so that nothing committed until now waits for the next run. */
async function endOfLog(session: Asker, standby: boolean): Promise<bigint> {
  const [right] = await session.ask(
    'look for rights',
    `SELECT NOT $1::bool AND has_function_privilege('pg_switch_wal()', 'EXECUTE') AS granted`,
    [standby],
  );
  if (right!['granted'] === true) await session.ask('switch to a new segment', 'SELECT pg_switch_wal()');
  const last = standby ? 'pg_last_wal_receive_lsn()' : 'pg_current_wal_flush_lsn()';
  const [row] = await session.ask('say where its log ends', `SELECT ${last}::text AS lsn`);
  return lsnOf(String(row!['lsn'])) ?? gap('it does not say where its log ends');
}

async function* orGap(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* bytes;
  } catch (error) {
    const detail = (error as Error).message;
    if (!/has already been removed/.test(detail)) throw error;
    throw failure('LOG_GAP', { database, detail }, { cause: error });
  }
}
