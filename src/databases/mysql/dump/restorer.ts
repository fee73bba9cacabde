// Back into a running server: refuse what is in the way, load everything beside it, then put it in place.
import { randomBytes } from 'node:crypto';
import { fail } from '../../../base/errors.ts';
import type { MysqlTarget } from '../../../model/service.ts';
import type { RestoreRun, Restorer } from '../../../ports/restorer.ts';
import type { ServiceContext } from '../../../ports/service.ts';
import type { RestoreCounts, RestoreStep } from '../../../ports/target.ts';
import { settingsOf } from '../physical/access.ts';
import { readServer, type Server } from '../server.ts';
import type { MysqlSettings } from '../settings.ts';
import { restoreAccounts } from './accounts-restore.ts';
import { type Catalogue, catalogueOf, type StoredDatabase, textOf } from './catalogue.ts';
import { explainDump } from './explain-dump.ts';
import { inTheWay, isThere, type Live, liveDatabase, word } from './live.ts';
import { type LongSession, openLong } from './long-session.ts';
import { createDatabase, type Stage, scriptsOf, stageDatabase } from './stage.ts';
import { cleanUp, removeLeftovers, type Staging, staging } from './staging.ts';
import { type Move, switchOver } from './switch.ts';
import { toolFor } from './tool.ts';

/** Making an index on a large table, or dropping one, may take so long (ms). */
const patience = 24 * 3_600_000;

/** Throws USAGE for the server's address. */
export async function mysqlRestorer(target: MysqlTarget, context: ServiceContext): Promise<Restorer> {
  const settings = settingsOf(target.server);
  const within = async <T>(work: (session: LongSession) => Promise<T>): Promise<T> => {
    const session = await openLong(settings, context.signal, patience);
    try {
      return await work(session);
    } catch (error) {
      context.signal.throwIfAborted();
      throw explainDump(error, settings, 'be restored');
    } finally {
      session.close();
    }
  };
  return {
    async *plan(run) {
      yield* await within(async (session) => stepsOf(await look(run, target, session)));
    },
    run: (run) => within((session) => restore(run, target, settings, context, session)),
  };
}

interface Looked {
  readonly server: Server;
  readonly catalogue: Catalogue;
  readonly places: readonly { readonly database: StoredDatabase; readonly live: Live }[];
}

/** Throws TARGET_EXISTS, NOT_IN_BACKUP, USAGE. */
async function look(run: RestoreRun, target: MysqlTarget, { ask }: LongSession): Promise<Looked> {
  const server = await readServer(ask);
  const catalogue = await catalogueOf(run, target);
  const places: { database: StoredDatabase; live: Live }[] = [];
  for (const database of catalogue.databases) {
    const live = await liveDatabase(ask, database.target);
    const [first, ...others] = inTheWay(database, live);
    if (first !== undefined && target.existing === 'refuse')
      fail('TARGET_EXISTS', { what: others.length === 0 ? first : `${first} (and ${others.length} more)` });
    places.push({ database, live });
  }
  return { server, catalogue, places };
}

function stepsOf({ places, catalogue }: Looked): readonly RestoreStep[] {
  const steps: RestoreStep[] = [];
  for (const { database, live } of places) {
    const { target, objects } = database;
    if (!live.there) steps.push({ action: 'create', path: `database ${target}`, bytes: 0 });
    const rows = new Map(objects.filter(({ kind }) => kind === 'data').map(({ name, node }) => [name, node.size]));
    for (const { kind, name } of objects) {
      if (kind === 'data') continue;
      const replaces = isThere(live, kind, name) || (kind === 'triggers' && live.relations.has(name));
      const bytes = kind === 'schema' ? (rows.get(name) ?? 0) : 0;
      steps.push({ action: replaces ? 'replace' : 'create', path: `${word(kind)} ${target}.${name}`, bytes });
    }
  }
  if (catalogue.accounts) steps.push({ action: 'update', path: 'accounts', bytes: 0 });
  return steps;
}

/** look → load beside → rehearse → switch → accounts → tidy up. */
async function restore(
  run: RestoreRun,
  target: MysqlTarget,
  settings: MysqlSettings,
  context: ServiceContext,
  session: LongSession,
): Promise<RestoreCounts> {
  const { server, catalogue, places } = await look(run, target, session);
  const client = await toolFor(server, 'client');
  await removeLeftovers(session.ask, run.warn);
  const names = staging(randomBytes(4).toString('hex'));
  const counts: RestoreCounts = { files: 0, dirs: 0, others: 0, skipped: 0, deleted: 0, bytesWritten: 0, bytesTotal: 0 };
  const stage: Stage = {
    ...{ session, server, settings, client, run, scratch: context.scratch() },
    done: (file) => run.onFile(++counts.files, file),
  };
  try {
    await names.take(session.ask);
    await session.ask('SET SESSION foreign_key_checks = 0, unique_checks = 0');
    const moves: Move[] = [];
    for (const [i, { database, live }] of places.entries()) {
      const staged = names.staged(i);
      await stageDatabase(stage, database, staged);
      moves.push({ database, live, staged, aside: names.aside(i), ...(await programsOf(run, database)) });
    }
    run.signal.throwIfAborted();
    await switchAll(moves, stage, names);
    if (catalogue.accounts)
      counts.others += await restoreAccounts(
        session.ask,
        await textOf(run.reader, catalogue.accounts),
        target.existing === 'replace',
        run.warn,
      );
  } catch (error) {
    await cleanUp(names, settings, session, run.warn);
    throw error;
  }
  await cleanUp(names, settings, session, run.warn);
  const nodes = places.flatMap(({ database }) => database.objects.map(({ node }) => node.size));
  counts.files = nodes.length;
  counts.dirs = places.length;
  counts.bytesTotal = nodes.reduce((sum, size) => sum + size, 0);
  counts.bytesWritten = counts.bytesTotal;
  return counts;
}

async function programsOf(run: RestoreRun, { objects }: StoredDatabase): Promise<Pick<Move, 'programs' | 'views' | 'triggers'>> {
  return {
    programs: await scriptsOf(run, objects, ['function', 'procedure', 'package', 'package-body', 'event']),
    views: await scriptsOf(run, objects, ['view']),
    triggers: await scriptsOf(run, objects, ['triggers']),
  };
}

async function switchAll(moves: readonly Move[], stage: Stage, names: Staging): Promise<void> {
  const { session, server, run } = stage;
  const create = (database: StoredDatabase, name: string) => createDatabase(stage, database, name);
  await switchOver(moves, { ask: session.ask, server, warn: run.warn, create }, (error) => {
    // What went aside may be the only copy now: it stays.
    names.keepAside();
    run.warn({ item: 'restore', detail: `what was there before could not be put back whole: ${(error as Error).message}` });
  });
}
