// How the files or statements of a backup become the data of a new server, by the method that it was made with.
import { fail } from '../../../base/errors.ts';
import { type Program, startProgram } from '../../../base/program.ts';
import type { ServerAddress } from '../../../model/service.ts';
import type { RestoreRun } from '../../../ports/restorer.ts';
import type { ServiceContext } from '../../../ports/service.ts';
import type { RestoreCounts } from '../../../ports/target.ts';
import type { Facts as LogicalFacts } from '../dump/layout.ts';
import type { CopyFacts } from '../physical/copy-facts.ts';
import { explain, saidDone, toolFor } from '../physical/tool.ts';
import type { ServerFacts } from '../server-facts.ts';
import { writeLogIndex } from './binlog-index.ts';
import { type Options, withoutFolders } from './configuration.ts';
import type { ImageFacts } from './image-facts.ts';
import type { Layout } from './layout.ts';
import type { ServerProgram } from './program.ts';
import { type Place, placesBy, putFiles, textOf } from './put-files.ts';

/** What a backup says of the server it was made from. */
export interface Wanted {
  readonly facts: Pick<ServerFacts, 'kind'> & Partial<ServerFacts>;
  /** Throws where this host lacks what it takes. */
  ready(): Promise<void>;
  /** Fills the layout's directories; its my.cnf is there. */
  fill(run: RestoreRun, layout: Layout, counts: RestoreCounts, server: ServerProgram): Promise<void>;
  /** Options of my.cnf that win over those of the old server. */
  options(layout: Layout): Options;
  /** Of the first start only. */
  first(layout: Layout): readonly string[];
  /** Statements, sent during the first start. */
  load?(run: RestoreRun, address: ServerAddress, context: ServiceContext): Promise<void>;
}

/** Throws NOT_IN_BACKUP, TOOL_MISSING, TOOL_VERSION. */
export async function physicalBackup(run: RestoreRun): Promise<Wanted> {
  const facts = parsed<CopyFacts>(run, await textOf(run, ['mysql', 'backup.json']), 'physical');
  const file = facts.settings['innodb_data_file_path'];
  return {
    facts,
    ready: async () => void (await toolFor(facts)),
    fill: async (now, layout, counts) => {
      // A link file leads to where the old server has its tablespace; the copy lies beside it.
      const place = placesBy([['/mysql/data', layout.data]]);
      await putFiles(now, now.backup.root, '', (path) => (path.endsWith('.isl') ? undefined : place(path)), layout.owner, counts);
      await prepare(facts, layout, now.signal);
    },
    options: () => ({ innodb_data_file_path: file === undefined ? undefined : withoutFolders(file) }),
    first: () => [],
  };
}

/** The tool applies the log that it copied along, until all files are of one moment. Throws TOOL_… errors. */
async function prepare(facts: CopyFacts, layout: Layout, signal: AbortSignal): Promise<void> {
  const tool = await toolFor(facts);
  const argv = [tool.name, '--no-defaults', '--prepare', `--target-dir=${layout.data}`, `--tmpdir=${layout.tmp}`];
  const own = process.geteuid!() === 0 ? layout.owner : {};
  const program = startProgram(argv, { package: tool.package, explain, ...own });
  await endOf(program, signal);
  if (!saidDone(program.said())) fail('TOOL_FAILED', { tool: tool.name, detail: explain(program.said()) });
}

/** Its output is nothing to us. Throws what it failed with, or the signal's reason. */
async function endOf(program: Program, signal: AbortSignal): Promise<void> {
  const stop = () => void program.kill();
  signal.addEventListener('abort', stop, { once: true });
  try {
    program.child.stdout!.resume();
    await program.ended;
  } finally {
    signal.removeEventListener('abort', stop);
    signal.throwIfAborted();
  }
}

/** Files of an image: the server recovers as after a crash. */
export async function snapshotBackup(run: RestoreRun): Promise<Wanted> {
  const facts = parsed<ImageFacts>(run, await textOf(run, ['.stillpoint', 'mysql.json']), 'snapshot');
  const { binlog } = facts;
  const logFile = (layout: Layout) => `${layout.directory}/${binlog!.folder}/${binlog!.name}`;
  return {
    facts,
    ready: async () => needMovable(facts),
    fill: async (now, layout, counts) => {
      const place = imagePlaces(facts, layout);
      await putFiles(now, now.backup.root, '', place, layout.owner, counts);
      if (binlog) writeLogIndex(logFile(layout), layout.owner);
    },
    options: (layout) =>
      Object.fromEntries(Object.entries(facts.options).map(([name, value]) => [name, value.replaceAll('@', layout.directory)])),
    // What was prepared but not yet committed is decided by the binary log.
    first: (layout) => (binlog ? [`--log-bin=${logFile(layout)}`, `--log-bin-index=${logFile(layout)}.index`, '--server-id=1'] : []),
  };
}

/** Statements for an empty server. Throws TOOL_MISSING. */
export async function logicalBackup(run: RestoreRun): Promise<Wanted> {
  const { kind } = parsed<LogicalFacts>(run, await textOf(run, ['mysql', 'backup.json']), 'logical').server;
  return {
    facts: { kind },
    ready: async () => undefined,
    fill: (now, layout, _counts, server) => emptyServer(server, layout, now.signal),
    options: () => ({}),
    first: () => [],
    load: async (now, server, context) => {
      const { mysqlRestorer } = await import('../dump/restorer.ts');
      const restorer = await mysqlRestorer({ kind: 'mysql', server, databases: [], tables: [], as: {}, existing: 'replace' }, context);
      await restorer.run(now);
    },
  };
}

/** Root has no password that anybody knows: MariaDB lets the server's own user in, MySQL wrote one into the log. Throws TOOL_… errors. */
async function emptyServer({ kind, path }: ServerProgram, layout: Layout, signal: AbortSignal): Promise<void> {
  const own = process.geteuid!() === 0 ? layout.owner : {};
  const file = `--defaults-file=${layout.configuration}`;
  const argv =
    kind === 'MySQL'
      ? [path, file, '--initialize']
      : ['mariadb-install-db', file, '--skip-test-db', '--auth-root-authentication-method=socket'];
  await endOf(startProgram(argv, { package: 'mariadb-server', explain, ...own }), signal);
}

/** To recover, the server would open these files where they were: those of the old server, if it is this host's. Throws TARGET_FAILED. */
function needMovable({ elsewhere }: ImageFacts): void {
  const [path] = elsewhere;
  if (path === undefined) return;
  const detail =
    'tables with a directory of their own cannot be moved: restore the files to where they were, on another host, or take a physical backup';
  fail('TARGET_FAILED', { path, detail });
}

function imagePlaces({ moves }: ImageFacts, { directory }: Layout): Place {
  const place = placesBy(moves.map(({ from, to }) => [from, to === '' ? undefined : `${directory}/${to}`] as const));
  return (path) => (path.endsWith('.isl') || /\/(auto\.cnf|[^/]*\.(pid|err|sock|lock))$/.test(path) ? undefined : place(path));
}

/** Throws NOT_IN_BACKUP where it is none of this method. */
function parsed<T extends { readonly method: string }>({ backup }: RestoreRun, text: string | undefined, method: T['method']): T {
  const facts = text === undefined ? undefined : (JSON.parse(text) as T);
  return facts?.method === method ? facts : fail('NOT_IN_BACKUP', { what: `${method} copy of MySQL`, id: backup.record });
}
