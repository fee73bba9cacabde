// A backup of the binary log: from where the last backup ended to where the log ends now, as the server has it.
import { fail } from '../../../base/errors.ts';
import type { LogMark, MysqlSource } from '../../../model/service.ts';
import { type Gathered, gathered } from '../../../ports/gathered.ts';
import type { ServiceSourceContext } from '../../../ports/service.ts';
import type { Source, Store } from '../../../ports/source.ts';
import { asking, optionFile, settingsOf } from '../physical/access.ts';
import { label, readServer, type Server } from '../server.ts';
import type { Ask } from '../session.ts';
import { eventType, type LogLaw, passEvents } from './events.ts';
import { needLogRights } from './grants.ts';
import { type Gtid, parseGtid } from './gtid.ts';
import { directories, type LogFile, type Manifest } from './manifest.ts';
import { type Place, parsePlace } from './place.ts';
import { type RemoteLog, remoteLog } from './remote-log.ts';
import { beginning, readServerLog, type ServerLog } from './server-log.ts';
import { type LogTools, logTools } from './tools.ts';
import { trackTransactions } from './transactions.ts';

/** What is to be read, settled before the first byte. */
interface Task {
  readonly server: Server;
  readonly tools: LogTools;
  readonly since: LogMark;
  readonly start: Place;
  readonly log: ServerLog;
}

/** Throws LOG_BASE, LOG_OFF, LOG_GAP, DATABASE_GRANTS, TOOL_… and what a login throws. */
export async function mysqlLogSource(settings: MysqlSource, context: ServiceSourceContext): Promise<Source> {
  const login = settingsOf(settings.server);
  const { since } = context;
  if (since === undefined) fail('LOG_BASE', { detail: 'the base plan has no backup that knows its place in the binary log' });
  const task = await asking(login, context.signal, (ask) => look(ask, since, login.user));
  const { log, start, server } = task;
  const parts = partsOf(log, start);
  const from: LogMark = { ...since, place: `${start.file}:${start.position}`, server: log.end.server };
  const until: LogMark = { ...log.end, at: Math.max(log.end.at, since.at) };
  const tree = gathered({ seconds: Math.floor(until.at / 1000), nanos: 0 });
  let remote: RemoteLog | undefined;
  const close = async () => {
    context.signal.removeEventListener('abort', close);
    await remote?.close();
  };
  return {
    paths: [`/${directories.root}`],
    excludes: [],
    estimate: { bytes: parts.reduce((sum, { from, until }) => sum + until - from, 0), files: parts.length + 1 },
    gather: async (store) => {
      const folder = context.scratch();
      const options = optionFile(login, folder);
      remote = remoteLog(task.tools, options.path, folder);
      context.signal.addEventListener('abort', close, { once: true });
      try {
        for (const part of parts) await storePart(task, part, remote, store, tree);
      } finally {
        options.remove();
        await close();
      }
      const manifest: Manifest = {
        format: 1,
        method: 'incremental',
        engine: server.kind,
        version: server.version,
        from,
        until,
        files: parts,
      };
      tree.file([directories.root, directories.manifest], await store(textOf(manifest), { kind: 'content' }));
    },
    list: () => tree.list(),
    finish: async () => undefined,
    tags: () => ({ logFrom: from, logUntil: until, consistency: 'application' }),
    close,
  };
}

async function look(ask: Ask, since: LogMark, user: string): Promise<Task> {
  const server = await readServer(ask);
  await needLogRights(ask, server, user);
  const log = await readServerLog(ask, server);
  return { server, tools: await logTools(server), since, log, start: await beginning(ask, server, log, since) };
}

/** Which bytes of which files; a file that has nothing new is left out. */
function partsOf({ files, end }: ServerLog, start: Place): LogFile[] {
  const last = parsePlace(end.place)!;
  const first = files.findIndex(({ name }) => name === start.file);
  const final = files.findIndex(({ name }) => name === last.file);
  return files
    .slice(first, final + 1)
    .map(({ name, size }) => ({
      name,
      from: name === start.file ? start.position : 4,
      until: name === last.file ? last.position : size,
    }))
    .filter(({ from, until }) => from < until);
}

async function storePart(task: Task, part: LogFile, remote: RemoteLog, store: Store, tree: Gathered): Promise<void> {
  const stored = await store(eventsOf(task, part, remote), { kind: 'content' });
  tree.file([directories.root, directories.logs, part.name], stored);
}

/** Ends where the part does, which is never within a transaction. */
async function* eventsOf({ server, tools, since, log }: Task, part: LogFile, remote: RemoteLog): AsyncGenerator<Buffer> {
  const broken = (detail: string): never => fail('TOOL_FAILED', { tool: tools.log, detail: `${part.name}: ${detail}` });
  const transactions = trackTransactions();
  const elsewhere = since.server === log.end.server ? [] : (since.gtid ?? '').split(',').flatMap((text) => parseGtid(text) ?? []);
  let end = part.from;
  let complete = false;
  const judge: LogLaw['judge'] = (head) => {
    if (head.start < part.from && head.type !== eventType.format) return 'drop';
    if (head.start >= part.until && head.end > head.start) return 'stop';
    transactions.see(head);
    if (elsewhere.length > 0 && contradicts(elsewhere, transactions.open()?.gtid))
      fail('LOG_GAP', {
        database: label(server),
        detail: `another server answers now, and its history is another one than that of ${since.gtid}`,
      });
    end = Math.max(end, head.end);
    complete = head.type === eventType.rotate || head.type === eventType.stop;
    return 'keep';
  };
  yield* passEvents(remote.read({ file: part.name, position: part.from }), { start: part.from, magic: true, judge, broken });
  if (transactions.open()) broken(`it ends at ${end}, within a transaction`);
  if (end !== part.until && !complete) broken(`it ends at ${end} instead of ${part.until}`);
}

/** MariaDB: the same number in the same domain, by another server. */
function contradicts(known: readonly Gtid[], text: string | undefined): boolean {
  const one = text === undefined ? undefined : parseGtid(text);
  return known.some(({ of, number, server }) => of === one?.of && number === one.number && server !== one.server);
}

async function* textOf(manifest: Manifest): AsyncGenerator<Buffer> {
  yield Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`);
}
