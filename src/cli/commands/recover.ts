// agentcli recover …: a vault with nothing but its pool's credentials and a key; neither agent nor installation.
import { PassThrough, type Writable } from 'node:stream';
import type { Command } from 'commander';
import { exits } from '../../base/error-codes.ts';
import { fail } from '../../base/errors.ts';
import { linesOf } from '../../base/lines.ts';
import type { RecordInfo, TaskEvent, TaskResult, TaskSpec, VaultAccess } from '../../model/task.ts';
import {
  type Difference,
  type DifferenceSummary,
  differenceLine,
  type Entry,
  entryLine,
  type Found,
  foundLine,
  printStream,
  summaryLine,
} from '../entries.ts';
import { formatSize, formatTime, shortId, shortIds } from '../format.ts';
import { absolutePath, collect, parseTime } from '../parse.ts';
import { openProgress } from '../progress.ts';
import { openRate } from '../rate.ts';
import { findRecoveryKey } from '../recovery-key.ts';
import type { RestoreOptions } from '../restorable.ts';
import { destroys, restoreOptions, targetFrom } from '../restore-options.ts';
import type { Session } from '../session.ts';
import { askingOf } from '../source-options.ts';
import type { Standalone } from '../standalone.ts';
import { type StoreOptions, storeCredentials, storeDetails, storeOptions } from '../store-options.ts';
import { type Paint, printable } from '../terminal.ts';
import { verb } from '../verb.ts';
import { helpOf } from './pool.ts';

interface OpenOptions extends StoreOptions {
  readonly recoveryKeyFile?: string;
  readonly at?: number;
}

const latest = 'latest';

function open(command: Command): Command {
  return storeOptions(
    command
      .option('--recovery-key-file <file>', 'file with the recovery key; else the environment, else a question')
      .option('--at <time>', 'as the vault was then, from the versions that its bucket keeps', parseTime),
  );
}

export function addRecover(noun: Command, session: Session): void {
  const { paint } = session.terminal;

  open(
    verb(
      noun,
      'list <location>',
      'list the backups of a vault',
      'agentcli recover list /backup/main/6f1c2d3e --recovery-key-file main.key',
      'agentcli recover list s3:https://s3.example.org/dbs/main/6f1c2d3e --credentials-file s3.ini --recovery-key-file main.key',
    ),
  ).action(async (location: string, options: OpenOptions) => listRecords(session, await openVault(session, location, options)));

  open(
    verb(noun, 'ls <location> <backup> [path]', 'list what is in a backup', 'agentcli recover ls /backup/main/6f1c2d3e latest /etc -l')
      .option('-r, --recursive', 'with everything below')
      .option('-l, --long', 'with mode, owner, size and time'),
  ).action(
    async (location: string, id: string, path = '/', options: OpenOptions & { readonly recursive?: boolean; readonly long?: boolean }) => {
      const opened = await openVault(session, location, options);
      const { id: record } = await findRecord(session, opened, id);
      const { recursive = false, long = false } = options;
      await stream(session, opened, { type: 'ls', vault: opened.vault, record, path, recursive }, (entry: Entry) =>
        entryLine(entry, long, paint),
      );
    },
  );

  open(
    verb(
      noun,
      'find <location> <pattern...>',
      'find paths in all backups, or in some',
      'agentcli recover find /backup/main/6f1c2d3e "*.conf"',
    ).option('--backup <id>', 'only in this backup; may be repeated', collect),
  ).action(async (location: string, patterns: string[], options: OpenOptions & { readonly backup?: readonly string[] }) => {
    const opened = await openVault(session, location, options);
    const all = await records(session, opened);
    const chosen = options.backup ? options.backup.map((id) => matching(all, id)) : all;
    const spec: TaskSpec = { type: 'find', vault: opened.vault, records: chosen.map((record) => record.id), patterns };
    await stream(session, opened, spec, (found: Found) => foundLine(found, paint));
  });

  open(
    verb(noun, 'diff <location> <from> <to>', 'compare two backups', 'agentcli recover diff /backup/main/6f1c2d3e 02b6d4f1 latest'),
  ).action(async (location: string, from: string, to: string, options: OpenOptions) => {
    const opened = await openVault(session, location, options);
    const all = await records(session, opened);
    const spec: TaskSpec = { type: 'diff', vault: opened.vault, from: matching(all, from).id, to: matching(all, to).id };
    await stream(
      session,
      opened,
      spec,
      (each: Difference) => differenceLine(each, paint),
      (sum: DifferenceSummary) => summaryLine(sum),
    );
  });

  open(
    verb(
      noun,
      'cat <location> <backup> <path>',
      'write one file to standard output',
      'agentcli recover cat /backup/main/6f1c2d3e latest /etc/fstab',
    ),
  ).action(async (location: string, id: string, path: string, options: OpenOptions) => {
    const opened = await openVault(session, location, options);
    const { id: record } = await findRecord(session, opened, id);
    const out = session.terminal.stdout;
    await run(session, opened, { type: 'cat', vault: opened.vault, record, path }, { out, quiet: true });
  });

  open(
    restoreOptions(
      verb(
        noun,
        'restore <location> <backup> [command...]',
        'restore files, disks or the output of a command',
        'agentcli recover restore /backup/main/6f1c2d3e latest --target /mnt --recovery-key-file main.key',
        'agentcli recover restore /backup/main/6f1c2d3e 41d0bb7e --map /dev/vda=/dev/vdb',
      ),
    ),
  ).action((location: string, id: string, words: readonly string[], options: OpenOptions & RestoreOptions, command: Command) =>
    restore(session, location, id, words, options, helpOf(command)),
  );
}

