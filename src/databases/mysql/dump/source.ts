// The logical backup: the rows of all that is chosen as they were at one moment, a file a table, and everything else as scripts beside them.
import { createHash } from 'node:crypto';
import { fail, isCode } from '../../../base/errors.ts';
import { systemClock } from '../../../base/system-clock.ts';
import type { LogMark, MysqlSource } from '../../../model/service.ts';
import { type Gathered, gathered } from '../../../ports/gathered.ts';
import type { ServiceSourceContext } from '../../../ports/service.ts';
import type { Source, Store } from '../../../ports/source.ts';
import { refuseBusy } from '../look.ts';
import { settingsOf } from '../physical/access.ts';
import { label, readServer, type Server } from '../server.ts';
import type { MysqlSettings } from '../settings.ts';
import { accountsText } from './accounts.ts';
import { type Choice, chooseDatabases, type DumpTables, dumpTables } from './choice.ts';
import { type Dump, startDump } from './dump.ts';
import { explainDump } from './explain-dump.ts';
import { needGrants } from './grants.ts';
import { accountsFile, databaseFile, databasesFolder, type Facts, factsFile, root } from './layout.ts';
import { warnOfLimits } from './limits.ts';
import { type LongSession, openLong } from './long-session.ts';
import { markNow, markOf } from './mark.ts';
import { encodeName, fileOf } from './names.ts';
import { databaseText, objectsOf, withoutCounters } from './objects.ts';
import { evenStatements, prologue } from './rows.ts';
import { lockTables, noLock, type TableLock } from './table-lock.ts';
import { type Tool, toolFor } from './tool.ts';

/** A statement that reads a schema may wait so long for one that alters it (ms). */
const patience = 120_000;

/** The beginning of time, so that what did not change makes the same tree. */
const always = { seconds: 0, nanos: 0 };

/** All that can be a reason not to begin, before anything is read. */
interface Looked {
  readonly server: Server;
  readonly choice: Choice;
  readonly tables: DumpTables;
  readonly tool: Tool;
}

/** Throws USAGE, DATABASE_DOWN, DATABASE_LOGIN, DATABASE_UNKNOWN, DATABASE_GRANTS, TOOL_MISSING, TOOL_VERSION. */
export async function mysqlDumpSource(plan: MysqlSource, context: ServiceSourceContext): Promise<Source> {
  const settings = settingsOf(plan.server);
  const session = await openLong(settings, context.signal, patience);
  const doing: Doing = { session, settings, context, dump: undefined, lock: noLock, closed: false };
  const tree = gathered(always);
  let mark: LogMark | undefined;
  const explained = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      context.signal.throwIfAborted();
      throw explainDump(error, settings);
    }
  };
  try {
    const looked = await explained(() => look(plan, session));
    await explained(() => warnOfLimits(session.ask, looked.server, looked.tables, context.warn));
    return {
      paths: [`/${root}`],
      excludes: [],
      estimate: { bytes: 0, files: 0 },
      gather: (store) =>
        explained(async () => {
          mark = await gather(looked, doing, tree, store);
        }),
      list: () => tree.list(),
      finish: async () => undefined,
      tags: () => ({ consistency: 'application', ...(mark && { logUntil: mark }) }),
      close: () => close(doing),
    };
  } catch (error) {
    session.close();
    throw error;
  }
}

/** What goes on beside the story, and ends with it. */
interface Doing {
  readonly session: LongSession;
  readonly settings: MysqlSettings;
  readonly context: ServiceSourceContext;
  dump: Dump | undefined;
  lock: TableLock;
  closed: boolean;
}

async function look(plan: MysqlSource, { ask }: LongSession): Promise<Looked> {
  const server = await readServer(ask);
  const choice = await chooseDatabases(ask, server, plan);
  const tables = await dumpTables(ask, choice);
  await needGrants(ask, server, { ...choice, locked: tables.tables.filter((table) => !table.transactional) });
  return { server, choice, tables, tool: await toolFor(server, 'dump') };
}

