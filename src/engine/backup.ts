// The first page of the story: how a plan's data becomes a backup.
import { userInfo } from 'node:os';
import { asStillpointError, isCode } from '../base/errors.ts';
import type { BackupTags } from '../model/backup.ts';
import type { ConsistencyMark } from '../model/consistency.ts';
import type { TaskResult, TaskSpec } from '../model/task.ts';
import type { Settled } from '../ports/settled.ts';
import type { Source } from '../ports/source.ts';
import { formatMs, type Lock, type RecordFile, type Repository, recordInfo, type Saved, tagsOf } from '../repository/repository.ts';
import { agentFile, freezeFile, type OwnFile, timeOfSameConfig, withOwnFiles } from './agent-config.ts';
import type { EngineDeps } from './deps.ts';
import { diskChanges } from './disk-changes.ts';
import { withHooks } from './hooks.ts';
import { type StillPoint, stillPoint } from './still-point.ts';
import { version } from './version.ts';
import { watched } from './watched.ts';

export type BackupSpec = Extract<TaskSpec, { type: 'backup' }>;

/** How long (ms) a full backup that met damage waits for others to leave the vault before it takes the broken packs out. */
const healPatience = 60_000;

/** What the steps of one backup work with. */
interface Run {
  readonly spec: BackupSpec;
  readonly settled: Settled;
  readonly deps: EngineDeps;
  readonly vault: Repository;
  readonly lock: Lock;
  readonly startedAt: number;
}

/** The plan's own commands before → a backup → those after. */
export const backUp = (spec: BackupSpec, deps: EngineDeps): Promise<TaskResult> => withHooks(spec, deps, () => makeBackup(spec, deps));

/**
 * open vault → settle what is read → freeze → snapshot → thaw → open source → parent → save → write the record last. Nothing is a backup
 * before its record is written.
 */
async function makeBackup(spec: BackupSpec, outer: EngineDeps): Promise<TaskResult> {
  const startedAt = outer.clock.now();
  let warnings = 0;
  const warn: EngineDeps['warn'] = (warning) => {
    warnings++;
    outer.warn(warning);
  };
  const deps = { ...outer, warn };
  const vault = await deps.openVault(spec.vault);
  try {
    const backup = await underLock(vault, async (lock) => {
      await vault.loadIndex(spec.full);
      const settled = await deps.settle(spec.source, warn);
      const host = { ...spec, source: settled.source };
      const point = await stillPoint(spec.consistency, await deps.groundOf(host), {
        ...deps,
        freeze: (writersOf) => deps.freeze(host, writersOf),
      });
      const watch = watched(() => point.intact(), deps.signal);
      const run: Run = { spec, settled, deps: { ...deps, signal: watch.signal }, vault, lock, startedAt };
      try {
        const read = spec.full ? await readVerified(run, point) : await readSource(run, point);
        await point.intact();
        if (settled.found) for (const change of diskChanges(read.before?.paths ?? read.paths, read.paths)) warn(change);
        const logUntil = point.freeze && settled.logMarkOf?.(point.freeze.facts);
        const marked = logUntil ? { ...read, tags: { ...read.tags, logUntil } } : read;
        const record = recordOf(run, marked, point.mark, warnings);
        await vault.retain(deps.signal);
        const id = await vault.records.save(record, lock);
        return recordInfo(id, record);
      } catch (error) {
        watch.throwIfLost();
        throw error;
      } finally {
        watch.stop();
        await point.close();
      }
    });
    if (vault.isBroken()) await takeOutBroken(vault, deps);
    return { record: backup, storedBytes: vault.indexedBytes(), warnings };
  } finally {
    await vault.close();
  }
}

async function underLock<T>(vault: Repository, work: (lock: Lock) => Promise<T>): Promise<T> {
  const lock = await vault.lock(false);
  try {
    return await work(lock);
  } finally {
    await lock.release();
  }
}

/** What a source gave, once all of it is stored. */
interface Read {
  readonly saved: Saved;
  readonly paths: readonly string[];
  readonly excludes: readonly string[];
  /** What the source says of it besides. */
  readonly tags: Partial<BackupTags>;
  readonly parent: RecordFile | undefined;
  /** The last backup, also where none of its files was relied upon. */
  readonly before: RecordFile | undefined;
}