interface Opened {
  readonly engine: Standalone;
  readonly vault: VaultAccess;
}

async function openVault(session: Session, location: string, options: OpenOptions): Promise<Opened> {
  const engine = await session.standalone();
  const isBucket = location.startsWith('s3:');
  const { place, path } = engine.locate(isBucket ? location : absolutePath(location), storeDetails(options));
  const credentials = isBucket ? await storeCredentials(session, options, location) : undefined;
  const password = await findRecoveryKey(session, options.recoveryKeyFile);
  const { at } = options;
  const pool = { id: '', place, bandwidth: 0, ...(credentials && { credentials }) };
  return { engine, vault: { pool, path, password, ...(at !== undefined && { at }) } };
}

interface RunOptions {
  readonly out?: Writable;
  readonly quiet?: boolean;
}

/** Runs a task in this process with a progress bar; warnings are printed as they come. */
async function run(session: Session, { engine }: Opened, spec: TaskSpec, options: RunOptions = {}): Promise<TaskResult> {
  const { terminal } = session;
  const view = await openProgress(terminal, session.json || Boolean(options.quiet));
  const rate = openRate();
  const onEvent = (event: TaskEvent) => {
    if (event.type === 'progress') view.update(rate(event.progress));
    if (event.type === 'warning') {
      session.exitCode = exits.warnings;
      session.remark(`${terminal.paintError('yellow', 'warning:')} ${printable(event.warning.item)}: ${printable(event.warning.detail)}\n`);
    }
  };
  try {
    return await engine.run(spec, { onEvent, out: options.out ?? new PassThrough().resume(), signal: session.interrupted });
  } finally {
    view.stop();
  }
}

async function stream<T>(
  session: Session,
  opened: Opened,
  spec: TaskSpec,
  text: (item: T) => string,
  summary?: (sum: never) => string,
): Promise<void> {
  const out = new PassThrough();
  const running = run(session, opened, spec, { out, quiet: true }).then(
    () => void out.end(),
    (error: Error) => void out.destroy(error),
  );
  const parsed = (async function* () {
    for await (const line of linesOf(out)) yield JSON.parse(line) as unknown;
  })();
  await printStream(session, parsed, text, summary);
  await running;
}