/** schema → lock what has no transactions → one dump → let go → the same schema still? → store it. */
async function gather(looked: Looked, doing: Doing, tree: Gathered, store: Store): Promise<LogMark | undefined> {
  const { server, choice, tables } = looked;
  const { session, settings, context } = doing;
  const before = await schema(looked, doing);
  const locked = tables.tables.filter((table) => !table.transactional);
  // MySQL's tool flushes all tables to learn the place in the log, and would wait for our lock on some of them.
  const lockAll = server.kind === 'MySQL' && server.binaryLog && locked.length > 0;
  if (lockAll) await refuseBusy(session.ask, label(server), [session.id], settings.longestQuery);
  else doing.lock = await lockTables(locked, server, settings, session.id, context.signal);
  if (doing.closed) fail('TASK_CANCELLED');
  const mark = await rows(looked, lockAll, doing, tree, store);
  await doing.lock.held();
  doing.lock.release();
  const after = await schema(looked, doing, async (path, text) => tree.file([root, ...path], await store(once(text), { kind: 'content' })));
  const differs =
    [...before].find(([path, digest]) => after.get(path) !== digest)?.[0] ?? [...after.keys()].find((path) => !before.has(path));
  if (differs !== undefined) fail('DATABASE_CHANGED', { database: label(server), detail: `${differs} is not what it was` });
  if (choice.whole) tree.file([root, accountsFile], await store(once(await accountsText(session.ask, server)), { kind: 'content' }));
  const facts: Facts = {
    format: 1,
    method: 'logical',
    server: { kind: server.kind, version: server.version },
    whole: choice.whole,
    moment: momentOf(locked.length, lockAll),
    ...(mark && { log: { place: mark.place, gtid: mark.gtid, server: mark.server } }),
  };
  tree.file([root, factsFile], await store(once(`${JSON.stringify(facts, undefined, 2)}\n`), { kind: 'content' }));
  return mark;
}

function momentOf(locked: number, lockAll: boolean): string {
  if (lockAll) return 'a read lock on all tables';
  return locked === 0 ? 'one transaction' : `one transaction, and a read lock on ${locked} tables without transactions`;
}

/** Path → digest of every script, each given to `keep`. */
async function schema(
  { server, choice }: Looked,
  { session }: Doing,
  keep: (path: readonly string[], text: string) => Promise<void> = async () => undefined,
): Promise<ReadonlyMap<string, string>> {
  const digests = new Map<string, string>();
  const seen = async (path: readonly string[], text: string) => {
    digests.set(path.join('/'), createHash('sha256').update(withoutCounters(text)).digest('base64'));
    await keep(path, text);
  };
  for (const { name, only } of choice.databases) {
    const folder = [databasesFolder, encodeName(name)];
    await seen([...folder, databaseFile], await databaseText(session.ask, name));
    for await (const object of objectsOf(session.ask, server, name, only)) await seen([...folder, fileOf(object)], object.text);
  }
  return digests;
}

/** While one table is on its way into the vault the next one is read already. */
async function rows(
  { server, tables, tool }: Looked,
  lockAll: boolean,
  doing: Doing,
  tree: Gathered,
  store: Store,
): Promise<LogMark | undefined> {
  const { session, settings, context } = doing;
  const at = systemClock.now();
  if (tables.tables.length === 0) return markNow(session.ask, server, at);
  const dump = startDump({ tool, server, settings, tables, lockAll, scratch: context.scratch() });
  doing.dump = dump;
  const stored: Promise<void>[] = [];
  try {
    for await (const table of dump.tables) {
      const path = [root, databasesFolder, encodeName(table.database), fileOf({ name: table.table, kind: 'data' })];
      const read = Promise.withResolvers<void>();
      const one = store(withEnd(evenStatements(table.rows, table.table), read.resolve), { kind: 'content' });
      const kept = one.then((content) => tree.file(path, content));
      kept.catch(read.reject);
      stored.push(kept);
      await read.promise;
    }
    await dump.ended;
    await Promise.all(stored);
    return await markOf(session.ask, server, dump.header(), dump.footer(), at);
  } catch (error) {
    await Promise.allSettled(stored);
    // A dump that failed ends early: why it failed says more than that.
    if (isCode(error, 'TOOL_FAILED', 'DATABASE_CHANGED')) await dump.ended;
    throw error;
  } finally {
    await dump.close();
  }
}

async function* withEnd(bytes: AsyncIterable<Buffer>, end: () => void): AsyncGenerator<Buffer> {
  yield prologue;
  yield* bytes;
  end();
}

async function* once(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

async function close(doing: Doing): Promise<void> {
  doing.closed = true;
  doing.session.close();
  doing.lock.release();
  await doing.dump?.close();
}