async function readSource(run: Run, point: StillPoint): Promise<Read> {
  const { spec, settled, deps, vault } = run;
  const source = await deps.openSource(settled.source, deps.warn, point.placeOf);
  // A source that is waiting for its data (a command that prints nothing yet) would not notice otherwise.
  const letGo = () => void source.close();
  deps.signal.addEventListener('abort', letGo);
  try {
    deps.signal.throwIfAborted();
    const before = await parentOf(spec, source, vault);
    const parent = spec.full ? undefined : before;
    const saved = await save(run, withOwnFiles(source, await ownFiles(run, before, point)), parent);
    return { saved, paths: source.paths, excludes: source.excludes, tags: source.tags?.() ?? {}, parent, before };
  } finally {
    deps.signal.removeEventListener('abort', letGo);
    await source.close();
  }
}

/** The agent's configuration, as old as it is, so that a backup of what did not change is the same tree; what was found out; and what was frozen. */
async function ownFiles(
  { spec, settled, vault, startedAt }: Run,
  before: RecordFile | undefined,
  { freeze }: StillPoint,
): Promise<OwnFile[]> {
  const now = { seconds: Math.floor(startedAt / 1000), nanos: 0 };
  const since = before && (await timeOfSameConfig(vault, before.tree, spec.agentConfig));
  const config = { name: agentFile, text: spec.agentConfig, time: since ?? now };
  const found = [...settled.files, ...(freeze ? [{ name: freezeFile, text: JSON.stringify(freeze) }] : [])];
  return [config, ...found.map((file) => ({ ...file, time: now }))];
}

/** A full backup trusts nothing that is stored: every block it relies on is read and proven; what is damaged is stored anew. */
async function readVerified(run: Run, point: StillPoint): Promise<Read> {
  const { deps, vault } = run;
  const read = await readSource(run, point);
  const damaged = await vault.heal(deps.signal);
  if (damaged === 0) return read;
  deps.warn({ item: vault.location, detail: `${damaged} damaged blocks were found and are stored again` });
  return readSource(run, point);
}

/** The backup stands and the good copies are preferred already; this only tidies up, so no trouble with it may make the backup a failed one. */
async function takeOutBroken(vault: Repository, deps: EngineDeps): Promise<void> {
  try {
    const lock = await vault.lock(true, healPatience);
    try {
      await vault.forgetBroken(lock, deps.signal);
    } finally {
      await lock.release();
    }
  } catch (error) {
    const { message } = asStillpointError(error);
    deps.warn({ item: vault.location, detail: `the damaged packs stay until vault prune --max-unused 0: ${message}` });
  }
}

/** The backup whose unchanged files need not be read again: the one the agent names, else the newest of the same host and paths. */
async function parentOf(spec: BackupSpec, source: Source, vault: Repository): Promise<RecordFile | undefined> {
  if (spec.parent) {
    try {
      return await vault.records.load(spec.parent);
    } catch (error) {
      if (!isCode(error, 'BACKEND_NOT_FOUND', 'REPO_DAMAGED', 'BACKEND_SHORT')) throw error;
    }
  }
  const paths = [...source.paths].sort().join('\n');
  const records = await vault.records.list(() => undefined);
  return records.findLast((record) => record.hostname === spec.hostname && [...record.paths].sort().join('\n') === paths);
}

async function save({ spec, deps, vault, lock }: Run, source: Source, parent: RecordFile | undefined): Promise<Saved> {
  // A source that does not know how much it has will have about as much as last time.
  const bytesTotal = source.estimate.bytes || (parent?.summary?.totalBytes ?? 0);
  const filesTotal = source.estimate.files || (parent?.summary?.totalFiles ?? 0);
  return vault.save(lock, source, {
    mark: spec.full,
    limits: spec.limits,
    warn: deps.warn,
    signal: deps.signal,
    onProgress: ({ bytes, files, current }) => deps.progress({ bytesDone: bytes, bytesTotal, filesDone: files, filesTotal, current }),
    ...(parent ? { parentTree: parent.tree } : {}),
  });
}

function recordOf(
  { spec, deps, startedAt }: Run,
  { saved, paths, excludes, tags: own, parent }: Read,
  mark: ConsistencyMark,
  warnings: number,
) {
  const user = userInfo();
  const tags: BackupTags = {
    ...spec.tags,
    consistency: mark.level,
    ...(mark.reason !== undefined && { consistencyReason: mark.reason }),
    full: spec.full,
    warnings,
    ...own,
  };
  return {
    time: formatMs(startedAt),
    ...(parent ? { parent: parent.id } : {}),
    tree: saved.tree,
    paths,
    hostname: spec.hostname,
    username: user.username,
    uid: Math.max(0, user.uid),
    gid: Math.max(0, user.gid),
    excludes,
    tags: tagsOf(tags),
    programVersion: `stillpoint ${version}`,
    summary: { ...saved.summary, backupStart: formatMs(startedAt), backupEnd: formatMs(deps.clock.now()) },
  };
}