/** The newest first. */
async function records(session: Session, opened: Opened): Promise<readonly RecordInfo[]> {
  const result = await run(session, opened, { type: 'vault-scan', vault: opened.vault }, { quiet: true });
  return [...(result.records ?? [])].sort((a, b) => b.time - a.time);
}

async function findRecord(session: Session, opened: Opened, id: string): Promise<RecordInfo> {
  return matching(await records(session, opened), id);
}

/** By `latest`, id, beginning of an id, or name. Throws NOT_FOUND or AMBIGUOUS_ID. */
export function matching(all: readonly RecordInfo[], id: string): RecordInfo {
  const found = id === latest ? all.slice(0, 1) : all.filter((record) => record.id.startsWith(id) || record.tags.name === id);
  const [first, second] = found;
  if (!first) fail('NOT_FOUND', { what: 'backup', id });
  if (second) fail('AMBIGUOUS_ID', { what: 'backup', id, count: found.length });
  return first;
}

async function listRecords(session: Session, opened: Opened): Promise<void> {
  const all = await records(session, opened);
  if (session.json) return session.printJson({ items: all, total: all.length, nextCursor: null });
  const [{ nameText }, { tableText }] = await Promise.all([import('../print.ts'), import('../table.ts')]);
  const ids = shortIds(all.map((record) => record.id));
  const columns = [
    { title: 'ID', value: (record: RecordInfo, paint: Paint) => paint('cyan', ids.get(record.id) ?? record.id) },
    { title: 'TIME', value: (record: RecordInfo) => formatTime(record.time) },
    { title: 'NAME', value: (record: RecordInfo) => nameText(record.tags.name) },
    { title: 'PLAN', value: (record: RecordInfo) => nameText(record.tags.planName) },
    { title: 'HOST', value: (record: RecordInfo) => printable(record.hostname) },
    { title: 'SOURCE', value: (record: RecordInfo) => record.tags.source ?? '-' },
    {
      title: 'SIZE',
      value: (record: RecordInfo) => (record.summary ? formatSize(record.summary.totalBytes) : '-'),
      align: 'right' as const,
    },
    { title: 'PATHS', value: (record: RecordInfo) => printable(record.paths.join(' ')), flexible: true },
  ];
  if (all.length === 0) session.remark('no backup in this vault\n');
  else session.print(tableText(columns, all, session.terminal));
}

async function restore(
  session: Session,
  location: string,
  id: string,
  words: readonly string[],
  options: OpenOptions & RestoreOptions,
  help: string,
) {
  const opened = await openVault(session, location, options);
  const record = await findRecord(session, opened, id);
  const { source = null, method = null } = record.tags;
  const input = await targetFrom(options, words, { source, paths: record.paths }, askingOf(session, help));
  const { target: complete } = await session.standalone();
  const target = complete(input, { source, method, logs: [] });
  const rehearse = () => run(session, opened, { type: 'restore', vault: opened.vault, record: record.id, target, dryRun: true });
  const { resultText, stepsText } = await import('../outcome.ts');
  const { terminal } = session;
  if (options.dryRun) {
    const rehearsal = await rehearse();
    return session.json ? session.printJson(rehearsal) : session.print(resultText(rehearsal, terminal.paint));
  }
  const destroyed = destroys(input);
  if (destroyed !== undefined && !options.yes) {
    if (terminal.interactive && target.kind !== 'command')
      terminal.stderr.write(stepsText((await rehearse()).steps ?? [], terminal.paintError, 20));
    const { confirmDestruction } = await import('../prompt.ts');
    const question = `Restore ${shortId(record.id)} of ${formatTime(record.time)}? ${printable(destroyed)}.`;
    await confirmDestruction(terminal, `restoring ${shortId(record.id)}`, question, undefined);
  }
  const result = await run(session, opened, { type: 'restore', vault: opened.vault, record: record.id, target, dryRun: false });
  if (session.json) session.printJson(result);
  else session.print(`restored ${shortId(record.id)}\n${resultText(result, terminal.paint)}`);
}
